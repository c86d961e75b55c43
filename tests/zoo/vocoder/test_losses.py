import numpy as np
import pytest
import torch

from zoo.metrics.mel_distance import MelDistance
from zoo.metrics.unit_edit_distance import UnitEditDistance, edit_distance
from zoo.vocoder import Discriminators, MultiPeriodDiscriminator, MultiScaleDiscriminator
from zoo.vocoder.losses import adversarial_loss, discriminator_loss, feature_loss
from zoo.vocoder.mel import LogMel


@pytest.fixture
def discriminators() -> Discriminators:
    return Discriminators([MultiPeriodDiscriminator((2, 3), 4, 16), MultiScaleDiscriminator(2, 8)])


def test_every_discriminator_judges_any_length(discriminators):
    for length in (2561, 3000):
        judgments = discriminators(torch.randn(2, length))
        assert len(judgments) == 4 and all(j.score.shape[0] == 2 and len(j.features) > 1 for j in judgments)


def test_losses_are_least_squares(discriminators):
    real, made = discriminators(torch.randn(2, 2560)), discriminators(torch.randn(2, 2560))
    assert discriminator_loss(real, made).item() == pytest.approx(
        sum(((r.score - 1) ** 2).mean() + (m.score**2).mean() for r, m in zip(real, made, strict=True)).item()
    )
    assert adversarial_loss(made).item() == pytest.approx(sum(((m.score - 1) ** 2).mean() for m in made).item())
    assert feature_loss(real, real).item() == 0 and feature_loss(real, made).item() > 0


def test_features_teach_the_generator_only(discriminators):
    made = torch.randn(1, 2560, requires_grad=True)
    discriminators.requires_grad_(False)
    feature_loss(discriminators(torch.randn(1, 2560)), discriminators(made)).backward()
    assert made.grad.abs().sum() > 0 and all(p.grad is None for p in discriminators.parameters())


@pytest.mark.parametrize("channels", [12, 20])
def test_widths_that_cannot_be_grouped_are_refused(channels):
    with pytest.raises(ValueError, match="multiple of 16"):
        MultiScaleDiscriminator(1, channels)


def test_log_mel_has_a_frame_every_hop_and_a_floor():
    mel = LogMel()
    assert mel(torch.randn(2, 256 * 20)).shape == (2, 80, 20)
    assert mel(torch.zeros(1, 2560)).max().item() < -6


def test_a_louder_tone_is_higher_by_its_ratio_at_its_frequency():
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 16000).unsqueeze(0)
    quiet, loud = LogMel()(0.1 * tone), LogMel()(0.2 * tone)
    band = quiet[0, :, 15].argmax()
    assert (loud - quiet)[0, band, 15].item() == pytest.approx(np.log(2), abs=1e-3)
    weights = LogMel().bands[band]
    assert (weights > 0)[64]  # 1000 Hz is the 64th of 512 steps to 8000 Hz


def test_log_mel_gradient_is_finite_in_silence():
    waveform = torch.zeros(1, 2560, requires_grad=True)
    LogMel()(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()


def test_log_mel_of_too_little_is_refused():
    with pytest.raises(ValueError, match="too few"):
        LogMel()(torch.zeros(1, 384))


def test_mel_distance_is_the_loss_over_all_frames():
    distance, mel = MelDistance(), LogMel()
    pairs = [(torch.randn(1, 2560), torch.randn(1, 2560)), (torch.randn(2, 5120), torch.randn(2, 5120))]
    for made, real in pairs:
        distance.update(made, real)
    wanted = torch.cat([(mel(a) - mel(b)).abs().flatten() for a, b in pairs]).mean()
    assert distance.compute().item() == pytest.approx(wanted.item(), rel=1e-5)
    with pytest.raises(ValueError, match="shapes"):
        distance.update(torch.zeros(1, 2560), torch.zeros(1, 2561))


@pytest.mark.parametrize(
    "a, b, edits",
    [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("abcd", "abcd", 0), ("aab", "baa", 2)],
)
def test_edit_distance(a, b, edits):
    rows = [np.array([ord(c) for c in text], dtype=np.int64) for text in (a, b)]
    assert edit_distance(*rows) == edits == edit_distance(*reversed(rows))


def test_unit_edit_distance_is_per_reference_unit_after_merging():
    metric = UnitEditDistance()
    metric.update([1, 1, 2, 2, 3], torch.tensor([1, 2, 2, 4]))
    metric.update([5], [5, 6, 6])
    assert metric.compute().item() == pytest.approx(2 / 5)
    raw = UnitEditDistance(dedup=False)
    raw.update([1, 1], [1])
    assert raw.compute().item() == 1
