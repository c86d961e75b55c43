"""Stages that run once a seed, or once for each of other values."""

import json
import shutil
from pathlib import Path

import pytest
import stage_fakes
import yaml

from recipes.commands.cli import main
from recipes.engine.builder import Builder
from recipes.engine.errors import RecipeError
from recipes.engine.fingerprint import fingerprints
from recipes.engine.plan import plan
from recipes.engine.recipe import load
from recipes.engine.run import run

RECIPE = """
seeds: [3, 4]
network: {_target_: stage_fakes.Network, size: "${seed}"}
twins: {_target_: stage_fakes.pair, first: "${network}", second: "${network}"}
trainer: {_target_: stage_fakes.Trainer, max_steps: 2}
stages:
  data: {_target_: stage_fakes.make_data, words: [one, two]}
  train:
    _target_: stage_fakes.train
    seeds: ${seeds}
    network: ${network}
    trainer: ${trainer}
    data: ${stages.data.out}/words.txt
  report: {_target_: stage_fakes.report, seeds: "${seeds}", network: "${network}", run: "${stages.train.out}"}
  summary: {_target_: stage_fakes.summarize, runs: ["${stages.data.out}", "${stages.train.outs}"], counts: "${stages.train.outs}/count"}
  first: {_target_: stage_fakes.report, network: "${network}", run: "${stages.train.outs.0}"}
"""


@pytest.fixture(autouse=True)
def recipe(workshop):
    Path("r.yaml").write_text(RECIPE)


def loaded(*overrides):
    return load("r.yaml", overrides, ["stage_fakes"])


def problems(*overrides):
    with pytest.raises(RecipeError) as caught:
        loaded(*overrides)
    return list(caught.value.lines)


def states(*overrides):
    return {step.name: step.state.value for step in plan(loaded(*overrides))}


def test_each_seed_is_a_stage_with_a_folder_of_its_own():
    assert loaded().stages == ["data", "train_3", "train_4", "report_3", "report_4", "summary", "first"]
    run(loaded())
    assert set(states().values()) == {"done"}
    assert Path("runs/r/train_3/count").read_text() == "2"
    assert json.loads(Path("runs/r/train_4/stage.json").read_text())["stage"] == "train_4"
    assert Path("runs/r/report_4/report.txt").is_file()


def test_shared_nodes_take_the_seed_of_the_run():
    run(loaded())
    assert [network.size for network in stage_fakes.NETWORKS] == [3, 4, 3, 4, 0]
    builder = Builder(loaded(), "train_4")
    first, second = builder("twins")
    assert first is second and first.size == 4
    assert builder.arguments("stages.train")["network"] is first


def test_a_stage_reads_the_run_of_the_same_seed_or_all_of_them():
    recipe = loaded()
    assert recipe.node("report_3").run == "runs/r/train_3"
    assert recipe.node("report_4").run == "runs/r/train_4"
    assert recipe.node("first").run == "runs/r/train_3"
    assert list(recipe.node("summary").runs) == ["runs/r/data", "runs/r/train_3", "runs/r/train_4"]
    assert list(recipe.node("summary").counts) == ["runs/r/train_3/count", "runs/r/train_4/count"]
    upstream = {name: set(fingerprint.upstream) for name, fingerprint in fingerprints(recipe).items()}
    assert upstream["report_4"] == {"train_4"}
    assert upstream["summary"] == {"data", "train_3", "train_4"}


def test_other_seeds_leave_the_runs_that_are_there_as_they_are():
    run(loaded())
    stage_fakes.reset()
    run(loaded("seeds=[3, 4, 5]"), stage="train")
    assert stage_fakes.CALLS == ["train"]
    assert states("seeds=[3, 4, 5]")["train_5"] == "done"
    assert states("seeds=[4]")["train_4"] == "done"


def test_each_run_is_interrupted_resumed_and_made_anew_by_itself():
    run(loaded())
    shutil.rmtree("runs/r/train_4")
    assert states()["train_3"] == "done" and states()["train_4"] == "to do"
    stage_fakes.reset()
    run(loaded(), stage="train_4")
    assert stage_fakes.CALLS == ["train"]
    run(loaded(), stage="train", again=True)
    assert stage_fakes.CALLS == ["train"] * 3


def test_a_changed_network_changes_every_run_and_a_changed_seed_only_others():
    before = fingerprints(loaded())
    changed = fingerprints(loaded("network.rate=0.5"))
    assert {name for name in before if before[name].hash != changed[name].hash} == set(before) - {"data"}
    seeded = fingerprints(loaded("seed=9"))
    assert {name for name in before if before[name].hash != seeded[name].hash} >= {"data", "first"}
    assert before["train_3"].arguments == seeded["train_3"].arguments
    assert before["train_3"].arguments["${seed}"] == 3


def test_folders_of_other_stages_do_not_follow_the_seed():
    recipe = loaded("out=runs/seed_${seed}", "stages.data.out=${out}/data_${seed}")
    assert recipe.node("train_4").data == "runs/seed_0/data_0/words.txt"
    assert str(recipe.folder("train_4")) == "runs/seed_0/train_4"


def test_a_value_of_any_key_may_vary():
    content = yaml.safe_load(RECIPE)
    content["width"] = 1
    content["network"]["size"] = "${width}"
    for name in ("train", "report"):
        del content["stages"][name]["seeds"]
        content["stages"][name]["for_each"] = {"width": [7, 8]}
    Path("r.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    recipe = loaded()
    assert recipe.stages[1:5] == ["train_7", "train_8", "report_7", "report_8"]
    assert Builder(recipe, "report_8").arguments("stages.report")["network"].size == 8
    assert fingerprints(recipe)["train_8"].arguments["${seed}"] == 0


def test_the_parallel_run_starts_each_as_soon_as_what_it_reads_is_done():
    records = run(loaded("jobs=2"))
    assert [record.stage for record in records] == loaded().stages
    assert set(states().values()) == {"done"}


def test_the_record_of_a_run_is_a_recipe_of_all_of_them():
    run(loaded())
    again = load("runs/r/train_4/recipe.yaml", [], ["stage_fakes"])
    assert {step.state.value for step in plan(again)} == {"done"}


def test_show_writes_out_every_run(capsys):
    main(["show", "r.yaml", "--trust", "stage_fakes"])
    stages = yaml.safe_load(capsys.readouterr().out)["stages"]
    assert list(stages) == loaded().stages
    assert stages["train_4"]["network"]["size"] == 4
    assert stages["train_4"]["out"] == "runs/r/train_4"
    assert stages["summary"]["counts"] == ["runs/r/train_3/count", "runs/r/train_4/count"]


def test_the_plan_lists_every_run(capsys):
    main(["run", "r.yaml", "--trust", "stage_fakes", "--dry-run"])
    table = capsys.readouterr().out
    assert "train_3" in table and "train_4" in table


@pytest.mark.parametrize(
    "override, message",
    [
        ("stages.train.seeds=3", "stages.train.seeds=3: want a list of different values"),
        ("stages.train.seeds=[]", "want a list of different values"),
        ("stages.train.seeds=[1, 1]", "want a list of different values"),
        ("stages.train.seeds=[a]", "stages.train.seeds=['a']: want whole numbers"),
        ("stages.train.seeds=[true]", "want whole numbers"),
        ("stages.train.for_each={seed: [1]}", "stages.train: has both seeds and for_each"),
        ("stages.data.for_each={fold: [1]}", "stages.data.for_each.fold: the recipe has no 'fold' to set"),
        ("stages.data.for_each=[1]", "stages.data.for_each: want one top-level key and its values"),
        ("stages.data.for_each={out: [a/b]}", "want whole numbers or names"),
        (
            "stages.first.run=${stages.train.out}",
            "stages.first: reads ${stages.train.out}, but stages.train runs once a seed: ${stages.train.outs} are",
        ),
        ("stages.report.seeds=[3, 5]", "stages.report: reads ${stages.train.out}, but stages.train runs once a seed"),
        ("stages.first.run=${stages.train.outs.7}", "the recipe has no 'stages.train.outs.7'"),
        ("stages.first.run=${stages.train.outs}", "stages.first.run: want Path"),
        ("network.size=${seed}x", "network.size='0x': want int"),
        ('stages.data.words=["${stages.report.outs}"]', "which stages.report_3 writes only after it"),
    ],
)
def test_what_is_wrong_with_a_repetition_is_reported(override, message):
    assert any(message in line for line in problems(override)), problems(override)


def test_an_error_in_a_repeated_stage_is_reported_once():
    assert problems("stages.train.netwrk=1") == [
        "r.yaml: stages.train.netwrk=1: stage_fakes.train has no argument 'netwrk'; did you mean 'network'?"
    ]


def test_a_run_may_not_have_the_name_of_another_stage():
    content = yaml.safe_load(RECIPE)
    content["stages"]["train_3"] = content["stages"].pop("first")
    Path("r.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    assert any("has the name of another stage" in line for line in problems())


def test_a_failure_names_the_run():
    stage_fakes.FAULTS["train"] = ValueError("no such language")
    with pytest.raises(RecipeError, match="^stages.train_3: no such language$"):
        run(loaded())
