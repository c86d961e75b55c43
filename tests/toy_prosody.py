"""A prepared corpus of acted hums: each style has its own pitch movement and loudness, each speaker their own pitch."""

import json
from pathlib import Path

import numpy as np
import torch

from tests.zoo.speech.test_f0 import RATE, voice
from zoo.audio import write
from zoo.corpora import open_corpus, prepare

SPEAKERS = {"train": {"ann": 190.0, "bob": 110.0, "cat": 230.0}, "dev": {"dan": 150.0}}
STYLES = {"calm": (0.02, 0.4), "glad": (0.5, 1.0)}  # movement in octaves, amplitude


def hum(pitch_hz: float, style: str, seconds: float, seed: int) -> torch.Tensor:
    """A voice with pauses whose pitch swings as the style asks."""
    rng, (movement, amplitude) = np.random.default_rng(seed), STYLES[style]
    time = np.arange(int(seconds * RATE)) / RATE
    frequency = pitch_hz * 2 ** (movement * np.sin(2 * np.pi * (rng.uniform(1.5, 2.5) * time + rng.random())))
    return amplitude * voice(np.where((time + rng.random()) % 0.9 < 0.7, frequency, 0))


def write_corpus(folder: Path, utterances: int = 4, text: str = "") -> Path:
    """The folder of a prepared corpus: ``utterances`` of each speaker and style, 1.5 to 3 seconds long, of one text."""
    for split, speakers in SPEAKERS.items():
        rows = []
        for speaker, pitch in speakers.items():
            for style in STYLES:
                for number in range(utterances):
                    seed = len(rows) + 100 * (split == "dev")
                    path = f"audio/{split}_{len(rows)}.wav"
                    write(folder / "source" / path, hum(pitch, style, 1.5 + 0.5 * (number % 4), seed), RATE)
                    rows.append(
                        {"id": f"{split}{len(rows)}", "audio": path, "text": text, "speaker": speaker, "style": style}
                    )
        (folder / "source" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare(open_corpus(folder / "source"), folder / "corpus")
    return folder / "corpus"
