import os
from pathlib import Path

import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder as WhisperNetwork

from zoo.speech.encoders import HubertEncoder, WhisperEncoder, whisper
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer

PRETRAINED = os.environ.get("PRETRAINED")
needs_weights = pytest.mark.skipif(PRETRAINED is None, reason="PRETRAINED does not name a folder of checkpoints")


def save_checkpoint(folder, kind=WhisperModel, feature_extractor=True, **sizes):
    torch.manual_seed(0)
    config = WhisperConfig(
        **{
            "d_model": 32,
            "encoder_layers": 3,
            "decoder_layers": 1,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "vocab_size": 100,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
            "max_source_positions": 200,
            **sizes,
        }
    )
    network = kind(config).eval()
    for name, weight in network.named_parameters():
        if "layer_norm" in name:  # so that a norm too many, or too few, is seen
            torch.nn.init.normal_(weight, 1.0, 0.5)
        elif weight.dim() > 1:
            weight.data.mul_(3)
    network.save_pretrained(folder)
    if feature_extractor:
        WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(folder)
    return network


def noises(lengths):
    """Noises of so many samples, with 0.1 s of near-silence so that the clipping of small values matters."""
    generator = torch.Generator().manual_seed(1)
    waveforms = []
    for length in lengths:
        waveform = 0.3 * torch.randn(length, generator=generator)
        waveform[:1600] *= 1e-5
        waveforms.append(waveform)
    return waveforms


def hidden_states_of_transformers(complete, waveform, num_mels=80):
    """Hidden states of every layer by transformers' own feature extractor and encoder, whose positions are cut."""
    extractor = WhisperFeatureExtractor(feature_size=num_mels)
    features = extractor(waveform.numpy(), sampling_rate=16000, padding=False, return_tensors="pt").input_features
    num_frames = features.shape[-1] // 2
    config = WhisperConfig(**complete.config.to_dict())
    config.max_source_positions = num_frames
    network = WhisperNetwork(config).eval()
    state = complete.get_encoder().state_dict()
    state["embed_positions.weight"] = state["embed_positions.weight"][:num_frames]
    network.load_state_dict(state)
    outputs = []
    for layer in network.layers:
        layer.register_forward_hook(lambda module, arguments, output: outputs.append(output[0]))
    last = network(features).last_hidden_state[0]
    return [*outputs, last]


@pytest.mark.parametrize("kind", [WhisperModel, WhisperForConditionalGeneration])
@pytest.mark.parametrize("num_mels", [80, 128])
def test_features_equal_those_of_transformers_at_every_layer(tmp_path, kind, num_mels):
    complete = save_checkpoint(tmp_path, kind, num_mel_bins=num_mels)
    for waveform in noises([400, 16000, 31840 - 1]):
        with torch.inference_mode():
            *expected, last = hidden_states_of_transformers(complete, waveform, num_mels)
            for layer, hidden in enumerate(expected, 1):
                encoder = WhisperEncoder(str(tmp_path), layer)
                torch.testing.assert_close(encoder(waveform), hidden, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(WhisperEncoder(str(tmp_path), None)(waveform), last, rtol=1e-4, atol=1e-4)


def test_spectrogram_equals_that_of_the_feature_extractor(tmp_path):
    save_checkpoint(tmp_path)
    encoder, extractor = WhisperEncoder(str(tmp_path), 1), WhisperFeatureExtractor()
    for waveform in noises([400, 16000, 16079, 40000]):
        spectrogram = encoder.log_mel(waveform)
        alone = extractor(waveform.numpy(), sampling_rate=16000, padding=False).input_features[0]
        torch.testing.assert_close(spectrogram, torch.as_tensor(alone), rtol=1e-5, atol=1e-5)
        padded = torch.as_tensor(extractor(waveform.numpy(), sampling_rate=16000).input_features[0])
        num_inside = spectrogram.shape[1] - 2
        torch.testing.assert_close(spectrogram[:, :num_inside], padded[:, :num_inside], rtol=1e-5, atol=1e-5)
    assert encoder.log_mel(torch.zeros(4000)).isfinite().all()


def test_rates_and_sizes_are_those_of_the_checkpoint(tmp_path):
    save_checkpoint(tmp_path)
    encoder = WhisperEncoder(str(tmp_path), 2)
    assert (encoder.sample_rate, encoder.frame_rate, encoder.dim, encoder.min_samples) == (16000, 50, 32, 400)
    assert encoder.first_frame_seconds == 0 and len(encoder.network.layers) == 2
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    for samples, frames in ((400, 1), (479, 1), (480, 2), (16000, 50), (16160, 51)):
        assert encoder(noises([samples])[0]).shape == (frames, 32)
    with pytest.raises(ValueError, match="399 samples are too few for a frame: want 400 or more"):
        encoder(torch.zeros(399))


def test_batch_equals_single_utterances_bit_by_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(whisper, "CPU_PACK_FRAMES", 500)
    save_checkpoint(tmp_path)
    lengths = torch.randint(400, 140000, (9,), generator=torch.Generator().manual_seed(2)).tolist()
    waveforms = noises([400, 401, 800, *lengths])
    for uses_bfloat16 in (False, True):
        encoder = WhisperEncoder(str(tmp_path), 2)
        if uses_bfloat16:
            encoder.use_bfloat16()
        with torch.inference_mode():
            separate = [encoder(waveform) for waveform in waveforms]
            for size in (12, 5):
                together = [row for i in range(0, 12, size) for row in encoder.batch(waveforms[i : i + size])]
                assert all(torch.equal(a, b) for a, b in zip(separate, together, strict=True))


def test_bfloat16_is_close_to_float32(tmp_path):
    save_checkpoint(tmp_path)
    in_float32, in_bfloat16 = WhisperEncoder(str(tmp_path), 3), WhisperEncoder(str(tmp_path), 3)
    in_bfloat16.use_bfloat16()
    waveforms = noises([1600, 20000])
    with torch.inference_mode():
        exact, rounded = torch.cat(in_float32.batch(waveforms)), torch.cat(in_bfloat16.batch(waveforms))
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).square().mean().sqrt() < 0.03 * exact.std()


def test_long_speech_is_encoded_in_overlapping_windows(tmp_path):
    save_checkpoint(tmp_path)
    encoder = WhisperEncoder(str(tmp_path), 2, overlap_seconds=0.2)
    (waveform,) = noises([16000 * 10 + 77])
    windows = encoder.windows(len(waveform))
    assert len(windows) == 3 and max(window.stop - window.start for window in windows) <= 200
    with torch.inference_mode():
        features = encoder(waveform)
        assert features.shape == (500, 32)
        for window in windows:
            alone = encoder(waveform[window.start * 320 : window.stop * 320 if window is not windows[-1] else None])
            assert torch.equal(features[window.first_kept : window.last_kept + 1], alone[window.kept])
        assert encoder(noises([64000])[0]).shape == (200, 32) and len(encoder.windows(64160)) == 2


@pytest.mark.parametrize("overlap_seconds", [-0.1, 2.1])
def test_overlap_out_of_range_is_an_error(tmp_path, overlap_seconds):
    save_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="overlap_seconds must be from 0 to 2, got"):
        WhisperEncoder(str(tmp_path), 2, overlap_seconds)


@pytest.mark.parametrize("layer", [None, 2])
def test_units_are_saved_and_loaded_with_the_encoder(tmp_path, layer):
    save_checkpoint(tmp_path / "whole", num_mel_bins=128)
    encoder = WhisperEncoder(str(tmp_path / "whole"), layer, overlap_seconds=0.5)
    waveforms = noises([6000, 90000])
    quantizer = KMeans(20, 32)
    with torch.inference_mode():
        quantizer.centroids.copy_(torch.cat(encoder.batch(waveforms))[::9][:20])
    tokenizer = Base(PhoneticUnits(encoder, quantizer))
    tokenizer.save(tmp_path / "tokenizer")
    reloaded = load_tokenizer(tmp_path / "tokenizer")
    assert reloaded.contract == tokenizer.contract
    assert reloaded.contract["tokenizer"]["streams"][0]["rate"] == 50
    units = [tokenizer.encode(waveform)["Hu"].tolist() for waveform in waveforms]
    assert [reloaded.encode(waveform)["Hu"].tolist() for waveform in waveforms] == units
    assert len(set(sum(units, []))) > 5
    names = {path.name for path in (tmp_path / "tokenizer" / "Hu" / "encoder").iterdir()}
    assert names == {"config.json", "model.safetensors", "preprocessor_config.json"}
    weights = (tmp_path / "tokenizer" / "Hu" / "encoder" / "model.safetensors").stat().st_size
    assert weights < (tmp_path / "whole" / "model.safetensors").stat().st_size  # the decoder is left out


def test_network_and_folder_give_equal_features(tmp_path):
    network, (waveform,) = save_checkpoint(tmp_path), noises([8000])
    with torch.inference_mode():
        of_folder, of_network = WhisperEncoder(str(tmp_path), 2)(waveform), WhisperEncoder(network, 2)(waveform)
    assert torch.equal(of_folder, of_network)


def test_half_precision_checkpoints_are_read_as_float32(tmp_path):
    save_checkpoint(tmp_path).half().save_pretrained(tmp_path)
    assert WhisperEncoder(str(tmp_path), 2)(noises([4000])[0]).dtype == torch.float32


def test_checkpoints_that_do_not_fit_are_errors(tmp_path):
    save_checkpoint(tmp_path)
    with pytest.raises(ValueError, match="layer is 4, but .* has layers 1 to 3"):
        WhisperEncoder(str(tmp_path), 4)
    with pytest.raises(FileNotFoundError, match="no speech encoder at 'nowhere': name a folder with config.json"):
        WhisperEncoder("nowhere", 1)
    WhisperFeatureExtractor(feature_size=128).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match="a WhisperFeatureExtractor of 128 values a frame, but the network takes .* 80"
    ):
        WhisperEncoder(str(tmp_path), 1)


def test_missing_weights_are_an_error(tmp_path):
    network = save_checkpoint(tmp_path)
    state = network.state_dict()
    del state["encoder.layers.1.fc1.weight"]
    network.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match="weight encoder.layers.1.fc1.weight of WhisperModel is missing"):
        WhisperEncoder(str(tmp_path), 2)


def test_another_kind_of_checkpoint_is_refused(tmp_path):
    from tests.zoo.speech.encoders.test_hubert import save_checkpoint as save_hubert

    save_hubert(tmp_path, "hubert", False, "group")
    with pytest.raises(ValueError, match="is a checkpoint of model_type 'hubert'; supported here: whisper"):
        WhisperEncoder(str(tmp_path), 1)
    HubertEncoder(str(tmp_path), 1)


@needs_weights
def test_pretrained_whisper_equals_transformers_on_a_whole_window():
    folder = Path(str(PRETRAINED)) / "whisper-tiny"
    (waveform,) = noises([480000])
    complete = WhisperModel.from_pretrained(folder).get_encoder()
    outputs = []
    for layer in complete.layers:
        layer.register_forward_hook(lambda module, arguments, output: outputs.append(output[0]))
    features = WhisperFeatureExtractor()(waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    with torch.inference_mode():
        complete(features)
        for layer in (1, 3):
            encoder = WhisperEncoder(str(folder), layer)
            torch.testing.assert_close(encoder(waveform), outputs[layer - 1], rtol=1e-3, atol=2e-3)
