"""Losses beside those of HiFi-GAN, of what is heard in made speech: its units and its periods."""
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.tokens.tokenizers import UnitTokenizer


class HeardUnits(nn.Module):
    """Cross entropy of the phonetic units that a tokenizer hears, against those that the speech was made of.

    The tokenizer is frozen; its encoder and quantizer pass the gradient on. Blanks of a CTC quantizer are left out of account.

    Args:
        tokenizer: The one whose units the vocoder speaks.
        weight: Of the loss, beside 45 for the mel loss.
    """

    def __init__(self, tokenizer: UnitTokenizer, weight: float = 3.0) -> None:
        super().__init__()
        self.weight = weight
        extractor = next(iter(tokenizer.extractors.values()))
        self._parts = [extractor.encoder, extractor.quantizer]  # in a list: not to be trained, nor saved with the vocoder
        for part in self._parts:
            part.requires_grad_(False)

    def forward(self, made: Tensor, batch: dict[str, Any]) -> Tensor:
        """Nats a unit.

        Args:
            made: Speech (B, N).
            batch: Has ``units`` by prefix (B, T), the phonetic ones first.
        """
        units = next(iter(batch["units"].values()))
        encoder, quantizer = (part.to(made.device) for part in self._parts)
        with torch.autocast(made.device.type, enabled=False):
            features = torch.stack(encoder.batch(list(made.float())))  # (B, T, dim)
            log_probs = quantizer.log_probs(features)[..., :quantizer.size].log_softmax(-1)
        frames = min(log_probs.shape[1], units.shape[1])  # an encoder may have no frame for the very end
        return F.nll_loss(log_probs[:, :frames].flatten(0, 1), units[:, :frames].flatten(), ignore_index=quantizer.size)


class HeardPeriods(nn.Module):
    """Mean absolute difference of the normalised autocorrelation of made and real speech, at the lags of voices.

    Where there is a voice, the autocorrelation tells its period, and how clear it is; phases do not matter. The mel loss, whose
    bands are as wide as the distance between harmonics, hardly hears either.

    Args:
        weight: Of the loss, beside 45 for the mel loss.
        sample_rate: Of the waveforms, in Hz.
        window: Samples of a frame (Hann).
        hop: Samples between frames.
        min_hz: Lowest frequency of a voice; its period must be shorter than the window.
        max_hz: Highest frequency.
    """

    def __init__(self, weight: float = 30.0, sample_rate: int = 16000, window: int = 1024, hop: int = 512, min_hz: float = 50.0,
                 max_hz: float = 500.0) -> None:
        super().__init__()
        if not sample_rate / window < min_hz < max_hz < sample_rate / 2:
            raise ValueError(f"min_hz {min_hz:g} and max_hz {max_hz:g} want periods shorter than the window of {window} samples, and longer than two")
        self.weight, self.window_size, self.hop = weight, window, hop
        self.lags = slice(int(sample_rate / max_hz), int(sample_rate / min_hz) + 1)
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.register_buffer("of_window", _autocorrelation(self.window), persistent=False)

    def forward(self, made: Tensor, batch: dict[str, Any]) -> Tensor:
        """The difference, at most 2.

        Args:
            made: Speech (B, N).
            batch: Has the real ``waveform`` (B, N).
        """
        with torch.autocast(made.device.type, enabled=False):
            return F.l1_loss(self.periods(made.float()), self.periods(batch["waveform"].float()))

    def periods(self, waveform: Tensor) -> Tensor:
        """Autocorrelation of each frame at each lag, about 1 where a period comes again: (B, N) -> (B, frames, lags)."""
        frames = waveform.unfold(-1, self.window_size, self.hop) * self.window
        found = _autocorrelation(frames)[..., :self.lags.stop] / self.of_window[:self.lags.stop]
        loudness = found[..., :1] + 1e-5  # silence has no period
        return found[..., self.lags] / loudness


def _autocorrelation(frames: Tensor) -> Tensor:
    """Mean product at each lag: (..., N) -> (..., N)."""
    size = frames.shape[-1]
    spectrum = torch.fft.rfft(frames, 2 * size)
    return torch.fft.irfft(spectrum.real.square() + spectrum.imag.square())[..., :size] / size
