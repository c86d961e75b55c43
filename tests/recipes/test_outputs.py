"""Results of finished stages: noticed when they are missing, cut or changed, and left alone when they are moved."""

import json
import os
import shutil
from pathlib import Path

import pytest
import stage_fakes
import torch

from recipes.engine import run as engine
from recipes.engine.errors import RecipeError
from recipes.engine.outputs import check_outputs, describe_outputs
from recipes.engine.plan import plan
from recipes.engine.recipe import load
from zoo.audio import write


def run(*overrides, again=False, verify=False):
    stage_fakes.reset()
    engine.run(load("r.yaml", overrides, ["stage_fakes"]), again=again, verify=verify)
    return stage_fakes.CALLS


def states(*overrides, verify=False):
    return {step.name: step.state.value for step in plan(load("r.yaml", overrides, ["stage_fakes"]), verify=verify)}


def flip(path, keep_time=False):
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_record_has_the_results_with_sizes_and_hashes(workshop):
    run()
    outputs = json.loads(Path("runs/r/data/stage.json").read_text())["outputs"]
    size, changed, digest = outputs["words.txt"].split()
    assert list(outputs) == ["words.txt"] and int(size) == Path("runs/r/data/words.txt").stat().st_size
    assert len(digest) == 64 and int(changed) > 0


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.unlink(), "words.txt is missing"),
        (lambda path: path.write_text("one"), "words.txt has 3 bytes, it had 7"),
        (flip, "words.txt has other content"),
    ],
)
def test_a_result_that_is_gone_or_changed_is_noticed_and_made_anew_on_request(harm, says, workshop):
    run()
    before = Path("runs/r/data/words.txt").read_bytes()
    harm(Path("runs/r/data/words.txt"))
    assert states() == {"data": "damaged", "train": "done", "report": "done"}
    with pytest.raises(RecipeError, match=f"{says}; copy them back, or add --again"):
        run()
    assert stage_fakes.CALLS == []
    assert run(again=True) == ["data"]
    assert Path("runs/r/data/words.txt").read_bytes() == before and run() == []


def test_a_stage_alone_does_not_read_damaged_results(workshop):
    run()
    shutil.rmtree("runs/r/train")
    Path("runs/r/data/words.txt").unlink()
    with pytest.raises(RecipeError, match=r"needs stages.data \(damaged\)"):
        engine.run(load("r.yaml", [], ["stage_fakes"]), "train")


def test_a_change_that_keeps_size_and_time_is_found_by_verifying(workshop):
    run()
    flip(Path("runs/r/data/words.txt"), keep_time=True)
    assert states()["data"] == "done" and states(verify=True)["data"] == "damaged"
    with pytest.raises(RecipeError, match="other content"):
        run(verify=True)


def test_a_run_that_was_moved_is_done_and_is_hashed_once(workshop, monkeypatch):
    run()
    shutil.copytree("runs/r", "runs/moved", copy_function=shutil.copyfile)
    shutil.rmtree("runs/r")
    os.utime("runs/moved/data/words.txt", (1, 1))
    assert set(states("out=runs/moved").values()) == {"done"} and run("out=runs/moved") == []
    monkeypatch.setattr("recipes.engine.outputs._hash", lambda path: "never")
    assert set(states("out=runs/moved").values()) == {"done"}


def test_checkpoints_logs_and_hidden_files_are_no_results(tmp_path):
    for name in (
        "checkpoints/last.ckpt",
        "logs/events",
        "part/checkpoints/last.ckpt",
        ".cache",
        "model/.part",
        "model/weights",
        "stage.json",
        "sub/x",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    outputs = describe_outputs(tmp_path, {"stage.json"}, [tmp_path / "sub"])
    assert list(outputs) == ["model/weights"]
    (tmp_path / "another").touch()
    assert check_outputs(tmp_path, outputs).problem == ""


@pytest.mark.parametrize("name", ["train.jsonl", "train.tsv", "metadata.csv"])
def test_audio_of_a_table_that_is_named_as_a_file_counts(name, workshop):
    (workshop / "wavs").mkdir()
    write(workshop / "wavs" / "a.wav", torch.zeros(1600), 16000)
    rows = {
        "train.jsonl": '{"audio": "wavs/a.wav", "text": "a"}\n',
        "train.tsv": "audio\ttext\nwavs/a.wav\ta\n",
        "metadata.csv": "a|a text|a text\n",
    }
    (workshop / name).write_text(rows[name])
    source = f"stages.data.source={workshop / name}"
    run(source)
    assert states(source)["data"] == "done"
    os.utime(workshop / "wavs" / "a.wav", (5, 5))
    assert states(source)["data"] == "changed"
