import math

import pytest
import torch

from zoo.metrics.f0 import F0FrameError, LogF0Error

TRUE = (
    torch.tensor([100.0, 100.0, 200.0, 200.0, 0.0, 0.0, 150.0, 100.0]),
    torch.tensor([1, 1, 1, 1, 0, 0, 1, 1], dtype=torch.bool),
)
FOUND = (
    torch.tensor([100.0, 120.0, 100.0, 241.0, 90.0, 0.0, 0.0, 50.0]),
    torch.tensor([1, 1, 1, 1, 1, 0, 0, 1], dtype=torch.bool),
)


def test_f0_frame_error_by_hand():
    # 120 for 100 is just within 20%; 100 for 200, 241 for 200 and 50 for 100 are gross; frames 4 and 6 are voicing errors.
    metric = F0FrameError()
    metric.update(*FOUND, *TRUE)
    assert metric.compute() == 5 / 8 and (metric.gross, metric.voicing) == (3, 2)


def test_masked_frames_do_not_count_and_updates_add_up():
    metric, mask = F0FrameError(), torch.tensor([1, 1, 1, 0, 0, 1, 1, 1], dtype=torch.bool)
    metric.update(*FOUND, *TRUE, mask)
    assert metric.compute() == 3 / 6
    metric.update(*(row[None] for row in (*TRUE, *TRUE)))
    assert metric.compute() == pytest.approx(3 / 14)


def test_log_f0_error_by_hand():
    metric = LogF0Error()
    metric.update(*FOUND, *TRUE)
    octaves = [0, math.log2(1.2), -1, math.log2(1.205), -1]
    assert metric.compute() == pytest.approx(math.sqrt(sum(x * x for x in octaves) / 5))
    assert LogF0Error().compute().isnan()


def test_an_octave_is_one_whatever_the_pitch():
    metric, voiced = LogF0Error(), torch.ones(3, dtype=torch.bool)
    truth = torch.tensor([80.0, 160.0, 400.0])
    metric.update(2 * truth, voiced, truth, voiced)
    assert metric.compute() == pytest.approx(1.0)


def test_tracks_of_other_lengths_are_refused():
    for metric in (F0FrameError(), LogF0Error()):
        with pytest.raises(ValueError, match=r"shapes \(7,\), \(8,\)"):
            metric.update(FOUND[0][:7], *TRUE, TRUE[1])
