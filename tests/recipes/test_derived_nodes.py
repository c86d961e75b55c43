"""A node with ``_base_`` is a copy of another node with some values of its own."""

import pytest
import yaml

from recipes.engine.derived_nodes import expand_derived_nodes
from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load

RECIPE = """
name: derived
width: 8
small: {_target_: torch.nn.Linear, in_features: "${width}", out_features: "${.in_features}"}
large: {_base_: small, in_features: 32}
nested: {_base_: large, bias: false}
vocoder: {generator: {streams: {Hu: 4}, dim: 64}, rates: [1, 2]}
expressive_vocoder: {_base_: vocoder, generator.streams: {Hu: 4, Pi: 8}}
stages:
  first: {_target_: recipes.stages.corpus.prepare_corpus, source: {_target_: zoo.corpora.DemoCorpus, hours: 0.1}}
  second: {_base_: stages.first, source.hours: 0.2}
"""


def expanded(text: str = RECIPE) -> dict:
    content = yaml.safe_load(text)
    assert expand_derived_nodes(content) == []
    return content


def problem(line: str) -> str:
    content = yaml.safe_load(RECIPE.replace("stages:", f"{line}\nstages:"))
    (message,) = expand_derived_nodes(content)
    return message


def test_values_of_the_node_replace_those_of_the_base_at_any_depth():
    content = expanded()
    assert content["nested"] == {
        "_target_": "torch.nn.Linear",
        "in_features": 32,
        "out_features": "${.in_features}",
        "bias": False,
    }
    assert content["expressive_vocoder"] == {"generator": {"streams": {"Hu": 4, "Pi": 8}, "dim": 64}, "rates": [1, 2]}
    assert content["vocoder"]["generator"]["streams"] == {"Hu": 4}
    assert content["stages"]["second"]["source"] == {"_target_": "zoo.corpora.DemoCorpus", "hours": 0.2}


def test_a_copy_shares_nothing_with_its_base():
    content = expanded()
    content["expressive_vocoder"]["rates"].append(3)
    assert content["vocoder"]["rates"] == [1, 2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a: {_base_: smal}", "a._base_='smal': want the name of a node"),
        ("a: {_base_: smal}", "did you mean 'small'?"),
        ("a: {_base_: width}", "want the name of a node"),
        ("a: {_base_: [small]}", "want the name of a node"),
        ("a: {_base_: a}", "leads back to a"),
        ("a: {_base_: b}\nb: {_base_: a}", "leads back to"),
        ("a: {_base_: vocoder, generator.sterams: 1}", "a.generator.sterams: generator has no 'sterams'; did you mean"),
        ("a: {inner: {_base_: small}}", "a.inner._base_: only a node at the top"),
    ],
)
def test_a_base_that_cannot_be_followed_is_one_line(line, words):
    content = yaml.safe_load(RECIPE.replace("stages:", f"{line}\nstages:"))
    assert any(words in message for message in expand_derived_nodes(content))


def test_copies_of_copies_are_bounded():
    large = "l0: {" + ", ".join(f"k{index}: 1" for index in range(200)) + "}"
    content = yaml.safe_load("\n".join([large, *[f"l{index}: {{_base_: l0}}" for index in range(1, 60)]]))
    assert any("at most" in message for message in expand_derived_nodes(content))
    chain = yaml.safe_load(
        "\n".join(["l0: {a: 1}", *[f"l{index}: {{_base_: l{index + 1}}}" for index in range(1, 90)]])
    )
    chain["l90"] = {"_base_": "l0"}
    assert any("at most" in message for message in expand_derived_nodes(chain))


def test_the_command_line_reaches_into_base_and_copy(tmp_path):
    path = tmp_path / "derived.yaml"
    path.write_text(RECIPE)
    recipe = load(
        str(path), ["vocoder.generator.dim=32", "expressive_vocoder.generator.streams.Pi=9", "nested.bias=true"]
    )
    assert recipe.config.expressive_vocoder.generator.dim == 32
    assert recipe.config.expressive_vocoder.generator.streams.Pi == 9
    assert recipe.config.nested.bias is True
    recipe = load(str(path), ["expressive_vocoder.generator.dim=16"])
    assert (recipe.config.vocoder.generator.dim, recipe.config.expressive_vocoder.generator.dim) == (64, 16)
    with pytest.raises(
        RecipeError, match=r"expressive_vocoder\.generator\.dmi: generator has no 'dmi'; did you mean 'dim'"
    ):
        load(str(path), ["expressive_vocoder.generator.dmi=16"])
