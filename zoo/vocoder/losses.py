"""Losses of the unit vocoder."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.vocoder.discriminators import DiscriminatorOutput
from zoo.vocoder.harmonic_source import CENTER_HZ


def discriminator_loss(real: Sequence[DiscriminatorOutput], generated: Sequence[DiscriminatorOutput]) -> Tensor:
    """Return the least-squares loss of the discriminators (Mao et al. 2017).

    The loss is the squared error to a score of 1 for real and 0 for generated speech, summed over discriminators.

    Args:
        real: Output of each discriminator for real speech.
        generated: Output of each discriminator for generated speech.
    """
    losses = []
    for real_output, generated_output in zip(real, generated, strict=True):
        losses.append((1 - real_output.score).square().mean() + generated_output.score.square().mean())
    return reduce(torch.add, losses)


def adversarial_loss(generated: Sequence[DiscriminatorOutput]) -> Tensor:
    """Return the least-squares loss of the generator (Mao et al. 2017).

    The loss is the squared error to a score of 1 for generated speech, summed over discriminators.

    Args:
        generated: Output of each discriminator for generated speech.
    """
    losses = [(1 - output.score).square().mean() for output in generated]
    return reduce(torch.add, losses)


def feature_loss(real: Sequence[DiscriminatorOutput], generated: Sequence[DiscriminatorOutput]) -> Tensor:
    """Return the mean absolute difference of the discriminators' features, summed over layers (Kumar et al. 2019).

    Args:
        real: Output of each discriminator for real speech.
        generated: Output of each discriminator for generated speech.
    """
    losses = []
    for real_output, generated_output in zip(real, generated, strict=True):
        for real_layer, generated_layer in zip(real_output.features, generated_output.features, strict=True):
            losses.append(F.l1_loss(generated_layer, real_layer.detach()))
    return reduce(torch.add, losses)


def mel_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Return the mean absolute difference of log-mel spectrograms (B, M, F)."""
    return F.l1_loss(generated, real)


def duration_loss(predicted: Tensor, frames: Tensor) -> Tensor:
    """Return the mean squared error of log(1 + frames) of the runs, which are repetitions of one unit.

    The first and the last run of a row are left out, because the segment cuts them at an arbitrary frame.

    Args:
        predicted: Predicted log(1 + frames), (B, R).
        frames: Number of frames of each run, (B, R); 0 in padding.
    """
    inner = inner_runs(frames)
    errors = (predicted - frames.to(predicted.dtype).log1p()).square() * inner
    return errors.sum() / inner.sum().clamp(min=1)


def pitch_losses(octaves: Tensor, logits: Tensor, frequency: Tensor, voiced: Tensor) -> dict[str, Tensor]:
    """Return the losses of predicted F0 and voicing by the names they are logged under.

    ``f0`` is the absolute error in octaves of voiced frames, ``voicing`` a binary cross entropy. Both are divided by
    the number of all frames, voiced or not, so that the mean over equal parts of a batch is that of the batch.

    Args:
        octaves: Predicted octaves above ``CENTER_HZ``, (B, F).
        logits: Predicted logits of being voiced, (B, F).
        frequency: F0 of the speech in Hz, (B, F).
        voiced: Whether the speech is voiced, (B, F).
    """
    errors = (octaves.float() - torch.log2(frequency / CENTER_HZ)).abs()
    return {
        "f0": torch.where(voiced, errors, 0.0).mean(),
        "voicing": F.binary_cross_entropy_with_logits(logits.float(), voiced.float()),
    }


def inner_runs(frames: Tensor) -> Tensor:
    """Return a mask that is True for the runs between the first and the last run of each row: (B, R) -> (B, R)."""
    positions = torch.arange(frames.shape[1], device=frames.device)
    last = (frames > 0).sum(dim=1, keepdim=True) - 1  # (B, 1)
    return (positions > 0) & (positions < last)
