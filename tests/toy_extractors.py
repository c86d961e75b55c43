"""Extractors whose units a test can predict."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.units import Stream


class Loudest(UnitExtractor):
    """The loudest sample of each frame in steps of its one weight; frames of ``hop`` samples, the last one cut off."""

    kind = Stream("Hu", 20, 25.0)

    def __init__(self, step=0.05, min_samples=640, sample_rate=16000):
        super().__init__()
        self.stream, self.sample_rate, self.min_samples = self.kind, sample_rate, min_samples
        self.register_buffer("step", torch.tensor(step))

    def encode(self, waveform):
        self.check_length(waveform)
        hop = round(self.sample_rate / self.stream.rate)
        frames = waveform[: len(waveform) // hop * hop].view(-1, hop).abs().amax(1)
        return (frames / self.step).round().long().clamp(max=self.stream.size - 1).numpy().astype(np.int64)

    def config(self):
        return {"min_samples": self.min_samples, "sample_rate": self.sample_rate}

    def save(self, folder):
        folder.mkdir(parents=True)
        save_file(self.state_dict(), folder / "step.safetensors")

    @classmethod
    def load(cls, folder):
        return cls(load_file(Path(folder) / "step.safetensors")["step"].item())


class Pitch(Loudest):
    kind = Stream("Pi", 30, 12.5)


class Style(Loudest):
    kind = Stream("St", 40, 1.0, dedup=False)


class Extra(Loudest):
    kind = Stream("En", 50, 5.0)
