import pytest
from stage_fakes import Network

from recipes.engine.builder import Builder
from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load

SHARED = """
one: {_target_: stage_fakes.Network, size: 1}
two: ${one}
group: {inner: {_target_: stage_fakes.Network, size: 2, folder: "text ${one.size}"}}
pairs: [{_target_: stage_fakes.pair, first: "${one}", second: "${two}"}, {_target_: stage_fakes.pair, first: "${group.inner}", second: "${pairs.0.first}"}]
alias: ${group}
stages:
  data: {_target_: stage_fakes.make_data, words: ["${one.size}x"]}
"""


def builder(workshop, text=SHARED, overrides=()):
    (workshop / "s.yaml").write_text(text)
    return Builder(load("s.yaml", overrides, ["stage_fakes"]))


def test_a_reference_alone_is_the_very_object_built_there(workshop):
    build = builder(workshop)
    first, second = build("pairs.0")
    inner, again = build("pairs.1")
    assert first is second is again is build("one") is build("two")
    assert inner is build("group.inner") is build("alias.inner")
    assert build("pairs")[0] is build("pairs.0")


def test_a_reference_inside_text_is_text(workshop):
    build = builder(workshop)
    assert build("group.inner").folder == "text 1"
    assert build.arguments("stages.data")["words"] == ["1x"]


def test_another_builder_makes_other_objects(workshop):
    recipe = load("r.yaml", [], ["stage_fakes"])
    assert Builder(recipe)("network") is not Builder(recipe)("network")
    assert isinstance(Builder(recipe)("network"), Network)


def test_a_constructor_that_refuses_is_told_with_its_place(workshop):
    with pytest.raises(RecipeError) as caught:
        Builder(load("r.yaml", ["network.size=-1"], ["stage_fakes"])).arguments("stages.train")
    assert str(caught.value) == "r.yaml: network: size must be positive, got -1"


def test_text_becomes_a_path_and_a_mapping_a_dataclass(workshop):
    arguments = Builder(load("r.yaml", ["stages.train.schedule={peak: 1}"], ["stage_fakes"])).arguments("stages.train")
    assert str(arguments["data"]) == "runs/r/data/words.txt" and arguments["data"].name == "words.txt"
    assert arguments["schedule"].peak == 1.0
