"""The string form of units and its parsing."""

from dataclasses import replace

import pytest

from tests.spiritlm_parity.fixtures import EXPECTED, cases
from zoo.interop.spiritlm import strings


def grouped(arguments):
    """The release's arguments, such as ``pitch_rate``, as one record per stream."""
    streams = {"hubert": strings.HUBERT, "pitch": strings.PITCH, "style": strings.STYLE}
    others = {}
    for name, value in arguments.items():
        stream, _, field = name.partition("_")
        if stream in streams:
            streams[stream] = replace(streams[stream], **{field: value})
        else:
            others[name] = value
    return {**others, **streams}


@pytest.mark.parametrize("case", cases("units_to_string"))
def test_units_to_string(case):
    arguments = grouped(case["kwargs"])
    if "error" in case:
        with pytest.raises(ValueError):
            strings.units_to_string(case["units"], **arguments)
    else:
        assert strings.units_to_string(case["units"], **arguments) == case["out"]


@pytest.mark.parametrize("case", cases("string_to_units"))
def test_string_to_units(case):
    arguments = case["string"], case["duplicate_hubert_for_multiple_pitch"]
    if "error" in case:
        with pytest.raises(ValueError):
            strings.string_to_units(*arguments)
    elif "out_any_of" in case:
        assert strings.string_to_units(*arguments) in case["out_any_of"]
    else:
        assert strings.string_to_units(*arguments) == case["out"]


@pytest.mark.parametrize(
    "name", ["does_start_with_speech_token", "does_end_with_speech_token", "find_prompt_last_speech_start_position"]
)
def test_speech_tokens_in_strings(name):
    for case in EXPECTED[name]:
        assert getattr(strings, name)(case["string"]) == case["out"], case["string"]


@pytest.mark.parametrize("case", cases("parse_speech_and_text"))
def test_parse_speech_and_text(case):
    assert [list(piece) for piece in strings.parse_speech_and_text(case["string"])] == case["out"]
