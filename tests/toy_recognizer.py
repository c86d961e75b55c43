"""A CTC recognizer that hears one letter in everything."""

import json
from pathlib import Path

import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

LETTERS = {"<pad>": 0, "a": 1, "b": 2, "|": 3, "<unk>": 4}


def write_recognizer(folder: Path, letter: str) -> Path:
    """The folder of a transformers checkpoint with its processor."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(LETTERS))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), Wav2Vec2CTCTokenizer(folder / "vocab.json")).save_pretrained(folder)
    model = Wav2Vec2ForCTC(
        Wav2Vec2Config(
            vocab_size=5,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            conv_dim=(8, 8),
            conv_stride=(10, 8),
            conv_kernel=(20, 16),
            num_feat_extract_layers=2,
            num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2,
        )
    )
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.copy_(torch.nn.functional.one_hot(torch.tensor(LETTERS[letter]), 5))
    model.save_pretrained(folder)
    return folder
