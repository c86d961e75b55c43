import pytest
import torch

from tests.zoo.speech.encoders.test_whisper import noises, save_checkpoint
from zoo.speech.encoders import FilterbankEncoder, PooledEncoder, WhisperEncoder
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.vtln import VTLNFilterbankEncoder


@pytest.mark.parametrize("factor, rate", [(1, 50), (2, 25), (4, 12.5)])
def test_frames_are_means_at_the_lower_rate(factor, rate):
    inner = FilterbankEncoder(50)
    encoder = PooledEncoder(inner, factor)
    (waveform,) = noises([16000])
    features, frames = encoder(waveform), inner(waveform)
    assert (encoder.frame_rate, encoder.dim, encoder.min_samples) == (rate, inner.dim, inner.min_samples)
    assert len(features) == -(-50 // factor)
    torch.testing.assert_close(features[3], frames[3 * factor : 4 * factor].mean(0))
    torch.testing.assert_close(features[-1], frames[(len(features) - 1) * factor :].mean(0))
    centers = inner.first_frame_seconds + torch.arange(factor) / 50
    assert encoder.first_frame_seconds == pytest.approx(centers.mean().item())


def test_batch_equals_single_utterances_bit_by_bit(tmp_path):
    save_checkpoint(tmp_path)
    encoder = PooledEncoder(WhisperEncoder(str(tmp_path), 2), 2)
    waveforms = noises([400, 4000, 7777, 90000, 20001])
    with torch.inference_mode():
        together = encoder.batch(waveforms)
        assert all(torch.equal(encoder(waveform), row) for waveform, row in zip(waveforms, together, strict=True))


@pytest.mark.parametrize("kind", ["whisper", "filterbank", "vtln", "twice"])
def test_units_are_saved_and_loaded_with_both_encoders(tmp_path, kind):
    save_checkpoint(tmp_path / "whisper")
    inner = {
        "whisper": lambda: WhisperEncoder(str(tmp_path / "whisper"), 2),
        "filterbank": lambda: FilterbankEncoder(50),
        "vtln": lambda: VTLNFilterbankEncoder(num_references=4),
        "twice": lambda: PooledEncoder(FilterbankEncoder(100), 2),
    }[kind]()
    encoder = PooledEncoder(inner, 2)
    waveforms = noises([16000, 40000, 30000])
    encoder.adapt(waveforms)
    quantizer = KMeans(8, encoder.dim)
    with torch.inference_mode():
        quantizer.centroids.copy_(torch.cat(encoder.batch(waveforms))[::4][:8])
    units = PhoneticUnits(encoder, quantizer)
    units.save(tmp_path / "units")
    again = PhoneticUnits.load(tmp_path / "units")
    assert again.checksum() == units.checksum() and again.stream == units.stream
    assert [again.encode(w).tolist() for w in waveforms] == [units.encode(w).tolist() for w in waveforms]
    assert units.checksum() != PhoneticUnits(PooledEncoder(inner, 1), quantizer).checksum()


def test_bfloat16_reaches_the_encoder(tmp_path):
    save_checkpoint(tmp_path)
    encoder = PooledEncoder(WhisperEncoder(str(tmp_path), 2), 2)
    encoder.use_bfloat16()
    assert encoder.encoder.is_bfloat16


def test_factor_below_one_is_an_error():
    with pytest.raises(ValueError, match="factor must be 1 or more, got 0"):
        PooledEncoder(FilterbankEncoder(), 0)
