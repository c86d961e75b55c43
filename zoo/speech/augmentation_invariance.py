"""Losses that teach a quantizer to say the same of changed speech as of clean speech, without saying the same of everything.

All are over log-probabilities (B, T, size + 1) of the units and the blank, which is left out of account, of so many frames (B,)
each. Changed speech has its units at the same places as clean speech, but for an even stretch.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.speech.ctc_quantizer import unit_log_probs


def aligned_loss(log_probs: Tensor, frames: Tensor, units: list[Tensor]) -> Tensor:
    """Cross entropy of each frame's unit, in nats per frame.

    Args:
        log_probs: Of the changed speech.
        frames: Of each row.
        units: Of the clean speech, (N,) each; those beyond ``size`` are not taught.
    """
    scores = unit_log_probs(log_probs)
    wanted = torch.full(scores.shape[:2], -1, device=scores.device)
    for row, (count, each) in enumerate(zip(frames.tolist(), units)):
        wanted[row, :count] = each[_places(count, len(each), each.device)]
    wanted[wanted >= scores.shape[-1]] = -1
    return F.nll_loss(scores.flatten(0, 1), wanted.flatten(), ignore_index=-1)


def consistency_loss(
    log_probs: Tensor, frames: Tensor, clean: Tensor, clean_frames: Tensor, temperature: float
) -> Tensor:
    """Cross entropy of the changed speech against the same network's sharpened reading of the clean one, in nats per frame.

    The first half of IMSAT (Hu et al. 2017, arXiv 1702.08720), with targets sharpened as in UDA (Xie et al. 2020).

    Args:
        log_probs: Of the changed speech.
        frames: Of each row.
        clean: Log-probabilities of the clean speech, (B, T', size + 1); they are not learned from.
        clean_frames: Of each row.
        temperature: Below 1 the targets are surer than the reading.
    """
    scores, targets = unit_log_probs(log_probs), (unit_log_probs(clean.detach()) / temperature).softmax(-1)
    losses = [
        -(targets[row, _places(count, whole, targets.device)] * scores[row, :count]).sum()
        for row, (count, whole) in enumerate(zip(frames.tolist(), clean_frames.tolist()))
    ]
    return torch.stack(losses).sum() / frames.sum()


def imbalance(log_probs: Tensor, frames: Tensor) -> Tensor:
    """How far the units of each utterance are from being equally frequent: the entropy that its mean probabilities lack, in nats.

    The second half of IMSAT, which keeps a quantizer from agreeing with itself on few units. It is taken within utterances, for units that
    told utterances and speakers apart instead of sounds would be frequent alike over all of them, too.
    """
    inside = (torch.arange(log_probs.shape[1], device=log_probs.device) < frames[:, None]).unsqueeze(-1)
    shares = (unit_log_probs(log_probs).exp() * inside).sum(1) / frames[:, None]  # (B, size)
    return math.log(shares.shape[1]) - torch.special.entr(shares).sum(1).mean()


def _places(count: int, whole: int, device: torch.device) -> Tensor:
    """Which of the ``whole`` frames lie at each of ``count``, evenly stretched: (count,)."""
    return ((torch.arange(count, device=device) + 0.5) * (whole / count)).long().clamp(max=whole - 1)
