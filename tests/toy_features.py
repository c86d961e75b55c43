"""A store of features in which every character of a transcript is a vector of its own, so that it is quickly read."""

import json
from pathlib import Path

import numpy as np
import torch

from zoo.speech.feature_store import ENCODER, write_features
from zoo.speech.transcript_labels import Characters

DIM = 12
LETTERS = "abcd"


def write_toy_features(folder: Path, train: int = 40, dev: int = 8) -> Path:
    """Write so many utterances of each split, each with a few words of the letters, three frames a character."""
    vectors = 3 * torch.randn(len(LETTERS) + 1, DIM, generator=torch.Generator().manual_seed(7))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENCODER).write_text(json.dumps({"dim": DIM}))
    Characters(" " + LETTERS).save(folder)
    for split, count in {"train": train, "dev": dev}.items():
        draw = np.random.default_rng([count, len(split)])
        with write_features(folder, split) as writer:
            for number in range(count):
                words = ["".join(draw.choice(list(LETTERS), draw.integers(1, 4))) for _ in range(draw.integers(2, 5))]
                text = " ".join(words)
                characters = torch.tensor([(" " + LETTERS).index(character) for character in text])
                frames = vectors[characters.repeat_interleave(3)]
                noise = torch.from_numpy(draw.standard_normal(frames.shape)).float()
                writer.append(f"{split}-{number}", text, frames + 0.3 * noise)
    return folder
