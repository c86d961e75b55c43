import itertools

import numpy as np
import pytest
import torch

from zoo.forced_alignment.attention_path import (
    EnergyOnsets,
    attended_frames,
    in_order,
    monotonic_starts,
    normalize_attention,
)


@pytest.mark.parametrize("seed", range(5))
def test_the_path_is_the_best_of_all(seed):
    scores = np.random.default_rng(seed).standard_normal((4, 9))
    best = -np.inf
    for cuts in itertools.combinations(range(1, 9), 3):
        edges = [0, *cuts, 9]
        total = sum(scores[token, edges[token] : edges[token + 1]].sum() for token in range(4))
        if total > best:
            best, expected = total, edges[:-1]
    assert monotonic_starts(scores).tolist() == expected


def test_one_frame_a_token_is_enough():
    assert monotonic_starts(np.zeros((5, 5))).tolist() == [0, 1, 2, 3, 4]


def test_the_center_of_attention_is_found_within_the_part_of_a_token():
    scores = np.zeros((2, 20))
    scores[0, 3:6] = 1
    scores[1, 14:17] = 1
    scores[1, 2] = 5
    centers = attended_frames(scores, np.array([0, 10]))
    assert centers == pytest.approx([4.5, 15.5], abs=1e-6)


def test_attention_is_standardized_over_tokens_and_keeps_its_shape():
    attention = torch.rand(3, 5, 40)
    normalized = normalize_attention(attention)
    assert normalized.shape == (5, 40)
    torch.testing.assert_close(normalized, normalize_attention(7 * attention))
    assert normalize_attention(torch.rand(1, 2, 2)).isfinite().all()


def burst(*spans, seconds=1.0, rate=16000):
    noise = torch.randn(round(seconds * rate), generator=torch.Generator().manual_seed(0))
    loud = torch.full((len(noise),), 1e-4)
    for start, end in spans:
        loud[round(start * rate) : round(end * rate)] = 0.1
    return noise * loud


@pytest.mark.parametrize("near", [0.2, 0.3, 0.38])
def test_a_start_is_moved_to_the_onset_near_it(near):
    onsets = EnergyOnsets(burst((0.3, 0.5), (0.8, 0.9)), 16000)
    assert onsets.nearest(near) == pytest.approx(0.3, abs=0.011)
    assert onsets.nearest(0.75) == pytest.approx(0.8, abs=0.011)


def test_a_start_far_from_all_onsets_stays():
    onsets = EnergyOnsets(burst((0.0, 1.0)), 16000)
    assert onsets.nearest(0.6) == 0.6
    assert EnergyOnsets(torch.zeros(16000), 16000).nearest(0.6) == 0.6


def test_a_word_ends_where_its_pause_begins():
    onsets = EnergyOnsets(burst((0.3, 0.5), (0.8, 0.9)), 16000)
    assert onsets.end_of_sound(0.3, 0.8) == pytest.approx(0.5, abs=0.02)
    assert onsets.end_of_sound(0.3, 0.4) == 0.4


def test_starts_are_put_in_order_with_room_for_every_word():
    starts = in_order(np.array([0.5, 0.2, -1.0, 0.99, 2.0]), 1.0)
    assert (np.diff(starts) >= 0.02 - 1e-9).all() and starts[0] >= 0 and starts[-1] <= 0.98 + 1e-9
    kept = np.array([0.1, 0.4, 0.7])
    assert in_order(kept, 1.0) == pytest.approx(kept)
