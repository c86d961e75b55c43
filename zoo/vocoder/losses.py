"""Losses of the unit vocoder, named as they are logged."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.vocoder.discriminators import DiscriminatorOutput
from zoo.vocoder.harmonic_source import CENTRE_HZ


def discriminator_loss(real: Sequence[DiscriminatorOutput], made: Sequence[DiscriminatorOutput]) -> Tensor:
    """Least squares towards 1 for real and 0 for made speech, summed over discriminators (Mao et al. 2017)."""
    return sum((1 - r.score).square().mean() + m.score.square().mean() for r, m in zip(real, made))


def adversarial_loss(made: Sequence[DiscriminatorOutput]) -> Tensor:
    """Least squares towards 1 for made speech, summed over discriminators."""
    return sum((1 - m.score).square().mean() for m in made)


def feature_loss(real: Sequence[DiscriminatorOutput], made: Sequence[DiscriminatorOutput]) -> Tensor:
    """Mean absolute difference of the discriminators' features, summed over layers (Kumar et al. 2019)."""
    return sum(F.l1_loss(b, a.detach()) for r, m in zip(real, made) for a, b in zip(r.features, m.features))


def mel_loss(real: Tensor, made: Tensor) -> Tensor:
    """Mean absolute difference of log-mel spectrograms (B, M, F)."""
    return F.l1_loss(made, real)


def duration_loss(predicted: Tensor, frames: Tensor) -> Tensor:
    """Mean squared error of log(1 + frames), without the first and the last run of each row, whose length is cut by chance.

    Args:
        predicted: log(1 + frames), (B, R).
        frames: Frames of each run, (B, R); 0 where a row has ended.
    """
    inner = inner_runs(frames)
    errors = (predicted - frames.to(predicted.dtype).log1p()).square() * inner
    return errors.sum() / inner.sum().clamp(min=1)


def pitch_losses(octaves: Tensor, logits: Tensor, frequency: Tensor, voiced: Tensor) -> dict[str, Tensor]:
    """``f0``, octaves off where voiced, and ``voicing``, a cross entropy, as means over all frames: those of equal parts of a batch are its own.

    Args:
        octaves: Told, above the middle of voices, (B, F).
        logits: Of being voiced, (B, F).
        frequency: Hz, (B, F).
        voiced: (B, F).
    """
    off = (octaves.float() - torch.log2(frequency / CENTRE_HZ)).abs()
    return {
        "f0": torch.where(voiced, off, 0.0).mean(),
        "voicing": F.binary_cross_entropy_with_logits(logits.float(), voiced.float()),
    }


def inner_runs(frames: Tensor) -> Tensor:
    """True for the runs between the first and the last of each row: (B, R) -> (B, R)."""
    positions = torch.arange(frames.shape[1], device=frames.device)
    return (positions > 0) & (positions < (frames > 0).sum(dim=1, keepdim=True) - 1)
