"""Model folders of strangers: the code that they bring is never run, whatever standard input would answer."""

import io
import json
import sys

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from tests.toy_tokens import words_vocabulary
from zoo.language.networks import from_checkpoint, random_like
from zoo.language.speech_text_model import load_language_model
from zoo.speech.encoders import HubertEncoder
from zoo.speech.style_encoders import TransformerStyleEncoder
from zoo.tokens.text_tokenizer import TextTokenizer

VOCABULARY = words_vocabulary()
CODE = """
import pathlib
pathlib.Path({marker!r}).write_text("ran")
from transformers import PretrainedConfig
class Config(PretrainedConfig):
    model_type = "stranger"
class Model: pass
class Tokenizer: pass
"""
LOADERS = {
    "config of a language model": lambda folder: from_checkpoint(str(folder), VOCABULARY),
    "random weights": lambda folder: random_like(str(folder), VOCABULARY),
    "text tokenizer": TextTokenizer.load,
    "speech encoder": lambda folder: HubertEncoder(str(folder), layer=1),
    "style encoder": lambda folder: TransformerStyleEncoder.from_pretrained(str(folder)),
    "saved style encoder": lambda folder: TransformerStyleEncoder.load(folder, {}),
}


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A model folder with code of its own, whose run leaves a file; standard input agrees to everything."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    marker = tmp_path / "ran"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "stranger.py").write_text(CODE.format(marker=str(marker)))
    classes = {"AutoConfig": "stranger.Config", "AutoModel": "stranger.Model", "AutoModelForCausalLM": "stranger.Model"}
    config = {"model_type": "stranger", "auto_map": classes}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"tokenizer_class": "Tokenizer", "auto_map": {"AutoTokenizer": ["stranger.Tokenizer"] * 2}}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    yield folder
    assert not marker.exists()
    assert sys.stdin.read() == "y\n" * 9  # nothing asked


@pytest.mark.parametrize("name", LOADERS)
def test_code_in_a_model_folder_is_refused_without_a_question(name, stranger):
    with pytest.raises(ValueError, match="custom code"):
        LOADERS[name](stranger)


def test_generation_code_beside_a_known_network_is_not_run(stranger):
    config = LlamaConfig(
        vocab_size=VOCABULARY.num_rows, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    LlamaForCausalLM(config).save_pretrained(stranger)
    VOCABULARY.save(stranger)
    (stranger / "custom_generate").mkdir()
    (stranger / "custom_generate" / "generate.py").write_text(CODE.format(marker=str(stranger.parent / "ran")))
    network, _ = load_language_model(stranger)
    assert type(network) is LlamaForCausalLM
