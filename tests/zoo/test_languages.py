"""Tags of languages and the codes that Whisper has for them."""

import pytest
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from zoo.languages import TWO_LETTERS, is_unspaced, language_code, whisper_code


@pytest.mark.parametrize(
    "tag, code",
    [("en", "en"), ("pt-BR", "pt"), ("zh_Hant_TW", "zh"), ("DEU", "de"), ("cmn", "zh"), ("yue", "yue"), (None, "")],
)
def test_the_language_of_a_tag(tag, code):
    assert language_code(tag) == code


@pytest.mark.parametrize(
    "tag, code", [("nb-NO", "no"), ("jav", "jw"), ("fil", "tl"), ("German", "de"), ("swh", "sw"), ("yue", "yue")]
)
def test_the_code_of_whisper(tag, code):
    assert whisper_code(tag) == code and code in LANGUAGES


def test_every_language_of_whisper_has_a_code_of_three_letters():
    assert {whisper_code(code) for code in TWO_LETTERS} | {"yue", "haw"} == set(LANGUAGES) | {"or"}


def test_which_languages_have_no_spaces_between_words():
    assert all(map(is_unspaced, ("zh-CN", "cmn", "jpn", "th", "khm", "yue")))
    assert not any(map(is_unspaced, ("en", "ko", "vie", "", None)))
