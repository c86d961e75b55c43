import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech import f0_fcpe
from zoo.speech.f0 import interpolate_unvoiced
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.pitch_units import F0_EXTRACTORS

RATE = 16000
both_extractors = pytest.mark.parametrize("kind", [FCPE, Autocorrelation])


def voice(frequency: np.ndarray, amplitudes: tuple[float, ...] = (1.0, 0.7, 0.5, 0.4, 0.3)) -> torch.Tensor:
    """Harmonics of a frequency given at each sample (N,), silent where it is 0."""
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    wave = sum(amplitude * np.sin(number * phase) for number, amplitude in enumerate(amplitudes, 1))
    return torch.from_numpy(0.2 * wave * (frequency > 0)).float()


def noise(samples: int, amplitude: float) -> torch.Tensor:
    return amplitude * torch.randn(samples, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def extractors():
    return {kind: kind() for kind in F0_EXTRACTORS.values()}


@pytest.mark.parametrize("frequency", [70, 100, 143.7, 220, 400, 590])
def test_steady_voice_is_tracked_within_half_a_percent(frequency):
    track = Autocorrelation()(voice(np.full(RATE, float(frequency))))
    assert track.voiced[6:-6].all()
    assert (track.frequency[6:-6] / frequency - 1).abs().max() < 0.005


def test_pure_tone_missing_fundamental_and_loud_second_harmonic_cause_no_octave_error():
    for amplitudes in ((1.0,), (0.0, 1.0, 0.8, 0.6, 0.5), (0.2, 1.0, 0.1, 0.5)):
        track = Autocorrelation()(voice(np.full(RATE, 130.0), amplitudes))
        assert (track.frequency[10:-10] / 130 - 1).abs().max() < 0.01, amplitudes


@both_extractors
def test_glide_over_an_octave_is_tracked(kind, extractors):
    frequency = 110 * 2 ** np.linspace(0, 1, 2 * RATE)
    track = extractors[kind](voice(frequency))
    reference = torch.from_numpy(frequency[::80]).float()
    assert track.voiced.float().mean() > 0.97
    assert (torch.log2(track.frequency[:400] / reference).abs()[10:-10]).max() < 0.03


@both_extractors
def test_pauses_are_unvoiced_and_interpolated(kind, extractors):
    frequency = np.concatenate(
        [np.zeros(6400), np.full(12800, 120.0), np.zeros(6400), np.full(12800, 180.0), np.zeros(6400)]
    )
    track = extractors[kind](voice(frequency) + noise(len(frequency), 1e-4))
    for start, end in ((90, 230), (330, 470)):
        assert track.voiced[start:end].all()
    for start, end in ((0, 70), (255, 305), (495, 561)):
        assert not track.voiced[start:end].any(), (start, end)
    assert torch.allclose(track.frequency[:70], track.frequency[0]) and abs(track.frequency[0] - 120) < 8
    bridge = track.frequency[255:305]
    assert (bridge.diff() >= 0).all() and abs(bridge[25] - 150) < 8


def test_noise_is_unvoiced_and_voice_in_noise_is_tracked():
    extractor = Autocorrelation()
    assert extractor(noise(RATE, 0.1)).voiced.float().mean() < 0.02
    noisy = voice(np.full(RATE, 150.0)) + noise(RATE, 0.05)  # about 10 dB
    track = extractor(noisy)
    assert track.voiced.float().mean() > 0.95 and (track.frequency[10:-10] / 150 - 1).abs().max() < 0.03


def test_loudness_does_not_change_the_track():
    wave = voice(np.concatenate([np.zeros(4000), np.full(RATE, 200.0)]))
    loud, soft = Autocorrelation()(wave), Autocorrelation()(wave / 64)
    assert torch.equal(loud.voiced, soft.voiced) and torch.allclose(loud.frequency, soft.frequency, rtol=1e-4)


@both_extractors
@pytest.mark.parametrize("samples", [0, 1, 79, 80, 1280, 16000])
def test_silence_of_any_length_has_an_unvoiced_track(kind, samples, extractors):
    track = extractors[kind](torch.zeros(samples))
    assert len(track.frequency) == len(track.voiced) == samples // 80 + 1
    assert not track.voiced.any() and not track.frequency.any()


@both_extractors
@pytest.mark.parametrize("samples", [1280, 4001, 8079])
def test_a_track_has_a_frame_for_each_80_samples_and_one_more(kind, samples, extractors):
    track = extractors[kind](voice(np.full(samples, 150.0)))
    assert len(track.frequency) == len(track.voiced) == samples // 80 + 1
    assert track.frequency.isfinite().all()


def test_long_audio_is_processed_in_chunks_without_seams():
    wave = voice(130 + 50 * np.sin(np.linspace(0, 40, 11 * RATE)))  # more than one piece of 2000 frames
    track = Autocorrelation()(wave)
    reference = torch.from_numpy(130 + 50 * np.sin(np.linspace(0, 40, 11 * RATE))[::80]).float()
    assert (torch.log2(track.frequency[5:2195] / reference[5:2195]).abs()).max() < 0.03


@both_extractors
def test_batch_equals_single_waveforms(kind, extractors):
    seconds = torch.arange(8000) / 16000
    waveforms = torch.stack(
        [
            torch.sin(2 * torch.pi * 150 * seconds),
            torch.zeros(8000),
            0.1 * torch.sin(2 * torch.pi * 310 * seconds) * (seconds > 0.2),
        ]
    )
    for track, waveform in zip(extractors[kind].batch(waveforms), waveforms, strict=True):
        alone = extractors[kind](waveform)
        assert torch.equal(track.voiced, alone.voiced) and torch.allclose(track.frequency, alone.frequency, rtol=1e-4)
    for track, waveform in zip(extractors[kind].batch(waveforms, frame_step=2), waveforms, strict=True):
        alone = extractors[kind](waveform)
        assert track.voiced.shape == (51,) and (track.voiced == alone.voiced[::2]).float().mean() > 0.9
        both = track.voiced & alone.voiced[::2]
        assert torch.allclose(track.frequency[both], alone.frequency[::2][both], rtol=1e-2)


def test_extractors_agree_on_a_voice_with_pauses(extractors):
    parts = [np.full(9600, f) if f else np.zeros(4800) for f in (110.0, 0, 140, 0, 210, 180, 0, 95)]
    wave = voice(np.concatenate(parts)) + noise(sum(map(len, parts)), 3e-4)
    by_autocorrelation, by_fcpe = (extractors[kind](wave) for kind in (Autocorrelation, FCPE))
    frame_error, log_error = F0FrameError(), LogF0Error()
    frame_error.update(by_autocorrelation.frequency, by_autocorrelation.voiced, by_fcpe.frequency, by_fcpe.voiced)
    log_error.update(by_autocorrelation.frequency, by_autocorrelation.voiced, by_fcpe.frequency, by_fcpe.voiced)
    assert frame_error.compute() < 0.08 and log_error.compute() < 0.03


def test_interpolate_unvoiced_equals_numpy():
    generator = torch.Generator().manual_seed(1)
    frequency = 100 + 100 * torch.rand(200, generator=generator)
    for share in (0.02, 0.3, 0.9):
        voiced = torch.rand(200, generator=generator) < share
        voiced[17] = True
        known = voiced.numpy()
        reference = np.interp(np.arange(200), np.flatnonzero(known), frequency.numpy()[known])
        assert np.allclose(interpolate_unvoiced(frequency * voiced, voiced).numpy(), reference, atol=1e-3)


def test_fcpe_equals_torchfcpe_called_as_in_spirit_lm(extractors):
    wave = voice(
        np.concatenate([np.zeros(3000), np.full(8000, 130.0), np.zeros(5000), np.linspace(90, 400, 9000)])
    ) + noise(25000, 1e-3)
    reference, unvoiced = (
        extractors[FCPE]
        .network(wave.device)
        .infer(
            wave[None, :, None],
            16000,
            "local_argmax",
            0.05,
            50,
            1100,
            interp_uv=True,
            output_interp_target_length=25000 // 80 + 1,
            retur_uv=True,
        )
    )
    track = extractors[FCPE](wave)
    assert torch.allclose(track.frequency, reference[0, :, 0], atol=1e-3) and torch.equal(
        track.voiced, unvoiced[0, :, 0] == 0
    )
    assert 0.2 < track.voiced.float().mean() < 0.9


def test_extractors_are_rebuilt_from_their_config():
    for extractor in (FCPE(0.1, 60, 900), Autocorrelation(80, 400, num_candidates=4)):
        rebuilt = F0_EXTRACTORS[type(extractor).__name__](**extractor.config())
        assert rebuilt.config() == extractor.config()
    with pytest.raises(ValueError, match="f0_min and f0_max must rise"):
        Autocorrelation(300, 200)


def test_torchfcpe_is_imported_only_where_it_is_used():
    top = [
        node
        for node in ast.parse(Path(f0_fcpe.__file__).read_text()).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert not any("torchfcpe" in ast.unparse(node) for node in top)
