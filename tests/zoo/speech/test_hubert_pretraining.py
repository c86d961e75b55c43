import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zoo.speech.encoders import FilterbankEncoder, HubertEncoder
from zoo.speech.hubert_pretraining import (
    KERNELS_25HZ,
    STRIDES_25HZ,
    UnitPredictor,
    frame_labels,
    hubert,
    mask_spans,
)
from zoo.speech.receptive_field import receptive_field

SMALL = {
    "hidden_size": 16,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_size": 24,
    "conv_dim": 8,
    "position_kernel": 8,
    "position_groups": 2,
}
STACKS = {
    "spirit_lm": (KERNELS_25HZ, STRIDES_25HZ),
    "50_hz": ((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)),
    "last_is_four": ((10, 3, 3, 3, 3, 2, 4), (5, 2, 2, 2, 2, 2, 4)),
    "few_wide": ((20, 8, 4, 4), (10, 8, 4, 2)),
    "far_seeing": ((400, 9, 9), (40, 4, 4)),
}
all_stacks = pytest.mark.parametrize("stack", STACKS)


def network(stack, **changes):
    kernels, strides = STACKS[stack]
    torch.manual_seed(0)
    return hubert(**SMALL | changes, conv_kernel=kernels, conv_stride=strides)


def test_default_is_the_base_size_at_25_hz():
    with torch.device("meta"):
        base = hubert()
    assert receptive_field(base.config.conv_kernel, base.config.conv_stride) == (720, 640)
    assert sum(p.numel() for p in base.parameters()) == pytest.approx(95e6, rel=0.02)


@all_stacks
def test_receptive_field_equals_that_of_the_convolutions(stack):
    convolutions = network(stack).feature_extractor
    field, hop = receptive_field(*STACKS[stack])
    for samples in (field, field + hop - 1, field + hop, field + 3 * hop):
        assert convolutions(torch.randn(1, samples)).shape[2] == (samples - field) // hop + 1


@all_stacks
def test_frame_labels_are_nearest_to_the_frame_centers(tmp_path, stack):
    """The label's middle is at most half a label from the frame's, whoever made the labels; a stack's own are one to one."""
    kernels, strides = STACKS[stack]
    field, hop = receptive_field(kernels, strides)
    frames = 40
    centers = (np.arange(frames) * hop + field / 2) / 16000
    for encoder in (
        FilterbankEncoder(25),
        FilterbankEncoder(50),
        HubertEncoder(network("spirit_lm"), 1),
        HubertEncoder(network(stack), 1),
    ):
        count = int((frames * hop + field) / 16000 * encoder.frame_rate)
        times = encoder.first_frame_seconds + np.arange(count) / encoder.frame_rate
        labels = frame_labels(np.arange(count), encoder.first_frame_seconds, encoder.frame_rate, centers)
        inside = centers <= times[-1]
        assert (np.abs(times[labels] - centers)[inside] <= 0.5 / encoder.frame_rate + 1e-9).all()
    assert labels[:count].tolist()[: min(count, frames)] == list(range(min(count, frames)))


@pytest.mark.parametrize("frame_rate", [25, 50])
def test_filterbank_frames_are_centered_at_first_frame_seconds(frame_rate):
    encoder = FilterbankEncoder(frame_rate)
    for frame in (5, 10):
        click = 1e-3 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
        middle = round((encoder.first_frame_seconds + frame / frame_rate) * 16000)
        click[middle - 20 : middle + 20] += 1.0
        assert encoder(click)[:, 0].argmax().item() == frame  # the first coefficient is the loudness


def test_masks_are_spans_of_the_requested_length():
    torch.manual_seed(0)
    mask = mask_spans(200, 50, 0.4, 5)
    assert mask.shape == (200, 50) and (mask.sum(1) <= 20).all() and (mask.sum(1) >= 8).all()
    for row in mask.tolist():
        spans = "".join("x" if hidden else " " for hidden in row).split()
        assert all(len(span) >= 5 for span in spans)
    assert mask.float().mean(0)[4:-4].std() < 0.1 and 0.28 < mask.float().mean() < 0.4
    assert mask_spans(2, 3, 0.8, 5).all() and mask_spans(1, 50, 0.0, 5).sum() == 5
    torch.manual_seed(0)
    assert torch.equal(mask_spans(200, 50, 0.4, 5), mask)


def test_logits_are_cosines_over_the_temperature():
    torch.manual_seed(0)
    predictor, hidden = UnitPredictor(6, 4, dim=5, temperature=0.2), torch.randn(3, 6)
    inside = predictor.projection(hidden)
    expected = (
        torch.stack([F.cosine_similarity(inside, unit.expand_as(inside), dim=-1) for unit in predictor.units], 1) / 0.2
    )
    torch.testing.assert_close(predictor(hidden), expected)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"conv_kernel": (10, 3), "conv_stride": (5,)}, "conv_kernel has 2 layers and conv_stride 1"),
        ({"num_heads": 3}, "hidden_size 16 must be a multiple of num_heads 3 and position_groups 2"),
    ],
)
def test_invalid_network_sizes_are_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        hubert(**SMALL | changes)
