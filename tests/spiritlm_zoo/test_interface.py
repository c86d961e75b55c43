"""The names that a user imports from ``spiritlm_zoo``."""

import subprocess
import sys
from pathlib import Path

import pytest

import spiritlm_zoo

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", spiritlm_zoo.__all__)
def test_every_name_is_there_and_listed(name):
    assert getattr(spiritlm_zoo, name) is not None
    assert name in dir(spiritlm_zoo)


def test_names_are_the_objects_of_their_modules():
    from zoo.language.speech_text_model import SpeechTextModel
    from zoo.tokenizers.speech_tokenizer import load_tokenizer
    from zoo.vocoder.vocoder import Vocoder

    assert spiritlm_zoo.SpeechTextModel is SpeechTextModel
    assert spiritlm_zoo.load_tokenizer is load_tokenizer
    assert spiritlm_zoo.Vocoder is Vocoder


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'spiritlm_zoo' has no attribute 'Nothing'"):
        spiritlm_zoo.Nothing


def test_nothing_heavy_is_imported_before_a_name_is_used():
    code = "import sys, spiritlm_zoo; print([name for name in ('torch', 'transformers', 'zoo') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_package_says_that_it_is_typed():
    for package in ("spiritlm_zoo", "zoo", "datamodules", "lightningmodules", "recipes"):
        assert (ROOT / package / "py.typed").is_file()
