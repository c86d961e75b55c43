import math

import pytest
import torch

from zoo.speech.augmentation_invariance import aligned_loss, consistency_loss, imbalance

UNITS = 6


def confident_log_probs(rows, frames, blank=50.0):
    """Log-probabilities sure of some units, with a blank that must not count."""
    scores = torch.full((len(rows), frames, UNITS + 1), -30.0)
    scores[..., UNITS] = blank
    for row, targets in enumerate(rows):
        scores[row, torch.arange(len(targets)), targets] = 0.0
    return scores


def test_aligned_loss_stretches_the_units_to_the_frames():
    scores = confident_log_probs([[1, 1, 2, 2, 3, 3], [4, 0, 0, 0, 0, 0]], 6)
    units, frames = [torch.tensor([1, 2, 3]), torch.tensor([4, 4])], torch.tensor([6, 1])
    assert aligned_loss(scores, frames, units).item() == pytest.approx(0.0, abs=1e-6)
    assert aligned_loss(scores, frames, [units[0].flip(0), units[1]]).item() == pytest.approx(4 * 30 / 7, rel=1e-4)


def test_aligned_loss_ignores_units_beyond_the_quantizer():
    scores = confident_log_probs([[1, 1]], 2)
    assert aligned_loss(scores, torch.tensor([2]), [torch.tensor([1, UNITS])]).item() == pytest.approx(0.0, abs=1e-6)


def test_consistency_loss_is_the_cross_entropy_against_the_sharpened_clean_prediction():
    changed, clean = torch.randn(1, 4, UNITS + 1), torch.randn(1, 2, UNITS + 1)
    loss = consistency_loss(changed, torch.tensor([4]), clean, torch.tensor([2]), 0.5)
    by_hand = 0.0
    for frame in range(4):
        target = (clean[0, frame // 2, :UNITS].log_softmax(0) * 2).softmax(0)
        by_hand -= (target * changed[0, frame, :UNITS].log_softmax(0)).sum() / 4
    torch.testing.assert_close(loss, by_hand)


def test_consistency_loss_ignores_padding_and_has_no_gradient_for_clean_speech():
    changed, clean = torch.randn(2, 5, UNITS + 1, requires_grad=True), torch.randn(2, 5, UNITS + 1, requires_grad=True)
    frames = torch.tensor([5, 3])
    loss = consistency_loss(changed, frames, clean, frames, 0.5)
    loss.backward()
    assert clean.grad is None and not changed.grad[1, 3:].any() and changed.grad[1, :3].any()
    row_losses = [
        consistency_loss(changed[i : i + 1, :n], frames[i : i + 1], clean[i : i + 1, :n], frames[i : i + 1], 0.5) * n
        for i, n in enumerate(frames)
    ]
    torch.testing.assert_close(loss, sum(row_losses) / frames.sum())


@pytest.mark.parametrize(
    "rows, missing_entropy",
    [([[0, 1, 2, 3, 4, 5]], 0.0), ([[2] * 6], math.log(UNITS)), ([[0, 1, 2, 0, 1, 2]], math.log(2))],
)
def test_imbalance_is_the_missing_entropy_of_an_utterance(rows, missing_entropy):
    padded = torch.cat([confident_log_probs(rows, 6), torch.randn(1, 3, UNITS + 1)], dim=1)
    assert imbalance(padded, torch.tensor([6])).item() == pytest.approx(missing_entropy, abs=1e-4)


def test_imbalance_is_computed_within_utterances():
    assert imbalance(
        confident_log_probs([[0, 1, 2, 0, 1, 2], [3, 4, 5, 3, 4, 5]], 6), torch.tensor([6, 6])
    ).item() == pytest.approx(math.log(2), abs=1e-4)
