"""Model folders of strangers: the code that they bring is never run, whatever standard input would answer."""

import io
import json
import sys

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.toy_tokens import words_vocabulary
from zoo.evaluation.judges.classifiers import PretrainedSpeechClassifier, PretrainedTextClassifier
from zoo.evaluation.judges.recognizers import PretrainedRecognizer
from zoo.evaluation.judges.speakers import XVectors
from zoo.forced_alignment import WhisperAligner, pretrained_ctc_aligner
from zoo.language.networks import from_checkpoint, random_like
from zoo.language.speech_text_model import load_language_model
from zoo.speech.context_layers import checkpoint_layers
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
    "Whisper as an aligner": lambda folder: WhisperAligner(str(folder)),
    "CTC aligner": lambda folder: pretrained_ctc_aligner(str(folder)),
    "layers of a speech encoder": lambda folder: checkpoint_layers(str(folder), 1),
    "recognizer": lambda folder: PretrainedRecognizer(str(folder))([torch.ones(16000)], 16000),
    "speaker encoder": lambda folder: XVectors(str(folder))([torch.ones(16000)], 16000),
    "text classifier": lambda folder: PretrainedTextClassifier(str(folder)),
    "speech classifier": lambda folder: PretrainedSpeechClassifier(str(folder)),
}
KERNEL = {"_attn_implementation": "owner/kernel"}


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


@pytest.mark.parametrize("name", sorted(set(LOADERS) - {"text tokenizer"}))
def test_a_kernel_of_the_hub_is_refused_before_a_model_is_loaded(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2", **KERNEL}))
    with pytest.raises(ValueError, match="would load code from the Hugging Face hub; remove the key from the file"):
        LOADERS[name](tmp_path)


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
