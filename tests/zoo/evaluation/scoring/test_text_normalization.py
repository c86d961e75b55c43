import pytest

from zoo.evaluation.scoring.text_normalization import TextNormalizer


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en-US", "Um, Mr. Brown won't go -- he's \"late\"!", "mister brown will not go he is late"),
        ("en", "Four seven one, nine two.", "4 7 1 9 2"),
        ("eng", "47192", "4 7 1 9 2"),
        ("en", "4, 7, 1, 9, 2", "4 7 1 9 2"),
        ("en", "One of them", "1 of them"),
        ("de", "Straße, Größe: 12!", "straße größe 12"),
        (None, "L'été (rires) fini.", "l été fini"),
        ("cmn", "我 爱你，好。", "我 爱 你 好"),
        ("hi-IN", "नमस्ते, दुनिया।", "नमस्ते दुनिया"),
        ("th", "รัก", "รั ก"),
    ],
)
def test_texts_are_normalized_by_language(language, text, expected):
    assert TextNormalizer(language)(text) == expected


def test_characters_of_unspaced_languages_have_no_spaces_between_them():
    assert TextNormalizer("zh").characters("我 爱你。") == "我爱你"
    assert TextNormalizer("en").characters("A cat.") == "a cat"
