import pytest
import torch
from transformers import AutoModel, HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

from zoo.speech.encoders import FilterbankEncoder, HubertEncoder

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
KINDS = {
    "hubert": (HubertConfig, HubertModel),
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "wavlm": (WavLMConfig, WavLMModel),
}


def noise(samples, seed=0):
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def save_checkpoint(folder, kind, stable, norm):
    config, model = KINDS[kind]
    torch.manual_seed(0)
    network = model(config(do_stable_layer_norm=stable, feat_extract_norm=norm, **SMALL)).eval()
    for name, weight in network.named_parameters():
        if "layer_norm" in name:  # so that a norm too many, or too few, is seen
            torch.nn.init.normal_(weight, 1.0, 0.5)
    network.save_pretrained(folder)
    return network


@pytest.mark.parametrize("stable, norm", [(False, "group"), (True, "layer")], ids=["post_norm", "stable_pre_norm"])
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_the_hidden_states_of_the_layer(tmp_path, kind, stable, norm):
    complete, waveform = save_checkpoint(tmp_path / "whole", kind, stable, norm), noise(2000)
    for layer in (1, 2):
        encoder = HubertEncoder(str(tmp_path / "whole"), layer, normalize=False)
        with torch.inference_mode():
            expected = complete(waveform[None], output_hidden_states=True).hidden_states[layer][0]
            torch.testing.assert_close(encoder(waveform), expected, rtol=1e-5, atol=1e-5)
            encoder.save_weights(tmp_path / str(layer))
            reloaded = HubertEncoder(str(tmp_path / str(layer)), **encoder.config())
            assert torch.equal(reloaded(waveform), encoder(waveform))
    assert not any(p.requires_grad for p in encoder.parameters()) and encoder.dim == 16


@pytest.mark.parametrize("stable, norm", [(False, "group"), (True, "layer")], ids=["post_norm", "stable_pre_norm"])
def test_network_and_folder_give_equal_features_and_no_layer_keeps_all(tmp_path, stable, norm):
    network, waveform = save_checkpoint(tmp_path / "whole", "hubert", stable, norm), noise(2000)
    with torch.inference_mode():
        expected = network(waveform[None]).last_hidden_state[0]
        complete = HubertEncoder(str(tmp_path / "whole"), None, normalize=False)
        torch.testing.assert_close(complete(waveform), expected, rtol=1e-5, atol=1e-5)
        complete.save_weights(tmp_path / "again")
        assert torch.equal(HubertEncoder(str(tmp_path / "again"), **complete.config())(waveform), complete(waveform))
        of_folder, of_network = HubertEncoder(str(tmp_path / "whole"), 2), HubertEncoder(network, 2)
        assert torch.equal(
            of_network(waveform), of_folder(waveform)
        ) and of_network.normalize == of_folder.normalize == (norm == "layer")
        of_network.save_weights(tmp_path / "cut")
        assert torch.equal(HubertEncoder(str(tmp_path / "cut"), **of_network.config())(waveform), of_folder(waveform))
        with pytest.raises(ValueError, match="layer is 3, but .* has layers 1 to 2"):
            HubertEncoder(network, 3)


@pytest.mark.parametrize("norm, normalizes", [("group", False), ("layer", True)])
def test_normalization_follows_the_checkpoint(tmp_path, norm, normalizes):
    save_checkpoint(tmp_path, "hubert", False, norm)
    encoder, waveform = HubertEncoder(str(tmp_path), 2), noise(2000)
    assert encoder.normalize is normalizes
    if normalizes:
        raw = HubertEncoder(str(tmp_path), 2, normalize=False)
        with torch.inference_mode():
            torch.testing.assert_close(encoder(3 * waveform + 0.5), encoder(waveform), rtol=1e-3, atol=1e-3)
            assert not torch.allclose(raw(3 * waveform + 0.5), raw(waveform), atol=1e-2)


def test_min_samples_give_one_frame_and_fewer_are_an_error(tmp_path):
    save_checkpoint(tmp_path, "hubert", False, "group")
    encoder = HubertEncoder(str(tmp_path), 1)
    assert encoder.min_samples == 10 + 5 * (3 - 1) + 10 * (2 - 1) and encoder.frame_rate == 16000 / 20
    with torch.inference_mode():
        assert len(encoder(noise(encoder.min_samples))) == 1
        assert len(encoder(noise(encoder.min_samples + 19))) == 1
        assert len(encoder(noise(encoder.min_samples + 20))) == 2
        with pytest.raises(
            ValueError, match=f"{encoder.min_samples - 1} samples are too few for a frame: want {encoder.min_samples}"
        ):
            encoder(noise(encoder.min_samples - 1))


@pytest.mark.parametrize("layer", [0, 4])
def test_missing_layer_is_an_error(tmp_path, layer):
    save_checkpoint(tmp_path, "hubert", False, "group")
    with pytest.raises(ValueError, match=f"layer is {layer}, but .* has layers 1 to 3"):
        HubertEncoder(str(tmp_path), layer)


def test_spec_augment_of_the_checkpoint_is_disabled(tmp_path):
    save_checkpoint(tmp_path, "wav2vec2", False, "group")
    assert AutoModel.from_pretrained(tmp_path).config.apply_spec_augment
    encoder = HubertEncoder(str(tmp_path), 2)
    with torch.inference_mode():
        assert torch.equal(encoder(noise(3000)), encoder(noise(3000)))


@pytest.mark.parametrize("frame_rate", [25, 50, 100])
def test_filterbank_frame_rate(frame_rate):
    encoder = FilterbankEncoder(frame_rate)
    for samples in (encoder.min_samples, 16000, 16639, 16640, 80000):
        features = encoder(0.1 * noise(samples))
        assert features.shape == (samples * frame_rate // 16000, encoder.dim) and features.isfinite().all()
    assert encoder.frame_rate == frame_rate


def test_filterbank_features_are_invariant_to_gain():
    encoder, waveform = FilterbankEncoder(), 0.1 * noise(16000)
    torch.testing.assert_close(encoder(3 * waveform), encoder(waveform), rtol=1e-3, atol=1e-3)


def test_filterbank_features_are_local_up_to_normalization():
    """Changing the last half second leaves the frames before it as they are, but for their common mean and scale."""
    encoder, a = FilterbankEncoder(), 0.1 * noise(32000)
    b = torch.cat([a[:24000], 0.1 * noise(8000, seed=1)])
    x, y = (features[:34] for features in (encoder(a), encoder(b)))
    x, y = ((f - f.mean(0)) / f.std(0) for f in (x, y))
    torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-3)


def test_silence_has_finite_features():
    assert FilterbankEncoder()(torch.zeros(16000)).isfinite().all()


@pytest.mark.parametrize("arguments", [{"frame_rate": 30}, {"num_cepstra": 50}])
def test_invalid_filterbank_arguments_are_errors(arguments):
    with pytest.raises(ValueError, match="frame_rate must divide 100, num_cepstra be at most num_mels"):
        FilterbankEncoder(**arguments)


@pytest.mark.parametrize(
    "kernels, strides, rate, field, hop",
    [
        ((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), 50.0, 400, 320),
        ((10, 3, 3, 3, 3, 2, 2, 2), (5, 2, 2, 2, 2, 2, 2, 2), 25.0, 720, 640),
        ((10, 3, 3, 3, 3, 2, 4), (5, 2, 2, 2, 2, 2, 4), 25.0, 720, 640),
    ],
    ids=["50_hz", "25_hz", "25_hz_last_is_four"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_at_every_rate_and_layer(tmp_path, kind, kernels, strides, rate, field, hop):
    config, model = KINDS[kind]
    torch.manual_seed(0)
    stack = {
        "conv_dim": (8,) * len(kernels),
        "conv_kernel": kernels,
        "conv_stride": strides,
        "num_feat_extract_layers": len(kernels),
    }
    complete = model(config(**SMALL | stack)).eval()
    complete.save_pretrained(tmp_path)
    for layer in (1, 3):
        encoder = HubertEncoder(str(tmp_path), layer)
        assert (encoder.frame_rate, encoder.min_samples, encoder.first_frame_seconds) == (rate, field, field / 32000)
        for samples in (field, field + hop - 1, field + hop, 8000):
            with torch.inference_mode():
                expected = complete(noise(samples)[None], output_hidden_states=True).hidden_states[layer][0]
                torch.testing.assert_close(encoder(noise(samples)), expected, rtol=1e-4, atol=1e-5)
            assert len(expected) == (samples - field) // hop + 1
