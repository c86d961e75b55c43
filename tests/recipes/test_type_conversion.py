from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest
import torch
from stage_hints import deferred

from recipes.engine.signatures import signature
from recipes.engine.type_conversion import Made, Mismatch, convert


class Color(Enum):
    RED = "r"


@pytest.mark.parametrize(
    "hint, value, want",
    [
        (int, 3, 3),
        (int, 1e4, 10_000),
        (float, 1, 1.0),
        (str, "a", "a"),
        (bool, True, True),
        (Path, "a/b", Path("a/b")),
        (Optional[int], None, None),
        (int | float, 1, 1),
        (int | float, 0.5, 0.5),
        (str | Path, "a", "a"),
        (Path | None, "a", Path("a")),
        (list[Path], ["a"], [Path("a")]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Sequence[float], [1], [1.0]),
        (dict[str, Path], {"a": "b"}, {"a": Path("b")}),
        (dict[str, list[int]] | None, {"a": [1]}, {"a": [1]}),
        (Literal["a", 1], 1, 1),
        (Union[list[int], str, int], "auto", "auto"),
        (Union[list[int], str, int], [0], [0]),
        (Any, object, object),
        (Color, "RED", Color.RED),
        (Color, "r", Color.RED),
        (list, [1], [1]),
        (dict, {}, {}),
        (None, None, None),
    ],
)
def test_what_fits_becomes_what_is_wanted(hint, value, want):
    got = convert(hint, value)
    assert got == want and type(got) is type(want)


@pytest.mark.parametrize(
    "hint, value",
    [
        (int, "3"),
        (int, 1.5),
        (int, True),
        (int, None),
        (int, float("inf")),
        (float, "1"),
        (str, 5),
        (str, False),
        (bool, 1),
        (bool, "yes"),
        (Path, 3),
        (Optional[int], "x"),
        (int | float, "x"),
        (list[str], "abc"),
        (list[str], [1]),
        (tuple[int, str], [1]),
        (dict[str, float], [1]),
        (dict[str, float], {"a": "b"}),
        (dict[str, int], {1: 1}),
        (Literal["a", "b"], "c"),
        (Literal[1], True),
        (Color, "BLUE"),
        (torch.nn.Module, "linear"),
        (torch.nn.Module | None, 3),
        (Optional[dict[str, int]], {"a": "x"}),
    ],
)
def test_what_does_not_fit_is_refused(hint, value):
    with pytest.raises(Mismatch):
        convert(hint, value)


@pytest.mark.parametrize(
    "hint, made, is_exact, fits",
    [
        (torch.nn.Module, torch.nn.Linear, True, True),
        (torch.nn.Linear, torch.nn.Module, True, False),
        (torch.nn.Linear, torch.nn.Module, False, True),
        (torch.nn.Module | None, int, True, False),
        (list[torch.nn.Module], torch.nn.Linear, True, False),
        (torch.nn.Module, Any, False, True),
        (Literal["a", "b"] | None, str, False, True),
        (int, torch.nn.Linear, True, False),
        (Any, int, True, True),
        (torch.nn.Linear, torch.nn.Linear | None, False, True),
    ],
)
def test_what_a_node_makes_is_compared_with_what_is_wanted(hint, made, is_exact, fits):
    value = Made(made, "some.target", is_exact)
    if fits:
        assert convert(hint, value) is value
    else:
        with pytest.raises(Mismatch):
            convert(hint, value)


def test_the_place_inside_a_value_is_told():
    with pytest.raises(Mismatch) as caught:
        convert(dict[str, list[int]], {"a": [1, "x"]})
    assert caught.value.at == "a.1"


def test_annotations_written_as_text_are_evaluated_one_by_one():
    arguments = signature(deferred).arguments
    assert (
        arguments["model"].hint is torch.nn.Module
        and arguments["size"].hint == int | None
        and arguments["unknown"].hint is Any
    )
