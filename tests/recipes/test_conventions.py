"""What recipes share stands at the same place in all of them, as docs/recipes.md says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipes.engine import bundled
from recipes.engine.derived_nodes import expand_derived_nodes
from recipes.engine.nodes import is_node, items_of

ROOT = Path(__file__).parents[2]
TRAINER = "lightning.Trainer"
TRAINED = ("network", "data", "model", "trainer")
COMPLETE = [name for name in bundled.names() if "stages" in yaml.safe_load(bundled.find(name).read_text())]

every_recipe = pytest.mark.parametrize("name", COMPLETE)


def content(name: str) -> dict[str, Any]:
    recipe = yaml.safe_load(bundled.find(name).read_text())
    assert not expand_derived_nodes(recipe)
    return recipe


def nodes(value: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node at and below a value, with its path."""
    if is_node(value):
        yield at, value
    for key, inner in items_of(value):
        yield from nodes(inner, f"{at}.{key}".lstrip("."))


def documented_keys() -> set[str]:
    text = (ROOT / "docs/recipes.md").read_text()
    table = text.split("## One path for each setting")[1].split("## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@every_recipe
def test_names_seeds_and_folders_stand_at_the_top(name):
    recipe = content(name)
    assert recipe["out"] == "runs/${name}" and isinstance(recipe["seed"], int) and recipe["name"]


@every_recipe
def test_every_trainer_stands_at_the_top_and_takes_the_one_accelerator(name):
    recipe = content(name)
    trainers = {at: node for at, node in nodes(recipe) if node["_target_"] == TRAINER}
    for at, trainer in trainers.items():
        assert at == "trainer" or re.fullmatch(r"[a-z0-9_]+_trainer", at), at
        assert trainer["accelerator"] == "${accelerator}", at
    assert ("accelerator" in recipe) == bool(trainers)
    stages = [stage for stage in recipe["stages"].values() if "trainer" in stage]
    assert {stage["trainer"][2:-1] for stage in stages} <= set(trainers)


@every_recipe
def test_the_main_training_has_the_same_keys_in_all(name):
    recipe = content(name)
    if "trainer" not in recipe:
        return
    stages = [stage for stage in recipe["stages"].values() if stage.get("trainer") == "${trainer}"]
    assert stages and "network" in recipe and "data" in recipe
    shared = [stage for stage in stages if stage["model"] == "${model}"]
    assert shared or len({stage["model"]["_target_"] for stage in stages}) == 1, "the rounds of one kind of model"
    for stage in shared:
        data = recipe[stage["data"][2:-1]] if isinstance(stage["data"], str) else stage["data"]
        assert data["_target_"].startswith("datamodules.")
    for at, node in nodes(recipe["stages"]):
        assert not node["_target_"].startswith("lightningmodules.") or not shared or at.split(".")[1] == "model", at


@every_recipe
def test_a_corpus_is_named_by_its_folder(name):
    recipe = content(name)
    demos = [at for at, node in nodes(recipe) if node["_target_"].endswith("DemoCorpus")]
    assert all(at == "demo" or at.endswith("_demo") for at in demos) or "language" in recipe
    opened = [node for _, node in nodes(recipe) if node["_target_"].startswith("zoo.corpora.open_corpus")]
    for node in opened:
        assert re.fullmatch(r"\$\{(\w+_)?corpus\}", node["path"])
        assert node["path"][2:-1] in recipe


@every_recipe
def test_keys_of_the_same_name_mean_the_same(name):
    recipe = content(name)
    for key in ("steps", "source", "max_steps", "quantizer", "templates"):
        assert key not in recipe or key == "source" and name == "compare/unseen_speakers"
    if "num_units" in recipe:
        assert isinstance(recipe["num_units"], int)
    text = bundled.find(name).read_text()
    assert "<<:" not in text and not re.search(r"(: |- )[&*]\w", text), "references stand in place of YAML anchors"


def test_the_documentation_lists_what_recipes_share():
    counts: dict[str, int] = {}
    for name in COMPLETE:
        for key in content(name):
            counts[key] = counts.get(key, 0) + 1
    shared = {key for key, count in counts.items() if count >= 6 and key not in ("stages",)}
    assert shared - documented_keys() <= {"f0", "vocabulary", "encoder"}, shared - documented_keys()
    assert documented_keys() - {"jobs"} <= set(counts)
