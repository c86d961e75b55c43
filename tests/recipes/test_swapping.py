"""The swaps of docs/swapping.md: each passes the check of the whole recipe, and a part that does not fit is an error."""

import pytest

from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load
from tests.documents import ROOT, blocks, commands

PAGE = ROOT / "docs" / "swapping.md"


def overrides(start: str) -> list[str]:
    """The arguments of the documented command whose swap begins with ``start``."""
    for block in blocks(PAGE, "bash"):
        for words in commands(block):
            if any(word.startswith(start) for word in words):
                return words[3:]
    raise AssertionError(f"{PAGE.name} has no command with {start}")


def test_another_data_module_takes_the_place_of_the_mixture():
    stages = load("quickstart", overrides("stages.language_model.data=")).config.stages
    assert stages.language_model.data._target_ == "datamodules.InterleavedDataModule"
    assert stages.without_interleaving.data._target_ == "datamodules.MixtureDataModule"


def test_another_generator_takes_the_place_of_the_inverse_stft():
    vocoder = load("quickstart", overrides("vocoder.generator=")).config.vocoder
    assert vocoder.generator._target_ == "zoo.vocoder.HiFiGANGenerator"
    assert vocoder.discriminators == load("quickstart").config.vocoder.discriminators


@pytest.mark.parametrize(
    "swap, message",
    [
        ("stages.language_model.data={_target_: datamodules.SpeechDataModule, tokens: x}", "data.vocabulary: missing"),
        ("stages.language_model.data={_target_: datamodules.F0DataModule, tracks: x}", "want MixtureDataModule"),
        ("vocoder.generator={_target_: zoo.vocoder.DurationPredictor, dim: 64}", "want Generator"),
    ],
)
def test_a_part_that_does_not_fit_is_an_error(swap, message):
    with pytest.raises(RecipeError, match=message):
        load("quickstart", [swap])
