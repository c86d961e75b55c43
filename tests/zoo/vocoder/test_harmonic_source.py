import numpy as np
import pytest
import torch

from zoo.speech.f0 import F0Extractor, F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.vocoder import (
    ConvNeXtSizes,
    ISTFTGenerator,
)
from zoo.vocoder.harmonic_source import CENTER_HZ, F0Contour, HarmonicSource, PitchHead, f0_of_frames, sum_of_cosines
from zoo.vocoder.losses import pitch_losses

GENERATOR = ISTFTGenerator(
    {"Hu": 4}, 25.0, embedding_dim=4, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1), harmonics=100
).eval()


def sound(frequency, harmonics: int = 100, voiced=None) -> torch.Tensor:
    """The source itself, made to a waveform (N,), of F0 in Hz of each frame of 10 ms (F,)."""
    frequency = torch.as_tensor(frequency, dtype=torch.float32)[None]
    melody = F0Contour.of(frequency, torch.ones_like(frequency) if voiced is None else voiced[None], 100.0)
    return GENERATOR._overlap_add(HarmonicSource(harmonics, 640, 16000)(melody), torch.ones(*frequency.shape, 1))[0]


@pytest.mark.parametrize("count", [1, 7, 90])
def test_dirichlets_formula_is_the_sum(count):
    cycles = torch.cat([torch.linspace(-8, 8, 999), torch.tensor([0.0, 1e-7, 3 - 1e-6, 0.5])])
    wanted = sum(torch.cos(2 * torch.pi * k * cycles.double()) for k in range(1, count + 1))
    assert torch.allclose(sum_of_cosines(cycles, torch.tensor([float(count)])).double(), wanted, atol=2e-4 * count)


@pytest.mark.parametrize("frequency", [80.0, 141.3, 400.0])
def test_the_source_has_the_pitch_it_is_asked_for(frequency):
    track = Autocorrelation()(sound([frequency] * 60))
    assert track.voiced[10:-10].all()
    assert torch.allclose(track.frequency[10:-10], torch.tensor(frequency), rtol=2e-3)


def test_tones_are_equally_loud_up_to_half_the_sample_rate():
    loudness = torch.fft.rfft(sound([500.0] * 100)[:16000]).abs() / 16000
    tones = loudness[500:7501:500]
    assert (
        torch.allclose(tones, tones[0], rtol=0.05)
        and torch.fft.rfft(sound([500.0] * 100, harmonics=3)).abs()[2500] < 0.01 * tones[0] * 16000
    )


def test_a_tone_goes_on_from_frame_to_frame_without_a_seam():
    wave, middle = sound([203.7] * 100, harmonics=1)[400:-400], 80 / 16000
    seconds = (torch.arange(len(wave)) + 400) / 16000 - middle
    wanted = torch.cos(2 * torch.pi * 203.7 * seconds.double())
    assert torch.allclose(wave.double() / wave.abs().max(), wanted, atol=0.01)


def test_a_glide_is_followed():
    frames = 120 * 2 ** torch.linspace(0, 1, 100)
    track = Autocorrelation()(sound(frames))
    assert torch.allclose(track.frequency[21:-20:2], frames[10:-10], rtol=0.02) and track.voiced[10:-10].all()


def test_nothing_sounds_where_nothing_is_voiced():
    voiced = torch.ones(40)
    voiced[20:] = 0
    wave = sound([150.0] * 40, voiced=voiced)
    assert wave[:3000].abs().max() > 1e-3 and torch.equal(wave[22 * 160 :], torch.zeros(18 * 160))


def test_the_phase_of_an_hour_is_exact_and_a_part_is_what_it_is_among_all():
    frequency = torch.full((1, 360_000), 123.456)
    melody = F0Contour.of(frequency, torch.ones_like(frequency), 100.0)
    turned = float(np.float32(123.456)) * np.arange(360_000) / 100
    off = melody.phase[0].numpy() - turned
    assert np.abs(off - off.round()).max() < 1e-6
    source, part = HarmonicSource(40, 640, 16000), melody.part(500, 650)
    assert torch.equal(source(part), source(melody.part(0, 700))[:, 500:650])


def test_the_head_tells_each_row_as_if_it_were_alone_and_sees_as_far_as_it_says():
    head = PitchHead(6, 4, hidden=8).double()
    x, keep = torch.randn(2, 6, 20, dtype=torch.float64), torch.ones(2, 20, 1, dtype=torch.float64)
    keep[1, 12:] = 0
    octaves, logits = head(x, keep)
    assert octaves.shape == logits.shape == (2, 80)
    alone = head(x[1:, :, :12], keep[1:, :12])
    assert torch.allclose(octaves[1, :48], alone[0][0]) and torch.allclose(logits[1, :48], alone[1][0])
    other = x.clone()
    other[:, :, 10] += 1
    moved = (head(other, keep)[0] - octaves)[0].abs().view(20, 4).amax(1).nonzero()[:, 0]
    assert moved.min() == 10 - head.reach and moved.max() == 10 + head.reach


class Ruler(F0Extractor):
    """Says where each frame is: 100 Hz and as many more as there are milliseconds before it."""

    def forward(self, waveform: torch.Tensor) -> F0Track:
        frames = torch.arange(len(waveform) // 80 + 1)
        return F0Track(100 + 5.0 * frames, frames % 2 == 0)

    def config(self) -> dict:
        return {}


@pytest.mark.parametrize("hop, away", [(160, 0.0), (320, 0.0), (40, 2.5), (200, 2.5)])
def test_f0_is_taken_in_the_middle_of_each_frame(hop, away):
    frequency, voiced = f0_of_frames(torch.zeros(2, 3200), Ruler(), hop)
    assert frequency.shape == voiced.shape == (2, 3200 // hop)
    started = hop // 2 / 16  # the ruler begins in the middle of the first frame, ms
    middles = (torch.arange(3200 // hop) + 0.5) * hop / 16
    assert (frequency - 100 + started - middles).abs().max() <= away


def test_speech_without_a_voice_has_a_usable_f0():
    frequency, voiced = f0_of_frames(torch.zeros(1, 1600), Autocorrelation(), 160)
    assert not voiced.any() and (frequency == CENTER_HZ).all()


def test_losses_are_of_octaves_and_of_voicing():
    frequency, voiced = (
        torch.tensor([[CENTER_HZ, 2 * CENTER_HZ, 40.0, 80.0]]),
        torch.tensor([[True, True, False, False]]),
    )
    losses = pitch_losses(torch.zeros(1, 4), torch.tensor([[9.0, 9.0, -9.0, 9.0]]), frequency, voiced)
    assert losses["f0"].item() == pytest.approx(0.25) and losses["voicing"].item() == pytest.approx(9 / 4, abs=1e-2)


def test_a_generator_without_harmonics_is_what_it_was():
    assert not any(
        "pitch" in name or "filter" in name
        for name in ISTFTGenerator(
            {"Hu": 4}, 25.0, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1)
        ).state_dict()
    )
    assert GENERATOR.config["harmonics"] == 100
    again = ISTFTGenerator.from_config(GENERATOR.config)
    again.load_state_dict(GENERATOR.state_dict())
    units = {"Hu": torch.arange(12)[None] % 4}
    assert torch.equal(again.eval()(units), GENERATOR(units))


def test_what_is_told_is_what_is_spoken():
    generator = ISTFTGenerator.from_config(GENERATOR.config).eval()
    torch.nn.init.zeros_(generator.pitch.out.weight)
    generator.pitch.out.bias.data = torch.tensor([0.5] * 4 + [3.0] * 4)  # half an octave up, voiced
    torch.nn.init.constant_(generator.filter.bias, 2.0)
    track = Autocorrelation()(generator({"Hu": torch.arange(30)[None] % 4})[0].detach())
    told = CENTER_HZ * 2 ** (2.5 * np.tanh(0.2))
    assert track.voiced[10:-10].all() and torch.allclose(
        track.frequency[10:-10], torch.tensor(told, dtype=torch.float32), rtol=5e-3
    )
