import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

from zoo.speech.encoders import FilterbankEncoder, HubertEncoder, packed_convolutions
from zoo.speech.encoders.packed_wav2vec2 import encode_packed
from zoo.speech.kmeans import KMeans

KINDS = {
    "hubert": (HubertConfig, HubertModel),
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "wavlm": (WavLMConfig, WavLMModel),
}
STACKS = {  # strides and kernels of the convolutions, for 50 and 25 frames a second
    50: ((5, 2, 2, 2, 2, 2, 2), (10, 3, 3, 3, 3, 2, 2)),
    25: ((5, 2, 2, 2, 2, 2, 2, 2), (10, 3, 3, 3, 3, 2, 2, 2)),
}
FORMS = {
    "post_norm": (False, "group"),
    "stable_pre_norm": (True, "layer"),
    "stable_group": (True, "group"),
    "post_layer": (False, "layer"),
}


def small_network(kind="hubert", form="post_norm", rate=50):
    config, model = KINDS[kind]
    stable, norm = FORMS[form]
    strides, kernels = STACKS[rate]
    torch.manual_seed(0)
    network = model(
        config(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            conv_dim=(16,) * len(strides),
            conv_stride=strides,
            conv_kernel=kernels,
            num_feat_extract_layers=len(strides),
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            do_stable_layer_norm=stable,
            feat_extract_norm=norm,
            conv_bias=norm == "layer",
        )
    ).eval()
    for name, weight in network.named_parameters():
        if "layer_norm" in name:
            torch.nn.init.normal_(weight, 1.0, 0.5)
    return network.requires_grad_(False)


def noises(lengths):
    """Noises of so many samples, each with a loudness and an offset of its own."""
    generator = torch.Generator().manual_seed(1)
    return [
        (0.1 + torch.rand((), generator=generator)) * torch.randn(n, generator=generator)
        + 0.3 * torch.rand((), generator=generator)
        for n in lengths
    ]


def random_lengths(count, least, most):
    return torch.randint(least, most, (count,), generator=torch.Generator().manual_seed(2)).tolist()


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    """So that the convolutions of a second already come in several pieces."""
    monkeypatch.setattr(packed_convolutions, "CPU_CHUNK_FRAMES", 20)


@pytest.mark.parametrize("rate", STACKS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_features_equal_those_of_transformers(kind, form, rate):
    network, waveforms = small_network(kind, form, rate), noises([720, 4000, 16000, 23456])
    for row, waveform in zip(encode_packed(network, waveforms), waveforms, strict=True):
        torch.testing.assert_close(row, network(waveform[None]).last_hidden_state[0], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("rate", STACKS)
@pytest.mark.parametrize("form", ["post_norm", "stable_pre_norm"])
@pytest.mark.parametrize("kind", KINDS)
def test_batch_equals_single_utterances_bit_by_bit(kind, form, rate):
    encoder = HubertEncoder(small_network(kind, form, rate), None)
    quantizer = KMeans(50, 32)
    waveforms = noises([encoder.min_samples, encoder.min_samples + 1, *random_lengths(30, encoder.min_samples, 20000)])
    with torch.inference_mode():
        separate = [encoder(waveform) for waveform in waveforms]
        quantizer.centroids.copy_(torch.cat(separate)[torch.randperm(sum(map(len, separate)))[:50]])
        for size in (32, 7):
            together = [row for start in range(0, 32, size) for row in encoder.batch(waveforms[start : start + size])]
            assert all(torch.equal(a, b) for a, b in zip(separate, together, strict=True))
            assert all(torch.equal(quantizer(a), quantizer(b)) for a, b in zip(separate, together, strict=True))


def test_units_equal_those_of_transformers():
    network, encoder = small_network(), HubertEncoder(small_network(), None)
    waveforms = noises(random_lengths(40, 400, 20000))
    with torch.inference_mode():
        expected = [network(waveform[None]).last_hidden_state[0] for waveform in waveforms]
        quantizer = KMeans(50, 32)
        quantizer.centroids.copy_(torch.cat(expected)[::20][:50])
        units = [quantizer(row) for row in encoder.batch(waveforms)]
        for actual, features in zip(units, expected, strict=True):
            assert torch.equal(actual, quantizer(features))
        assert len(torch.cat(units).unique()) > 30


def test_features_do_not_depend_on_other_utterances():
    encoder = HubertEncoder(small_network(), None)
    first, second, third = noises([9000, 12000, 5000])
    first_batch, second_batch = encoder.batch([first, second]), encoder.batch([first, 100 * third])
    assert torch.equal(first_batch[0], second_batch[0]) and len(first_batch[1]) != len(second_batch[1])


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_equal_in_a_batch_and_close_to_float32(kind):
    in_float32, in_bfloat16 = HubertEncoder(small_network(kind), None), HubertEncoder(small_network(kind), None)
    in_bfloat16.use_bfloat16()
    waveforms = noises(random_lengths(12, 400, 20000))
    with torch.inference_mode():
        together = in_bfloat16.batch(waveforms)
        assert all(
            torch.equal(in_bfloat16(waveform), row) and row.dtype == torch.float32
            for waveform, row in zip(waveforms, together, strict=True)
        )
        error = torch.cat(together) - torch.cat(in_float32.batch(waveforms))
        assert 0 < error.square().mean().sqrt() < 0.02 * torch.cat(together).std()


def test_chunked_convolutions_need_little_memory_and_give_all_frames(monkeypatch):
    network, (waveform,) = small_network(), noises([16000 * 3 + 77])
    largest = []
    for layer in network.feature_extractor.conv_layers[1:]:
        layer.register_forward_hook(lambda module, seen, out: largest.append(seen[0].shape[-1]))
    (in_pieces,) = encode_packed(network, [waveform])
    assert max(largest) < 64 * 20 + 64
    monkeypatch.setattr(packed_convolutions, "CPU_CHUNK_FRAMES", 10**9)
    (at_once,) = encode_packed(network, [waveform])
    assert in_pieces.shape == at_once.shape == ((len(waveform) - 400) // 320 + 1, 32)
    torch.testing.assert_close(in_pieces, at_once, rtol=1e-4, atol=1e-5)


def test_group_norm_of_silence_and_of_an_offset_is_finite():
    network = small_network()
    for waveform in (torch.zeros(4000), torch.full((4000,), 0.5)):
        (row,) = encode_packed(network, [waveform])
        torch.testing.assert_close(row, network(waveform[None]).last_hidden_state[0], rtol=1e-3, atol=1e-3)


def test_filterbank_batch_equals_single_utterances_bit_by_bit():
    encoder, waveforms = FilterbankEncoder(), noises(random_lengths(20, 1280, 40000))
    assert all(
        torch.equal(encoder(waveform), row) for waveform, row in zip(waveforms, encoder.batch(waveforms), strict=True)
    )
