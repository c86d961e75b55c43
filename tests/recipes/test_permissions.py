"""A recipe writes into its stages' folders and nowhere else, whatever it names."""

import inspect
import os
import pkgutil
import shutil
from importlib import import_module

import pytest

from recipes.commands.cli import main
from recipes.engine.errors import RecipeError
from recipes.engine.public_parts import PARTS, STAGES
from recipes.engine.recipe import load
from recipes.engine.targets import Targets

CORPUS = """
  corpus:
    _target_: recipes.stages.corpus.prepare_corpus
    source: {_target_: zoo.corpora.DemoCorpus, hours: 0.05, num_cloze: 0}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, in which no attack may leave anything."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("keep")
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "work"
    assert (tmp_path / "precious" / "file").read_text() == "keep"
    assert sorted(os.listdir(tmp_path)) == ["precious", "work"]
    assert set(os.listdir(tmp_path / "work")) <= {"r.yaml"}


def refused(folder, text, *overrides):
    (folder / "r.yaml").write_text(text)
    with pytest.raises(RecipeError) as error:
        load("r.yaml", overrides)
    assert all(line.startswith("r.yaml: ") for line in error.value.lines)
    return error.value.lines


def with_node(node, where="extra"):
    return f"stages:{CORPUS}{where}: {node}\n"


WRITERS = (
    "{_target_: zoo.files.write_text, path: ../precious/file, text: gone}",
    "{_target_: zoo.files.atomic_folder, path: ../precious}",
    "{_target_: zoo.audio.write, path: a.wav, waveform: 1, sample_rate: 1}",
    "{_target_: zoo.tokens.contract.write_contract, folder: ../precious, contract: {}}",
    "{_target_: zoo.tokens.store.remove_shards, folder: ../precious, split: file}",
    "{_target_: zoo.corpora.prepare, source: 1, out: ../precious}",
    "{_target_: recipes.engine.folder.clear_folder, folder: ../precious}",
    "{_target_: recipes.stages.corpus.prepare_corpus, out: ../precious, source: {_target_: zoo.corpora.DemoCorpus}}",
    "{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: ../precious}",
    "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, dirpath: /tmp/elsewhere}",
    "{_target_: lightning.Trainer, default_root_dir: ../precious}",
    "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, filename: ../../victim}",
    "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, filename: /tmp/victim}",
    "{_target_: lightning.pytorch.callbacks.OnExceptionCheckpoint, dirpath: runs/r, filename: ../../victim}",
    "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, dirpath: {_target_: torch.nn.Identity}}",
    "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, dirpath: 'file:///tmp/victim'}",
    "{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: runs/r, name: ../../victim}",
    "{_target_: transformers.AutoModelForCausalLM.from_pretrained, pretrained_model_name_or_path: m, weights_only: false}",
    "{_target_: torch.save, obj: 1, f: ../precious/file}",
    "{_target_: torch.load, f: ../precious/file}",
    "{_target_: os.system, command: touch owned}",
    "{_target_: lhotse.CutSet.from_file, path: 'pipe:touch owned'}",
    "{_target_: transformers.Trainer}",
    "{_target_: zoo.processes.map_in_processes}",
    "{_target_: shutil.rmtree, path: ../precious}",
)


@pytest.mark.parametrize("node", WRITERS)
def test_no_node_can_name_what_writes(node, folder):
    assert refused(folder, with_node(node))


@pytest.mark.parametrize("out", ["''", "'  '", "null", "/", "//", "/..", "3", "[a]", "true", "'file:'", "'s3://a'"])
def test_out_must_be_a_folder_of_its_own(out, folder):
    (line,) = refused(folder, f"out: {out}\nstages:{CORPUS}")
    assert "out=" in line and "runs/mine" in line


@pytest.mark.parametrize("name", ["../up", "a/b", "..", ".hidden", "''"])
def test_names_of_stages_stay_in_the_folder(name, folder):
    lines = refused(folder, f"stages:{CORPUS.replace('corpus:', repr(name) + ':', 1)}")
    assert any(f"stages.{name.strip(chr(39))}" in line and "plain name" in line for line in lines)


@pytest.mark.parametrize("name", ["../up", "/etc/x", "..", "''", "3", "null"])
def test_the_name_of_a_recipe_does_not_lead_elsewhere(name, folder):
    assert any("name=" in line for line in refused(folder, f"name: {name}\nstages:{CORPUS}"))


@pytest.mark.parametrize(
    "out", ["../precious", "/tmp/elsewhere", "runs/other", "runs/r/../../../precious", "''", "null"]
)
def test_the_folder_of_a_stage_lies_in_that_of_the_run(out, folder):
    lines = refused(folder, f"stages:{CORPUS}    out: {out}\n")
    assert all("stages.corpus.out" in line for line in lines)


@pytest.mark.parametrize("out", ["/tmp/elsewhere", "../elsewhere", "runs/../../elsewhere"])
def test_a_file_names_no_folder_elsewhere_but_the_command_line_does(out, folder):
    text = f"out: {out}\nstages:{CORPUS}"
    (line,) = refused(folder, text)
    assert "out=FOLDER" in line
    assert load("r.yaml", [f"out={out}"]).folder("corpus")


def test_nothing_is_written_through_a_link_that_came_with_a_recipe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(f"stages:{CORPUS}")
    (tmp_path / "victim").mkdir()
    (tmp_path / "runs" / "r").mkdir(parents=True)
    (tmp_path / "runs" / "r" / "corpus").symlink_to(tmp_path / "victim")
    with pytest.raises(SystemExit):
        main(["run", "r.yaml"])
    assert "is a link to" in capsys.readouterr().err
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_report_goes_into_its_own_run(folder):
    report = "  report: {_target_: recipes.stages.report.write_report, run: ../precious, synthetic: true, stages: {}}\n"
    (line,) = refused(folder, f"stages:{CORPUS}{report}")
    assert "stages.report.run='../precious'" in line


def test_a_stage_is_a_stage(folder):
    lines = refused(folder, "stages:\n  a: {_target_: torch.nn.Linear, in_features: 1, out_features: 1}\n")
    assert any("is not a stage" in line for line in lines)


def test_a_misspelled_top_level_key_is_warned_of(folder, capsys):
    (folder / "r.yaml").write_text(
        f"trianer: {{_target_: lightning.Trainer}}\ntrainer: 1\nuse: '${{trainer}}'\nstages:{CORPUS}"
    )
    load("r.yaml")
    told = capsys.readouterr().err
    assert "trianer" in told and "did you mean 'trainer'" in told


def test_a_node_that_makes_nothing_is_refused(folder, tmp_path, monkeypatch):
    (folder / "nothing.py").write_text("def make() -> None:\n    return None\n")
    monkeypatch.syspath_prepend(str(folder))
    lines = refused_with_trust(folder, with_node("{_target_: nothing.make}"), "nothing")
    assert any("makes nothing" in line for line in lines)
    for path in (folder / "nothing.py", *folder.glob("__pycache__/*")):
        path.unlink()
    if (folder / "__pycache__").is_dir():
        (folder / "__pycache__").rmdir()


def refused_with_trust(folder, text, name):
    (folder / "r.yaml").write_text(text)
    with pytest.raises(RecipeError) as error:
        load("r.yaml", trust=[name])
    return error.value.lines


def test_the_command_line_tells_it_in_a_line(folder, capsys):
    (folder / "r.yaml").write_text(with_node(WRITERS[0]))
    with pytest.raises(SystemExit):
        main(["run", "r.yaml"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "zoo.files.write_text" in line and "--trust zoo.files.write_text" in line


def callables():
    """Dotted name of every function, class and class method that is written in a module of ours."""
    for package in ("zoo", "datamodules", "lightningmodules", "recipes"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if module.name == "zoo.tokenizers.ray_engine":  # needs an extra
                continue
            for name, value in vars(import_module(module.name)).items():
                if getattr(value, "__module__", None) != module.name or not callable(value):
                    continue
                yield f"{module.name}.{name}"
                if inspect.isclass(value):
                    methods = [
                        key for key, member in vars(value).items() if isinstance(member, (classmethod, staticmethod))
                    ]
                    yield from (f"{module.name}.{name}.{key}" for key in methods)


def test_of_all_our_callables_only_the_listed_ones_may_be_named():
    listed = {f"{module}.{name}" for parts in (PARTS, STAGES) for module, names in parts.items() for name in names}
    allowed = set()
    for path in callables():
        try:
            Targets().locate(path)
        except RecipeError:
            continue
        allowed.add(path)
    assert allowed == {path for path in listed if not path.startswith("zoo.tokenizers.ray_engine.")}


def test_no_listed_part_is_a_function_that_takes_a_place_to_write():
    for module, names in PARTS.items():
        for name in names:
            if module == "zoo.tokenizers.ray_engine":
                continue
            found = Targets().locate(f"{module}.{name}")
            arguments = set(inspect.signature(found).parameters)
            assert not arguments & {"out", "output", "output_dir", "save_dir", "target"}, f"{module}.{name}"


@pytest.mark.parametrize("link", ["runs/r", "runs/deep/r", "runs/deep"])
def test_a_run_folder_that_is_a_link_is_refused_unless_it_is_given(link, folder, tmp_path):
    place = folder / link
    try:
        place.parent.mkdir(parents=True)
        place.symlink_to(tmp_path / "precious")
        out = "runs/r" if link == "runs/r" else "runs/deep/r"
        (line,) = refused(folder, f"out: {out}\nstages:{CORPUS}")
        assert f"{link} is a link to {tmp_path / 'precious'}; remove it, or give out={out}" in line
        load("r.yaml", [f"out={out}"])
    finally:
        shutil.rmtree(folder / "runs")


def test_all_runs_may_be_on_another_disk(folder, tmp_path):
    (folder / "runs").symlink_to(tmp_path / "precious")
    (folder / "r.yaml").write_text(f"stages:{CORPUS}")
    load("r.yaml", [])
    (folder / "runs").unlink()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_kernels_of_the_hub_are_code_from_elsewhere(key, folder):
    node = "{_target_: transformers.models.llama.LlamaConfig, " + f"{key}: owner/kernel" + "}"
    lines = refused(folder, with_node(node))
    assert any(f"extra.{key}='owner/kernel': runs code from elsewhere" in line for line in lines)
