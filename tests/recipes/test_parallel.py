"""Stages that wait for each other: they end only if they run at once."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import stage_fakes
from test_run import command, record

from recipes.commands.cli import main
from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load
from recipes.engine.run import run
from zoo.processes import usable_cores

RECIPE = """
jobs: 2
stages:
  data: {_target_: stage_fakes.make_data, words: [one]}
  left: {_target_: stage_fakes.meet, other: right, data: "${stages.data.out}"}
  right: {_target_: stage_fakes.meet, other: left, data: "${stages.data.out}"}
  report: {_target_: stage_fakes.report, network: {_target_: stage_fakes.Network, size: 1}, run: "${stages.right.out}"}
"""


@pytest.fixture(autouse=True)
def recipe(workshop):
    Path("r.yaml").write_text(RECIPE)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a suite that was put in the background has it ignored
    yield
    signal.signal(signal.SIGINT, before)


def go(*overrides):
    return run(load("r.yaml", overrides, ["stage_fakes"]))


def states():
    return {
        name: record(name)["state"]
        for name in ("data", "left", "right", "report")
        if Path("runs/r", name, "stage.json").exists()
    }


def test_what_does_not_read_each_other_runs_at_once_and_shares_the_cores(capfd):
    records = go()
    assert [record.stage for record in records] == ["data", "left", "right", "report"] and records[1].highlights == {
        "met": "right"
    }
    assert Path("runs/r/report/report.txt").read_text() == str(max(1, usable_cores() // 2))
    assert set(states().values()) == {"done"} and stage_fakes.CALLS == []  # all in processes of their own
    told = capfd.readouterr().out
    assert told.index("data: done") < told.index("left: started") and told.index("right: done") < told.index(
        "report: started"
    )
    assert [record.stage for record in go()] == ["data", "left", "right", "report"]
    assert capfd.readouterr().out.count("done before") == 4


def test_an_error_interrupts_the_other_stage_and_is_told_in_its_line():
    started = time.monotonic()
    with pytest.raises(RecipeError, match="^stages.left: no such language$"):
        go("stages.left.fault=no such language", "stages.right.fault=waits")
    assert time.monotonic() - started < 30
    assert states() == {"data": "done", "left": "interrupted", "right": "interrupted"}
    assert "interrupted" in Path("runs/r/right/log.txt").read_text()


def test_a_stage_whose_process_was_killed_is_told():
    with pytest.raises(
        RecipeError, match="^stages.right: its process died with exit code -9 .* run again, with jobs=1"
    ):
        go("stages.right.fault=killed", "stages.left.fault=waits")


def wait_for_both():
    until = time.monotonic() + 60
    while not all(Path("runs/r", name, "here").exists() for name in ("left", "right")):
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_reaches_all_of_them(how):
    handled = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: (wait_for_both(), os.kill(os.getpid(), how)))
    thread.start()
    with pytest.raises(KeyboardInterrupt, match="^interrupted; run the same command to resume$"):
        go("stages.left.fault=waits", "stages.right.fault=waits")
    thread.join()
    assert states() == {"data": "done", "left": "interrupted", "right": "interrupted"}
    assert all("interrupted" in Path("runs/r", name, "log.txt").read_text() for name in ("left", "right"))
    assert signal.getsignal(signal.SIGTERM) == handled


def test_stages_end_with_the_run_that_began_them():
    process = command("run", "r.yaml", "--trust", "stage_fakes", "stages.left.fault=waits", "stages.right.fault=waits")
    wait_for_both()
    process.kill()
    process.communicate(timeout=30)  # its pipes are open until the last of its children has ended
    assert states() == {"data": "done", "left": "interrupted", "right": "interrupted"}


def test_what_was_made_earlier_may_name_what_is_made_anew(capfd):
    go()
    shutil.rmtree("runs/r/data")  # which report goes back to through right, which is done
    shutil.rmtree("runs/r/report")
    go()
    told = capfd.readouterr().out
    assert told.rindex("data: done") < told.rindex("report: started")


def test_a_recipe_over_another_may_say_jobs():
    Path("base.yaml").write_text(RECIPE.replace("jobs: 2\n", ""))
    Path("over.yaml").write_text("base: base.yaml\nset: {jobs: 3}\n")
    assert load("over.yaml", [], ["stage_fakes"]).config.jobs == 3


@pytest.mark.parametrize("jobs", ["0", "two", "true", "1.5"])
def test_jobs_that_are_no_number_are_told(capsys, jobs):
    with pytest.raises(SystemExit):
        main(["run", "r.yaml", "--trust", "stage_fakes", f"jobs={jobs}"])
    told = capsys.readouterr().err
    assert told.startswith("error: r.yaml: jobs=") and ": want int from 1 to 1,024, got " in told
