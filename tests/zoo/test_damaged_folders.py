"""Folders that the zoo wrote, cut, emptied or swapped for others: one line that names the file, and what to do."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.toy_run import write_adapter, write_pitch_units, write_run
from zoo.language.adapters import load_adapted
from zoo.language.speech_text_model import load_language_model
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.style_encoders import ProsodyStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import ContractError
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder import Vocoder

FOREIGN = {
    "empty": b"",
    "not JSON": b"\x00\x01\x02 no such thing",
    "list": b"[1, 2]",
    "other object": b'{"one": 1}',
    "number": b"7",
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    write_run(root / "run")
    write_adapter(root / "run", root / "adapter")
    write_pitch_units(root / "pitch")
    torch.manual_seed(0)
    StyleUnits(ProsodyStyleEncoder(dim=8, depth=1), StyleClassifier(8, 4, 8)).save(root / "style")
    return root


KINDS = {
    "tokenizer": ("run/tokenizer/tokenizer", load_tokenizer),
    "quantizer": ("run/tokenizer/tokenizer", load_tokenizer),
    "vocabulary": ("run/vocabulary/vocabulary", Vocabulary.load),
    "language model": ("run/language_model/model", load_language_model),
    "vocoder": ("run/vocoder/vocoder", Vocoder.load),
    "adapter": ("adapter", load_adapted),
    "pitch": ("pitch", PitchUnits.load),
    "style": ("style", StyleUnits.load),
}
FILES = {
    "tokenizer": ["tokenizer.json", "contract.json"],
    "quantizer": ["Hu/phonetic.json", "Hu/quantizer.safetensors"],
    "vocabulary": ["vocabulary.json", "tokenizer.json"],
    "language model": ["config.json", "model.safetensors", "vocabulary.json", "tokenizer.json"],
    "vocoder": ["vocoder.json", "model.safetensors"],
    "adapter": ["adapter_config.json", "adapter_model.safetensors", "base.json"],
    "pitch": ["pitch.json", "vqvae.safetensors"],
    "style": ["style.json", "head.safetensors", "encoder/model.safetensors"],
}
CASES = [(kind, name) for kind, names in FILES.items() for name in names]


@pytest.fixture
def copied(originals, tmp_path):
    def copy(kind):
        source, load = KINDS[kind]
        shutil.copytree(originals / source, tmp_path / "copy")
        return tmp_path / "copy", load

    return copy


def refused(load, folder, *names):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load(folder)
    message = str(error.value)
    assert "\n" not in message and len(message) < 900, message
    assert str(folder) in message and any(name in message for name in names), message
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_whole_folders_load(kind, copied):
    folder, load = copied(kind)
    load(folder)


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_file_is_one_line(kind, name, content, copied):
    folder, load = copied(kind)
    path = folder / name
    path.write_bytes(FOREIGN[content])
    refused(load, folder, path.name, "config.json")


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_cut_file_is_one_line(kind, name, copied):
    folder, load = copied(kind)
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(load, folder, path.name)


@pytest.mark.parametrize(("kind", "name"), [case for case in CASES if case[1].endswith(".safetensors")])
@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_weights_of_another_network_are_one_line(kind, name, change, copied):
    folder, load = copied(kind)
    path = folder / name
    tensors = load_file(path)
    first = sorted(tensors)[0]
    if change == "missing":
        del tensors[first]
    elif change == "unexpected":
        tensors["another.weight"] = torch.zeros(3)
    else:
        tensors[first] = torch.zeros(1, 2, 3, 4)
    save_file(tensors, path, {"format": "pt"})
    message = refused(load, folder, path.name, str(folder))
    if (kind, change) != ("adapter", "shape"):  # told by PEFT, with the shapes alone
        assert (first if change != "unexpected" else "another.weight") in message


@pytest.mark.parametrize("num_layers", [1, 9])
def test_another_number_of_layers_is_no_random_layer(num_layers, copied):
    folder, load = copied("language model")
    config = json.loads((folder / "config.json").read_text())
    assert num_layers != config["num_hidden_layers"]
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": num_layers}))
    refused(load, folder, "layers.")


@pytest.mark.parametrize(
    ("kind", "name"), [("quantizer", "Hu/quantizer.safetensors"), ("tokenizer", "Hu/phonetic.json")]
)
def test_changed_units_are_not_those_of_the_contract(kind, name, copied):
    folder, load = copied(kind)
    if name.endswith(".json"):
        config = json.loads((folder / name).read_text())
        config["quantizer"]["arguments"]["switch_penalty"] = 123.0
        (folder / name).write_text(json.dumps(config))
    else:
        tensors = load_file(folder / name)
        tensors["centroids"][0, 0] += 1
        save_file(tensors, folder / name)
    with pytest.raises(ContractError, match="contract.json: tokenizer.checksum is .* changed after it was written"):
        load(folder)


def test_another_text_tokenizer_is_not_that_of_the_vocabulary(copied):
    folder, load = copied("vocabulary")
    state = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = state["model"]["vocab"]
    first, second = sorted(vocabulary)[5:7]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (folder / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(ContractError, match="text_checksum"):
        load(folder)


def test_an_adapter_that_was_moved_with_its_base_finds_it(originals, tmp_path):
    shutil.copytree(originals / "run" / "language_model", tmp_path / "run" / "language_model")
    shutil.copytree(originals / "adapter", tmp_path / "adapter")
    base = json.loads((tmp_path / "adapter" / "base.json").read_text())
    (tmp_path / "adapter" / "base.json").write_text(json.dumps(base | {"source": "/nowhere"}))
    load_adapted(tmp_path / "adapter")
    (tmp_path / "run").rename(tmp_path / "gone")
    with pytest.raises((ValueError, FileNotFoundError), match="/nowhere"):
        load_adapted(tmp_path / "adapter")


@pytest.mark.parametrize("content", [b"", b"ARROW1 no more", b"x" * 5000])
def test_a_damaged_shard_is_one_line(content, tmp_path):
    (tmp_path / "train-00000.arrow").write_bytes(content)
    refused(lambda folder: TokenTable(folder, "train"), tmp_path, "train-00000.arrow")
