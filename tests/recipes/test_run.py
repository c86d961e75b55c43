import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import stage_fakes

from recipes.commands.cli import main
from recipes.engine import run as engine
from recipes.engine.errors import RecipeError
from recipes.engine.plan import plan
from recipes.engine.recipe import load

ROOT = Path(__file__).parents[2]


def run(*overrides, stage=None, again=False):
    stage_fakes.reset()
    return engine.run(load("r.yaml", overrides, ["stage_fakes"]), stage, again)


def states(*overrides):
    return {step.name: step.state.value for step in plan(load("r.yaml", overrides, ["stage_fakes"]))}


def command(*arguments, **environment):
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "recipes")])
    return subprocess.Popen(
        [sys.executable, "-m", "recipes.commands.cli", *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def record(stage):
    return json.loads(Path("runs/r", stage, "stage.json").read_text())


def test_stages_run_in_order_and_a_finished_run_is_skipped(workshop, capsys):
    run()
    assert stage_fakes.CALLS == ["data", "train", "report"]
    assert set(states().values()) == {"done"}
    capsys.readouterr()
    records = run()
    assert stage_fakes.CALLS == []
    assert [r.highlights for r in records] == [{"words": "runs/r/data/words.txt"}, {"listen": "runs/r/train/count"}, {}]
    assert capsys.readouterr().out.count("done before") == 3


def test_a_stage_folder_explains_itself(workshop):
    run("network.rate=0.5")
    told = record("train")
    assert (
        told["state"] == "done"
        and told["peak_memory_gib"] > 0
        and told["seconds"] >= 0
        and told["started"] <= told["finished"]
    )
    assert "rate: 0.5" in Path("runs/r/train/recipe.yaml").read_text()
    log = Path("runs/r/train/log.txt").read_text()
    assert "training starts" in log and "a library is worried" in log
    assert "a library is worried" not in Path("runs/r/data/log.txt").read_text()
    assert [s.state.value for s in plan(load("runs/r/train/recipe.yaml", [], ["stage_fakes"]))] == ["done"] * 3


def test_each_stage_gets_fresh_objects(workshop):
    run()
    trained, reported = stage_fakes.NETWORKS
    assert trained is not reported and (trained.steps, reported.steps) == (4, 0)


def test_a_changed_recipe_is_refused_before_anything_runs(workshop):
    run()
    shutil.rmtree("runs/r/data")
    with pytest.raises(RecipeError) as caught:
        run("network.rate=0.2")
    assert stage_fakes.CALLS == []
    first, second = caught.value.lines
    assert (
        "runs/r/train was made by another recipe (changed: network.rate from 0.1 to 0.2)" in first
        and "out=" in first
        and "--again" in first
    )
    assert "stages.report" in second


def test_again_makes_what_has_changed_anew_and_leaves_the_rest(workshop):
    run()
    run("network.rate=0.2", again=True)
    assert stage_fakes.CALLS == ["train", "report"]
    assert set(states("network.rate=0.2").values()) == {"done"}


def test_one_stage_alone(workshop):
    with pytest.raises(RecipeError, match=r"needs stages.data \(to do\) done first"):
        run(stage="train")
    with pytest.raises(RecipeError, match="did you mean 'train'"):
        run(stage="trian")
    run(stage="data")
    run(stage="train")
    assert stage_fakes.CALLS == ["train"]
    run(stage="train")
    assert stage_fakes.CALLS == []
    Path("runs/r/train/left").touch()
    run(stage="train", again=True)
    assert stage_fakes.CALLS == ["train"] and not Path("runs/r/train/left").exists()


def test_a_longer_run_goes_on_and_what_reads_it_is_made_anew_on_request(workshop):
    run(stage="data")
    run(stage="train")
    assert states("trainer.max_steps=6")["train"] == "to continue"
    run("trainer.max_steps=6", stage="train")
    assert stage_fakes.NETWORKS[0].steps == 2 and Path("runs/r/train/count").read_text() == "6"
    run("trainer.max_steps=6")
    assert stage_fakes.CALLS == ["report"]
    with pytest.raises(RecipeError, match="what it reads of stages.train"):
        run("trainer.max_steps=7")
    run("trainer.max_steps=7", again=True)
    assert stage_fakes.CALLS == ["train", "report"] and Path("runs/r/report/report.txt").read_text() == "7"


def test_a_moved_run_stays_done(workshop):
    run()
    Path("runs/r").rename("moved")
    assert set(states("out=moved").values()) == {"done"}


def test_a_failed_stage_is_told_in_a_line_and_goes_on(workshop):
    stage_fakes.reset()
    stage_fakes.FAULTS["train"] = ValueError("no such\nlanguage")
    with pytest.raises(RecipeError, match="^stages.train: no such language$"):
        engine.run(load("r.yaml", [], ["stage_fakes"]))
    assert states() == {"data": "done", "train": "interrupted", "report": "to do"}
    assert "Traceback" in Path("runs/r/train/log.txt").read_text()
    run()
    assert stage_fakes.CALLS == ["train", "report"]


def test_what_failed_before_it_made_anything_may_be_corrected(workshop):
    stage_fakes.reset()
    stage_fakes.FAULTS["data"] = ValueError("words: no such file")
    with pytest.raises(RecipeError):
        engine.run(load("r.yaml", ["stages.data.words=[typo]"], ["stage_fakes"]))
    assert states()["data"] == "to do"
    run()
    assert set(states().values()) == {"done"} and Path("runs/r/data/words.txt").read_text() == "one\ntwo"


@pytest.mark.parametrize(
    "fault, told",
    [
        (
            stage_fakes.full_disk("tokens.arrow"),
            "disk full while writing tokens.arrow: free space and run the same command, or set out=",
        ),
        (
            RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
            "disk full while writing runs/r/data",
        ),
        (KeyError("x"), "KeyError: 'x' (unexpected; the whole traceback is in runs/r/data/log.txt)"),
        (FileNotFoundError(2, "No such file", "a.wav"), "stages.data: a.wav: no such file"),
    ],
)
def test_each_fault_is_one_line(workshop, capsys, fault, told):
    stage_fakes.FAULTS["data"] = fault
    with pytest.raises(SystemExit) as caught:
        main(["run", "r.yaml", "--trust", "stage_fakes"])
    error = errors(capsys)
    assert caught.value.code == 1 and told in error and error.count("\n") == 1


def errors(capsys):
    """What is printed to standard error, apart from the warning of the recipe's one value that nothing refers to."""
    lines = capsys.readouterr().err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("warning: r.yaml: unused: nothing"))


def test_an_interrupt_says_how_to_go_on(workshop, capsys):
    stage_fakes.FAULTS["data"] = KeyboardInterrupt()
    with pytest.raises(SystemExit) as caught:
        main(["run", "r.yaml", "--trust", "stage_fakes"])
    assert caught.value.code == 130
    assert errors(capsys) == "interrupted in stage data; run the same command to resume\n"
    assert record("data")["state"] == "interrupted"


def test_a_disk_that_fills_while_the_record_is_written_is_told(workshop, monkeypatch):
    monkeypatch.setattr("zoo.files.os.replace", lambda *_: (_ for _ in ()).throw(stage_fakes.full_disk("stage.json")))
    with pytest.raises(RecipeError, match="stages.data: disk full"):
        run()


def test_files_that_no_stage_made_are_left_alone(workshop):
    Path("runs/r/data").mkdir(parents=True)
    Path("runs/r/data/thesis.txt").write_text("mine")
    for again in (False, True):
        with pytest.raises(RecipeError, match="holds files that no stage made"):
            run(again=again)
    assert Path("runs/r/data/thesis.txt").read_text() == "mine"


def test_again_never_deletes_another_stage_inside(workshop):
    run("stages.train.out=runs/r", "stages.report.out=runs/r/report")
    with pytest.raises(RecipeError, match="would delete"):
        run("stages.train.out=runs/r", "stages.report.out=runs/r/report", stage="train", again=True)


def test_a_kill_in_the_middle_loses_nothing_and_the_lock_goes_with_the_process(workshop):
    process = command("run", "r.yaml", "--trust", "stage_fakes", KILL_AT="1")
    process.communicate(timeout=60)
    assert process.returncode == -9 and states() == {"data": "done", "train": "interrupted", "report": "to do"}
    run()
    assert stage_fakes.NETWORKS[0].steps == 2 and Path("runs/r/report/report.txt").read_text() == "4"


def test_two_runs_of_one_folder_do_not_collide(workshop):
    Path("runs/r").mkdir(parents=True)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from recipes.engine.locks import locked\n"
            "with locked([Path('runs/r/train')]): print('held', flush=True); sys.stdin.read()",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RecipeError, match="another run uses runs/r/train"):
        run()
    holder.communicate("")
    run()


def test_a_dry_run_shows_the_plan_and_touches_nothing(workshop, capsys):
    main(["run", "r.yaml", "--trust", "stage_fakes", "--dry-run"])
    table = capsys.readouterr().out
    assert "train   to do  run    runs/r/train   Count to max_steps, from where it stopped." in table
    assert not Path("runs").exists() and stage_fakes.CALLS == []


def test_processes_above_the_first_only_take_part_in_the_stage_that_runs(workshop, monkeypatch):
    run(stage="data")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(RecipeError, match="name the one stage"):
        run()
    monkeypatch.setenv("ZOO_STAGE", "train")
    (workshop / "runs/r/train").mkdir()
    run()
    assert stage_fakes.CALLS == ["train"] and not Path("runs/r/train/stage.json").exists()
