from pathlib import Path

import pytest
import yaml

from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load


def lines(*overrides, source="r.yaml"):
    with pytest.raises(RecipeError) as caught:
        load(source, overrides, ["stage_fakes"])
    return list(caught.value.lines)


def change(workshop, **content):
    (workshop / "r.yaml").write_text(
        yaml.safe_dump({**yaml.safe_load((workshop / "r.yaml").read_text()), **content}, sort_keys=False)
    )


def test_a_right_recipe_passes_and_keeps_what_is_written(workshop):
    recipe = load("r.yaml", [], ["stage_fakes"])
    assert recipe.stages == ["data", "train", "report"]
    assert recipe.completed().stages.train.network.rate == 0.1
    assert "rate" not in recipe.config.network
    assert str(recipe.folder("train")) == "runs/r/train"


def test_all_errors_are_told_at_once_a_line_each(workshop):
    told = lines(
        "sizze=1",
        "network.rat=0.5",
        "network.kind=tall",
        "trainer.max_steps=many",
        "stages.data.words.1=[a]",
        "unused=${nothing.here}",
    )
    assert len(told) == 6
    assert all(line.startswith("r.yaml: ") and "\n" not in line for line in told)
    for part in (
        "sizze=1: the recipe has no 'sizze'; did you mean 'size'?",
        "network.rat=0.5: stage_fakes.Network has no argument 'rat'; did you mean 'rate'?",
        "network.kind='tall': want one of 'wide', 'deep'",
        "trainer.max_steps='many': want int, got 'many'",
        "stages.data.words.1: want str",
        "unused=${nothing.here}: the recipe has no 'nothing.here'",
    ):
        assert any(part in line for line in told), (part, told)


@pytest.mark.parametrize(
    "override, told",
    [
        ("network._target_=stage_fakes.Netwrok", "stage_fakes has no 'Netwrok'; did you mean 'Network'?"),
        ("network._target_=zoo.nowhere.Network", "zoo has no 'nowhere'"),
        ("network._target_=3", "want a dotted name"),
        ("network={_target_: stage_fakes.Network}", "network.size: missing; stage_fakes.Network needs it (int)"),
        ("network=5", "network=5: want Network, got 5; write it as a node"),
        ("network=${trainer}", "stages.train.network: want Network, but stage_fakes.Trainer makes Trainer"),
        ("network.rate=true", "network.rate=true: want float"),
        ("network.names=abc", "network.names='abc': want list[str], got 'abc'; write it as [a, b]"),
        ("network.names=[a, 1]", "network.names.1=1: want str, got 1; write it in quotes"),
        ("network.weights={a: b}", "network.weights.a='b': want float"),
        ("network.folder=[a]", "network.folder: want str or Path"),
        (
            "stages.train.schedule={peek: 1}",
            "stages.train.schedule.peek=1: Schedule has no 'peek'; did you mean 'peak'?",
        ),
        ("stages.train.schedule={warmup: 1}", "stages.train.schedule.peak: missing"),
        ("stages.train.network=???", "a value is needed"),
        ("stages.train.out=runs/r/data", "stages.data has the same folder"),
        ("stages.data.source=${stages.train.out}/x", "which stages.train writes only after it"),
        (
            "stages.train.trainer.max_steps=3",
            "stages.train.trainer is ${trainer}, shared with others: override trainer.max_steps",
        ),
        ("stages.data.words.2=x", "stages.data.words is a list of 2"),
        ("size.x=1", "size is 3, which has no 'x'"),
        ("max_steps", "want key=value"),
        ("size=[1", "not valid YAML"),
        ("seed=x", "seed='x': want int"),
        ("stages.data.words=['pipe:reboot']", "runs a shell command and is refused"),
        ("size=${size}", "size=${size}:"),
    ],
)
def test_each_error_names_place_value_and_remedy(workshop, override, told):
    assert any(told in line for line in lines(override)), lines(override)


def test_errors_of_a_shared_node_are_told_where_it_is_written(workshop):
    assert len(lines("network.size=big")) == 1


def test_overrides_reach_any_depth_and_are_yaml(workshop):
    config = load(
        "r.yaml",
        [
            "stages.data.words.0=zero",
            "network.rate=1e-3",
            "network.weights={a: 1}",
            "trainer.max_steps=1e4",
            "trainer.callbacks=[{_target_: stage_fakes.Callback}]",
            "network.folder=a=b",
            "out=~/x",
        ],
        ["stage_fakes"],
    ).config
    assert config.out == str(Path.home() / "x")
    assert config.stages.data.words == ["zero", "two"]
    assert config.network.rate == 0.001 and config.network.folder == "a=b"
    again = load(
        "r.yaml",
        ["trainer.callbacks=[{_target_: stage_fakes.Callback}]", "trainer.callbacks.0.every=5"],
        ["stage_fakes"],
    )
    assert again.config.trainer.callbacks[0].every == 5


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "a mapping of names"),
        ("- a\n", "a mapping of names"),
        ("a: [1\n", "not valid YAML"),
        ("a: 1\na: 2\n", "not valid YAML"),
        ("a: 1\n", "stages: missing"),
        ("stages: {x: 1}\n", "stages.x: want a node"),
    ],
)
def test_a_file_that_is_no_recipe(workshop, text, told):
    (workshop / "bad.yaml").write_text(text)
    found = lines(source="bad.yaml")
    assert len(found) == 1 and "bad.yaml" in found[0] and told in found[0]


def test_an_unknown_recipe_names_the_near_one(workshop):
    assert "zoo list" in lines(source="quikstart")[0]
    assert "no such file" in lines(source="nowhere.yaml")[0]


def test_a_reference_in_a_loop_is_told(workshop):
    change(workshop, one="${two}", two="${one}")
    assert any("one=${two}" in line for line in lines())


def test_an_error_in_what_a_reference_leads_to_is_told_once(workshop):
    change(workshop, network={"_target_": "stage_fakes.Network", "size": "${sise}"})
    assert lines() == ["r.yaml: network.size=${sise}: the recipe has no 'sise'; did you mean 'size'?"]


@pytest.mark.parametrize("path_first", [False, True])
def test_another_target_replaces_the_node(path_first):
    swap = ["stages.corpus.source._target_=zoo.corpora.TableCorpus", "stages.corpus.source.path=words"]
    source = load("quickstart", swap[::-1] if path_first else swap).config.stages.corpus.source
    assert source == {"_target_": "zoo.corpora.TableCorpus", "path": "words"}


def test_the_same_target_leaves_the_node_as_it_is():
    assert load("quickstart", ["demo._target_=zoo.corpora.DemoCorpus"]).config == load("quickstart").config


def test_another_target_replaces_a_node_with_a_base():
    swap = ["expressive_network._target_=zoo.language.networks.from_run", "expressive_network.folder=model"]
    network = load("compare/base_vs_expressive", [*swap, "expressive_network.vocabulary=${expressive_vocabulary}"])
    assert set(network.config.expressive_network) == {"_target_", "folder", "vocabulary"}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("num_units=${nothing}", "num_units=${nothing}: the recipe has no 'nothing'"),
        ("seed=${seed}", "seed=${seed}: the reference leads back to itself"),
        ("name=${nothing}", "name=${nothing}: the recipe has no 'nothing'"),
    ],
)
def test_a_broken_reference_is_listed_once_where_it_is_written(override, line):
    assert lines(override, source="quickstart") == [f"quickstart.yaml: {line}"]
