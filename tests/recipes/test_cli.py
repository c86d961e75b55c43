import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipes.commands import cli
from recipes.engine import bundled as shipped

ROOT = Path(__file__).parents[2]
HEADER = "# Makes a thing.\n#\n# Needs: a corpus\n#   of speech\n# Costs: 1 min\n# Run: zoo run thing\nstages: {}\n# Needs: not this\n"


@pytest.fixture
def one_recipe(tmp_path, monkeypatch):
    """Pretend that lm/thing is the only shipped recipe."""
    (tmp_path / "shipped" / "lm").mkdir(parents=True)
    (tmp_path / "shipped" / "lm" / "thing.yaml").write_text(HEADER)
    monkeypatch.setattr(shipped, "ROOT", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"], ["completion", "bash"]])
def test_what_only_tells_imports_nothing_heavy_and_answers_at_once(arguments):
    started = time.monotonic()
    heavy = python(
        f"import sys; from recipes.commands.cli import main\ntry: main({arguments})\nexcept SystemExit: pass\n"
        "print('\\nheavy', [n for n in ('torch', 'lightning', 'transformers', 'omegaconf', 'numpy') if n in sys.modules])"
    )
    assert heavy.splitlines()[-1] == "heavy []"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_shows_an_example(name, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0 and "example" in text and f"zoo {name}" in text


def test_an_unknown_command_names_the_near_one(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["rum"])
    assert caught.value.code == 2 and "did you mean 'run'?" in capsys.readouterr().err


def test_list_tells_purpose_and_needs(one_recipe, capsys):
    cli.main(["list"])
    text = capsys.readouterr().out
    assert (
        "lm/thing\n    Makes a thing.\n    needs: a corpus of speech\n    costs: 1 min\n" in text
        and "not this" not in text
    )


def test_copy_gives_a_file_and_never_overwrites(one_recipe, capsys):
    cli.main(["copy", "lm/thing"])
    assert Path("thing.yaml").read_text() == HEADER
    Path("thing.yaml").write_text("mine")
    with pytest.raises(SystemExit) as caught:
        cli.main(["copy", "lm/thing"])
    assert (
        caught.value.code == 1
        and "is there already" in capsys.readouterr().err
        and Path("thing.yaml").read_text() == "mine"
    )
    cli.main(["copy", "lm/thing", "folder/other.yaml"])
    assert Path("folder/other.yaml").read_text() == HEADER


def test_a_near_recipe_name_is_offered(one_recipe, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "lm/think"])
    assert capsys.readouterr().err.startswith(
        "error: lm/think: no shipped recipe has this name; did you mean 'lm/thing'?"
    )


def test_show_writes_out_references_overrides_and_defaults(workshop, capsys):
    cli.main(["show", "r.yaml", "size=7", "--trust", "stage_fakes"])
    text = capsys.readouterr().out
    assert "${" not in text and text.count("size: 7") == 4 and "rate: 0.1" in text and "out: runs/r/train" in text


def test_the_traceback_is_shown_on_request(workshop, capsys, monkeypatch):
    for wanted in ("0", "1"):
        monkeypatch.setenv("ZOO_DEBUG", wanted)
        with pytest.raises(SystemExit):
            cli.main(["run", "nowhere.yaml"])
        assert ("Traceback" in capsys.readouterr().err) == (wanted == "1")


def test_completion_is_a_script_that_bash_accepts(capsys):
    cli.main(["completion", "bash"])
    script = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0 and "generate" in script
