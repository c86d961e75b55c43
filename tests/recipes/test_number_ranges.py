"""Numbers out of range, or that do not fit together, are refused before any work: key, value and range in one line."""

import re
from importlib import import_module

import pytest

from recipes.engine.plan import plan
from recipes.engine.preflight import preflight_problems
from recipes.engine.public_parts import PARTS, STAGES
from recipes.engine.recipe import load
from recipes.engine.signatures import signature
from recipes.engine.type_conversion import Mismatch, convert, name_of
from zoo.ranges import LearningRate, OddKernelSize, Share, Size

NUMBER_WITHOUT_RANGE = re.compile(r"\b(int|float)\b(?! (from|above) )")


def problems(recipe: str, *overrides: str) -> list[str]:
    """Everything that the check of a recipe and the check of this machine have to say, without the file name."""
    try:
        checked = load(recipe, [*overrides, "out=runs/numbers"])
    except ValueError as error:
        lines = str(error).splitlines()
    else:
        lines = preflight_problems(checked, plan(checked))
    return [line.partition(": ")[2] for line in lines]


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (Size, 0, "want int from 1 to 1,000,000, got 0"),
        (Size, 0.5, "want int from 1 to 1,000,000, got 0.5"),
        (Size, 10**400, "want int from 1 to 1,000,000, got 1000"),
        (Size | None, 1e9, "want int from 1 to 1,000,000 or null, got 1000000000.0"),
        (OddKernelSize, 4, "want int from 1 to 1,001 that is odd, got 4"),
        (LearningRate, 0, "want float above 0 and up to 10, got 0"),
        (LearningRate, float("nan"), "want float above 0 and up to 10, got nan"),
        (Share, 1.0, "want float from 0 to below 1, got 1.0"),
        (dict[str, Share], {"a": -1}, "want float from 0 to below 1, got -1"),
        (float, float("inf"), "want a finite float, got inf"),
        (float, float("nan"), "want a finite float, got nan"),
    ],
)
def test_number_out_of_range_is_a_mismatch_that_states_the_range(hint, value, message):
    with pytest.raises(Mismatch, match=re.escape(message)):
        convert(hint, value)


@pytest.mark.parametrize(
    ("hint", "value", "converted"),
    [(Size, 1, 1), (Size, 1e6, 1_000_000), (Size | None, None, None), (Share, 0, 0.0), (tuple[Size, ...], [3], (3,))],
)
def test_number_in_range_is_converted(hint, value, converted):
    result = convert(hint, value)
    assert result == converted and type(result) is type(converted)


def test_every_number_of_a_public_part_has_a_range():
    without = []
    for module, names in (STAGES | PARTS).items():
        for name in names:
            part = import_module(module)
            for attribute in name.split("."):
                part = getattr(part, attribute)
            for argument in signature(part).arguments.values():
                if NUMBER_WITHOUT_RANGE.search(name_of(argument.hint)):
                    without.append(f"{module}.{name}({argument.name})")
    assert without == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.sequence_length=0", "data.sequence_length=0: want int from 2 to"),
        ("network.num_heads=-1", "network.num_heads=-1: want int from 1 to"),
        ("network.num_heads=3", "network.num_heads=3: hidden_size 128 is not an even multiple of it"),
        ("network.max_positions=64", "network.max_positions=64: shorter than the rows of stages.language_model.data"),
        ("stages.vocabulary.text_size=1e9", "stages.vocabulary.text_size=1000000000.0: want int from 258 to 1,000,000"),
        ("model.learning_rate=0", "model.learning_rate=0: want float above 0 and up to 10, got 0"),
        ("model.learning_rate=.nan", "model.learning_rate=nan: want float above 0"),
        ("num_units=0", "num_units=0: want int from 2 to 100,000, got 0"),
        ("trainer.max_steps=0", "trainer.max_steps=0: want int from 1 to 1e12 or -1"),
        ("trainer.devices=1024", "trainer.devices=1024: this machine has"),
        ("trainer.devices=0", "trainer.devices=0: want int from 1 to 1,024 or -1"),
        ("trainer.val_check_interval=1.5", "trainer.val_check_interval=1.5: want int from 1"),
        ("seed=-1", "seed=-1: want int from 0 to 4,294,967,295, got -1"),
        ("seed=4294967296", "seed=4294967296: want int from 0 to 4,294,967,295"),
        ("jobs=0", "jobs=0: want int from 1 to 1,024"),
        ("data.weights={text: 0, speech: 0, interleaved: 0}", "data.weights: all are 0"),
        ("data.weights={text: 1}", "data.weights: ['text'] are not the names of the streams"),
        ("network.hidden_size=1000000", "network.hidden_size=1000000: would take"),
        ("data.batch_size=1000000", "data.batch_size=1000000: would take"),
        ("vocoder.generator.backbone.channels=1000000", "vocoder.generator: a network of"),
        ("vocoder.generator.backbone.kernel_size=4", "vocoder.generator.backbone.kernel_size=4: want int from 1 to"),
        ("vocoder.generator.unit_rate=24", "vocoder.generator: streams {'Hu': 64} at unit_rate 24"),
        ("vocoder.losses.mel_windows.0=65000", "vocoder.losses.mel_windows.0=65000: longer than the 10,240 samples"),
        (
            "data.streams.interleaved.spans.text_words.0=9",
            "data.streams.interleaved.spans: text_words: want 1 <= fewest",
        ),
        ("corpus=missing", "corpus=missing: no such file or folder"),
    ],
)
def test_quickstart_with_a_wrong_number_is_refused_before_any_work(override, message):
    assert any(problem.startswith(message) for problem in problems("quickstart", override)), problems(
        "quickstart", override
    )


def test_quickstart_as_it_is_asks_nothing_that_a_machine_lacks():
    assert problems("quickstart") == []
