import math
from itertools import pairwise

import pytest
import torch

from zoo import audio
from zoo.speech.augmentation import (
    AudioFiles,
    Augmentation,
    Chain,
    ColoredNoise,
    Noise,
    OneOf,
    PitchShift,
    Reverberation,
    SyntheticRooms,
    TimeStretch,
    Unchanged,
)
from zoo.speech.time_stretch import time_stretch

AUGMENTATIONS = {
    "unchanged": Unchanged(),
    "time_stretch": TimeStretch(),
    "pitch_shift": PitchShift(),
    "noise": Noise(ColoredNoise()),
    "reverberation": Reverberation(SyntheticRooms()),
}
all_kinds = pytest.mark.parametrize("kind", AUGMENTATIONS)


def seeded_generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tone(frequency, seconds=1.0):
    return 0.3 * torch.sin(2 * math.pi * frequency * torch.arange(round(16000 * seconds)) / 16000)


def main_frequency(waveform):
    middle = waveform[len(waveform) // 4 : -len(waveform) // 4]
    return torch.fft.rfft(middle * torch.hann_window(len(middle))).abs().argmax().item() * 16000 / len(middle)


@all_kinds
def test_randomness_comes_from_the_generator_and_the_input_is_not_modified(kind):
    waveform = 0.1 * torch.randn(8000, generator=seeded_generator(9))
    before = waveform.clone()
    torch.manual_seed(1)
    first = AUGMENTATIONS[kind](waveform, seeded_generator(3))
    torch.manual_seed(2)
    repeated, other = (
        AUGMENTATIONS[kind](waveform, seeded_generator(3)),
        AUGMENTATIONS[kind](waveform, seeded_generator(4)),
    )
    assert (
        torch.equal(first, repeated)
        and torch.equal(waveform, before)
        and first.isfinite().all()
        and first.dtype == torch.float32
    )
    assert kind == "unchanged" or first.shape != other.shape or not torch.equal(first, other)


@all_kinds
@pytest.mark.parametrize("samples", [1, 100, 700])
def test_very_short_waveforms_and_silence_are_supported(kind, samples):
    for waveform in (0.1 * torch.randn(samples, generator=seeded_generator()), torch.zeros(samples)):
        changed = AUGMENTATIONS[kind](waveform, seeded_generator())
        assert changed.isfinite().all() and abs(len(changed) - samples) <= (
            0.25 * samples + 1 if kind == "time_stretch" else 0
        )


@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25])
def test_time_stretch_changes_length_but_not_pitch(rate):
    result = time_stretch(tone(440), rate)
    assert len(result) == round(16000 / rate) and main_frequency(result) == pytest.approx(440, abs=4)


@pytest.mark.parametrize("semitones", [-4.0, 3.0])
def test_pitch_shift_changes_pitch_but_not_length(semitones, monkeypatch):
    monkeypatch.setattr("zoo.speech.augmentation._uniform", lambda low, high, generator: semitones)
    result = PitchShift()(tone(440), seeded_generator())
    assert len(result) == 16000 and main_frequency(result) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


def test_rates_cover_their_range():
    lengths = [len(TimeStretch(0.5, 2.0)(tone(440, 0.2), seeded_generator(seed))) / 3200 for seed in range(60)]
    assert min(lengths) < 0.6 and max(lengths) > 1.6 and all(0.5 <= length <= 2.0 for length in lengths)


@pytest.mark.parametrize("snr", [0.0, 10.0])
def test_noise_has_the_requested_snr_and_slope(snr):
    speech, generator = tone(440, 2.0), seeded_generator()
    noise = Noise(ColoredNoise(2.0, 2.0), snr, snr)(speech, generator) - speech
    assert 10 * torch.log10(speech.square().sum() / noise.square().sum()).item() == pytest.approx(snr, abs=0.1)
    power = torch.fft.rfft(noise).abs().square()
    octave = [power[int(low * 2) : int(low * 4)].mean() for low in (400, 800, 1600)]  # half a hertz a bin
    assert [10 * math.log10(low / high) for low, high in pairwise(octave)] == pytest.approx([6.0, 6.0], abs=1.5)


def test_synthetic_room_has_the_requested_decay_and_direct_ratio():
    response = SyntheticRooms(0.5, 0.5, 3.0, 3.0).sample(16000, seeded_generator())

    def level(start):
        section = response[int(start * 16000) : int((start + 0.05) * 16000)]
        return 10 * torch.log10(section.square().mean()).item()

    assert response[0] == 1.0 and level(0.05) - level(0.3) == pytest.approx(60 / 0.5 * 0.25, abs=3)
    assert -10 * torch.log10(response[1:].square().sum()).item() == pytest.approx(3.0, abs=0.7)


def test_reverberation_is_a_convolution_that_keeps_the_energy():
    class Echo(SyntheticRooms):
        def sample(self, num_samples, generator):
            return torch.tensor([0.0, 0.0, 1.0, 0.0, 0.5])  # two samples through the air first

    speech = 0.1 * torch.randn(4000, generator=seeded_generator())
    result = Reverberation(Echo())(speech, seeded_generator())
    expected = speech + 0.5 * torch.cat([torch.zeros(2), speech[:-2]])
    torch.testing.assert_close(result, expected * speech.norm() / expected.norm(), rtol=1e-4, atol=1e-5)


def test_one_of_is_uniform_and_chain_applies_all():
    class Add(Augmentation):
        def __init__(self, amount):
            self.amount = amount

        def __call__(self, waveform, generator):
            return waveform + self.amount

    generator, silence = seeded_generator(), torch.zeros(1)
    actual = [OneOf([Add(1.0), Add(2.0), Unchanged()])(silence, generator).item() for _ in range(300)]
    assert all(70 < actual.count(value) < 130 for value in (0.0, 1.0, 2.0))
    assert Chain([Add(1.0), Add(5.0)])(silence, generator).item() == 6.0 and Chain([])(silence, generator).item() == 0.0
    with pytest.raises(ValueError, match="augmentations is empty"):
        OneOf([])


def test_audio_files_are_drawn_from_all_files_and_repeated_or_cropped(tmp_path):
    for number, seconds in enumerate((0.1, 2.0)):
        audio.write(tmp_path / "inside" / f"{number}.wav", tone(500 * (number + 1), seconds), 16000)
    files, generator = AudioFiles(tmp_path), seeded_generator()
    assert {len(files.sample(16000, generator)) for _ in range(20)} == {1600, 16000}
    assert {len(AudioFiles(tmp_path, from_start=True).sample(16000, generator)) for _ in range(20)} == {1600, 32000}
    speech = 0.1 * torch.randn(9000, generator=seeded_generator(1))
    assert all(len(Noise(files)(speech, generator)) == 9000 for _ in range(10))
    with pytest.raises(FileNotFoundError, match="none: no audio file"):
        AudioFiles(tmp_path / "none")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TimeStretch(1.2, 0.8), "min_rate 1.2 and max_rate 0.8: want min_rate <= max_rate above 0"),
        (lambda: TimeStretch(0.0), "above 0"),
        (lambda: Noise(ColoredNoise(), 15, 5), "min_snr_db 15 and max_snr_db 5: want min_snr_db <= max_snr_db$"),
        (lambda: SyntheticRooms(0.8, 0.2), "min_decay_seconds 0.8 and max_decay_seconds 0.2"),
    ],
)
def test_invalid_ranges_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
