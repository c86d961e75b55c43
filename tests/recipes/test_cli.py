import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipes.commands import cli
from recipes.engine import bundled

ROOT = Path(__file__).parents[2]
HEADER = "# Makes a thing.\n#\n# Needs: a corpus\n#   of speech\n# Costs: 1 min\n# Run: zoo run thing\nstages: {}\n# Needs: not this\n"


@pytest.fixture
def one_recipe(tmp_path, monkeypatch):
    """Pretend that lm/thing is the only bundled recipe."""
    (tmp_path / "shipped" / "lm").mkdir(parents=True)
    (tmp_path / "shipped" / "lm" / "thing.yaml").write_text(HEADER)
    monkeypatch.setattr(bundled, "ROOT", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["run", "--help"], ["completion", "bash"], ["completion", "zsh"]]
)
def test_help_lists_and_completion_import_nothing_heavy(arguments):
    started = time.monotonic()
    heavy = run_python(
        f"import sys; from spiritlm_zoo.cli import main\ntry: main({arguments})\nexcept SystemExit: pass\n"
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
        and "already exists" in capsys.readouterr().err
        and Path("thing.yaml").read_text() == "mine"
    )
    cli.main(["copy", "lm/thing", "folder/other.yaml"])
    assert Path("folder/other.yaml").read_text() == HEADER


def test_a_near_recipe_name_is_offered(one_recipe, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "lm/think"])
    assert capsys.readouterr().err.startswith(
        "error: lm/think: no bundled recipe has this name; did you mean 'lm/thing'?"
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


@pytest.mark.parametrize(
    "words, expected",
    [
        (["zoo", "ex"], {"export"}),
        (["zoo", "run", "lm/base_f"], {"lm/base_full"}),
        (["zoo", "copy", "quick"], {"quickstart"}),
        (["zoo", "run", "--st"], {"--stage"}),
        (["zoo", "generate", "--ten"], set()),
        (["zoo", "generate", "--te"], {"--text", "--temperature"}),
        (["zoo", "generate", "--to", "s"], {"speech"}),
        (["zoo", "export", "--run", "ru"], {"runs"}),
    ],
)
def test_bash_completes_commands_recipes_options_and_files(tmp_path, capsys, words, expected):
    cli.main(["completion", "bash"])
    (tmp_path / "runs").mkdir()
    script = capsys.readouterr().out + (
        f"\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_zoo; echo ${{COMPREPLY[@]}}"
    )
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert set(result.stdout.split()) == expected, result.stderr


def test_completion_for_zsh_names_every_command_option_and_recipe(capsys):
    cli.main(["completion", "zsh"])
    script = capsys.readouterr().out
    assert script.startswith("#compdef zoo")
    assert all(f"    {name}:" in script for name in cli.COMMANDS)
    assert "quickstart" in script and "--max-new-tokens" in script
    if shutil.which("zsh"):
        assert subprocess.run(["zsh", "-n"], input=script, text=True).returncode == 0
