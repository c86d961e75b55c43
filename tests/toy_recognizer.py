"""A CTC recognizer whose transcript of all speech is one letter."""

import json
from pathlib import Path

import torch
from transformers import (
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from tests.toy_wav2vec2 import tiny_wav2vec2

LETTERS = {"<pad>": 0, "a": 1, "b": 2, "|": 3, "<unk>": 4}


def write_recognizer(folder: Path, letter: str) -> Path:
    """The folder of a transformers checkpoint with its processor."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(LETTERS))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(folder / "vocab.json")).save_pretrained(folder)
    model = Wav2Vec2ForCTC(tiny_wav2vec2(vocab_size=5))
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.copy_(torch.nn.functional.one_hot(torch.tensor(LETTERS[letter]), 5))
    model.save_pretrained(folder)
    return folder
