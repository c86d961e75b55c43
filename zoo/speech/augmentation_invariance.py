"""Losses that make the units of a quantizer invariant to augmentation and keep it from collapsing to a few units.

All losses take log-probabilities (B, T, size + 1) of the units and of the CTC blank, and the number of frames of each
row (B,). The blank is ignored: the units are renormalized without it. Augmented speech is assumed to have the units of
clean speech at the same times up to a uniform stretch, so frame t of T corresponds to clean frame t * T_clean / T.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.speech.ctc_quantizer import unit_log_probs

IGNORED = -1  # target of padding frames and of blanks, which do not enter the loss


def aligned_loss(log_probs: Tensor, frames: Tensor, units: list[Tensor]) -> Tensor:
    """Return the mean cross entropy of augmented frames against the clean speech's units, in nats per frame.

    Args:
        log_probs: Log-probabilities of the augmented speech, (B, T, size + 1).
        frames: Number of frames in each row, (B,).
        units: Units of the clean speech, one tensor (N,) per row; values of ``size`` and above, such as blanks, are
            ignored.
    """
    scores = unit_log_probs(log_probs)
    targets = torch.full(scores.shape[:2], IGNORED, device=scores.device)
    for row, (num_frames, row_units) in enumerate(zip(frames.tolist(), units, strict=True)):
        targets[row, :num_frames] = row_units[_corresponding_frames(num_frames, len(row_units), row_units.device)]
    targets[targets >= scores.shape[-1]] = IGNORED
    return F.nll_loss(scores.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def consistency_loss(
    log_probs: Tensor, frames: Tensor, clean: Tensor, clean_frames: Tensor, temperature: float
) -> Tensor:
    """Return the cross entropy against the sharpened prediction for clean speech, in nats per frame.

    This is the first term of IMSAT (Hu et al. 2017, arXiv 1702.08720), with targets sharpened as in UDA (Xie et al.
    2020).

    Args:
        log_probs: Log-probabilities of the augmented speech, (B, T, size + 1).
        frames: Number of frames in each row of ``log_probs``, (B,).
        clean: Log-probabilities of the clean speech by the same network, (B, T', size + 1); no gradient flows to them.
        clean_frames: Number of frames in each row of ``clean``, (B,).
        temperature: Divisor of the clean log-probabilities before they become targets; below 1 sharpens them.
    """
    scores = unit_log_probs(log_probs)
    targets = (unit_log_probs(clean.detach()) / temperature).softmax(-1)
    losses = []
    for row, (num_frames, num_clean) in enumerate(zip(frames.tolist(), clean_frames.tolist(), strict=True)):
        aligned = targets[row, _corresponding_frames(num_frames, num_clean, targets.device)]
        losses.append(-(aligned * scores[row, :num_frames]).sum())
    return torch.stack(losses).sum() / frames.sum()


def imbalance(log_probs: Tensor, frames: Tensor) -> Tensor:
    """Return the maximum entropy minus the entropy of each utterance's mean unit probabilities, in nats.

    The result is the mean over utterances. It is the second term of IMSAT and keeps the consistency loss from
    collapsing to few units. The entropy is computed within each utterance, because over a whole batch it would also be
    high for units that distinguish utterances or speakers instead of sounds.

    Args:
        log_probs: Log-probabilities of the units and the blank, (B, T, size + 1).
        frames: Number of frames in each row, (B,).
    """
    is_frame = torch.arange(log_probs.shape[1], device=log_probs.device) < frames[:, None]
    probabilities = unit_log_probs(log_probs).exp() * is_frame.unsqueeze(-1)
    mean = probabilities.sum(1) / frames[:, None]  # (B, size)
    max_entropy = math.log(mean.shape[1])
    return max_entropy - torch.special.entr(mean).sum(1).mean()


def _corresponding_frames(num_frames: int, num_clean: int, device: torch.device) -> Tensor:
    """Return the index of the clean frame at the center of each augmented frame: (num_frames,), below ``num_clean``."""
    centers = torch.arange(num_frames, device=device) + 0.5
    return (centers * (num_clean / num_frames)).long().clamp(max=num_clean - 1)
