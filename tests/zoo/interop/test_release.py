import pytest
import torch

from recipes.commands import cli
from tests.toy_spiritlm import write_hubert, write_quantizer
from zoo.interop.spiritlm.hubert import HUBERT, QUANTIZER, load_phonetic
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer


@pytest.fixture
def checkpoints(tmp_path):
    """The phonetic part of a release, and nothing else."""
    folder = tmp_path / "checkpoints" / "speech_tokenizer" / "hubert_25hz"
    write_hubert(folder / HUBERT, encoder_layers=11)
    write_quantizer(folder / QUANTIZER, 12, 12)
    return tmp_path / "checkpoints"


def run(capsys, *arguments):
    """What the command prints, and its line of error."""
    try:
        cli.main(["import", "spiritlm", *map(str, arguments)])
    except SystemExit as stop:
        assert stop.code == 1
    out, err = capsys.readouterr()
    return out.splitlines(), [line for line in err.splitlines() if line.startswith("error")]


def test_present_parts_are_imported_and_each_missing_part_is_reported_in_a_line(checkpoints, tmp_path, capsys):
    out = tmp_path / "zoo"
    lines, errors = run(capsys, checkpoints, "--out", out)
    parts = checkpoints / "speech_tokenizer"
    assert errors == [] and lines == [
        f"base tokenizer: {out}/base/tokenizer/tokenizer",
        f"base vocoder: not imported, no config.json in {parts}/hifigan_spiritlm_base: not the folder of a Spirit LM vocoder",
        f"base language model: not imported, no tokenizer.model in {checkpoints}/spiritlm_model/spirit-lm-base-7b: not the folder of a Spirit LM language model",
        f"expressive tokenizer: not imported, no config.yaml in {parts}/vqvae_f0_quantizer: not the folder of a Spirit LM F0 quantizer",
        "expressive vocoder: not imported, there is no expressive tokenizer to go with it",
        "expressive language model: not imported, there is no expressive tokenizer to go with it",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["base"] and [
        path.name for path in (out / "base").iterdir()
    ] == ["tokenizer"]
    waveform = 0.1 * torch.randn(9000, generator=torch.Generator().manual_seed(0))
    tokenizer = load_tokenizer(out / "base" / "tokenizer" / "tokenizer")
    assert (
        isinstance(tokenizer, Base)
        and tokenizer.encode(waveform)["Hu"].tolist() == load_phonetic(parts / "hubert_25hz").encode(waveform).tolist()
    )


def test_a_folder_of_something_else_is_refused_in_a_line(tmp_path, capsys):
    lines, errors = run(capsys, tmp_path, "--out", tmp_path / "zoo")
    assert lines == [] and errors == [
        f"error: {tmp_path}: neither speech_tokenizer/ nor spiritlm_model/ in it; want the folder of the release's checkpoints"
    ]
    (tmp_path / "speech_tokenizer").mkdir()
    lines, errors = run(capsys, tmp_path, "--out", tmp_path / "zoo")
    assert (
        len(lines) == 6
        and all("not imported" in line for line in lines)
        and errors == [f"error: {tmp_path}: nothing was imported"]
    )
    assert not (tmp_path / "zoo").exists()


def test_a_broken_file_stops_the_import_and_leaves_nothing_half_written(checkpoints, tmp_path, capsys):
    (checkpoints / "speech_tokenizer" / "hubert_25hz" / QUANTIZER).write_bytes(b"PK")
    lines, errors = run(capsys, checkpoints, "--out", tmp_path / "zoo")
    assert (
        lines == []
        and len(errors) == 1
        and f"{QUANTIZER}: not a checkpoint" in errors[0]
        and not (tmp_path / "zoo").exists()
    )
