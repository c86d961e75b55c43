"""A tokenizer of the tones of ``toy_speech`` by their zero crossings."""

import numpy as np
import torch

from tests.toy_speech import SAMPLES
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import Stream


class ZeroCrossings(SpeechTokenizer):
    """Encodes how often each frame of 40 ms crosses zero, whatever its loudness.

    Args:
        loudness: Whether a second stream, St, has the loudness of each second.
    """

    def __init__(self, loudness: bool = False) -> None:
        super().__init__()
        self.sample_rate = 16000
        self.streams = (Stream("Hu", 6, 25.0),)
        if loudness:
            self.streams += (Stream("St", 4, 1.0, dedup=False),)

    def encode(self, waveform: torch.Tensor) -> dict[str, np.ndarray]:
        frames = waveform[: len(waveform) // SAMPLES * SAMPLES].view(-1, SAMPLES)
        crossings = (frames[:, 1:].sign() != frames[:, :-1].sign()).sum(1)
        units = {"Hu": (crossings / 16).round().long().sub(1).clamp(0, 5).numpy()}
        if len(self.streams) > 1:
            peaks = torch.stack([second.abs().max() * 4 for second in waveform.split(self.sample_rate)])
            units["St"] = peaks.long().clamp(0, 3).numpy()
        return units
