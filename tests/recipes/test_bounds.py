"""Recipes that would grow beyond all bounds are one line, and nothing of them is expanded."""

import time

import pytest

from recipes.engine.bounds import check_text, reference_problems, size_problems
from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load

HANG_SECONDS = 20.0  # far more than any of these takes, far less than what they would take unbounded
LAUGHS = "\n".join(["a0: &a0 x", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))])
DOUBLED_TEXT = "\n".join(["a0: abcdefgh", *(f"a{n}: ${{a{n - 1}}}${{a{n - 1}}}" for n in range(1, 60))])
DOUBLED_LISTS = "\n".join(["a0: abcdefgh", *(f'a{n}: ["${{a{n - 1}}}", "${{a{n - 1}}}"]' for n in range(1, 60))])
DOUBLED_IN_BRACKETS = "\n".join(
    ["a0: [abcdefgh]", *(f"a{n}: ['${{a{n - 1}[0]}}${{ a{n - 1}.0 }}']" for n in range(1, 60))]
)
RELATIVE = "\n".join(
    ["x0: {y: xxxxxxxxxx}"]
    + [f"d{n}: {{z: {{y: '${{..p}}${{..p}}'}}, p: '${{x{n - 1}.y}}'}}\nx{n}: ${{d{n}.z}}" for n in range(1, 15)]
)
BOMBS = {
    "relative references": RELATIVE,
    "many long values": f"b: {'x' * 5000}\n" + "\n".join(f"k{n}: ${{b}}${{b}}" for n in range(1000)),
    "long keys": f"a:\n  {'k' * 60_000}: 1\n" + "\n".join(f"r{n}: ${{a}}" for n in range(300)),
    "chain": "a0: 1\n" + "\n".join(f"a{n}: ${{a{n - 1}}}" for n in range(1, 900)),
    "copies": f"a: [{'1, ' * 300}1]\n" + "\n".join(f"r{n}: ${{a}}" for n in range(1500)),
    "lists": "a: " + "[" * 5000 + "]" * 5000,
    "open lists": "a: " + "[" * 5000,
    "mappings": "\n".join("  " * depth + "a:" for depth in range(300)),
    "flow mappings": "a: " + "{a: " * 3000 + "1" + "}" * 3000,
    "aliases": LAUGHS,
    "doubled text": DOUBLED_TEXT,
    "doubled lists": DOUBLED_LISTS,
    "doubled in brackets": DOUBLED_IN_BRACKETS,
    "long": "a: " + "x" * 3_000_000,
    "wide": "a: [" + "1, " * 30_000 + "1]",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_one_line(kind, tmp_path):
    stage = "\nstages:\n  one: {_target_: recipes.stages.corpus.prepare_corpus}\n"
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[kind] + stage)
    start = time.monotonic()
    with pytest.raises(RecipeError) as error:
        load(str(path))
    assert time.monotonic() - start < HANG_SECONDS
    assert len(error.value.lines[0]) < 300 and str(path) in error.value.lines[0]


@pytest.mark.parametrize("text", ["[" * 3000, "{a: " * 3000, LAUGHS.replace("\n", ", ")])
def test_values_from_the_command_line_are_bounded_too(text):
    start = time.monotonic()
    with pytest.raises(RecipeError):
        load("quickstart", [f"trainer.max_steps={text}"])
    assert time.monotonic() - start < HANG_SECONDS


@pytest.mark.parametrize(
    "value", ["${oc.env:HOME}", "a ${oc.env:HOME} b", "${ oc.env : HOME }", "${oc.decode:x}", "${x:}"]
)
def test_resolvers_are_refused(value):
    (problem,) = reference_problems({"a": {"b": [value]}})
    assert problem.startswith("a.b.0=") and "refused" in problem


def test_references_inside_of_references_are_refused():
    (problem,) = reference_problems({"a": "${b.${c}}"})
    assert "inside a reference" in problem


@pytest.mark.parametrize("value", ["${a.b}", "${..a}", "x ${a} y: ${b}", "${a[0].b}", "a: b", "$HOME", "{a:b}"])
def test_paths_in_the_recipe_are_allowed(value):
    assert reference_problems({"a": value}) == []


def test_sizes_follow_references_and_survive_cycles():
    assert size_problems({"a": "${b}", "b": "${a}", "c": {"d": "${c}", "e": "${..a}"}}) == []
    nested = {"a": {"b": "x" * 1000}, "c": "${d.b}" * 2000, "d": "${a}"}
    assert size_problems(nested) == [
        "c: the recipe has more than 1,000,000 characters once its references are followed"
    ]


@pytest.mark.parametrize("repetition", [f"seeds: {list(range(500))}", f"for_each: {{x: {list(range(2000))}}}"])
def test_a_stage_runs_a_bounded_number_of_times(repetition, tmp_path):
    path = tmp_path / "many.yaml"
    path.write_text(f"x: 1\nstages:\n  one: {{_target_: recipes.stages.corpus.prepare_corpus, {repetition}}}\n")
    with pytest.raises(RecipeError, match="at most 32 times"):
        load(str(path))


def test_text_within_bounds_passes():
    check_text("a: &a [1, 2]\nb: [*a, *a]\n", "file")
