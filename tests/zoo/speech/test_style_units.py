import json

import numpy as np
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
    WavLMConfig,
    WavLMModel,
)

from tests.zoo.speech.test_f0 import RATE, voice
from zoo.interop.spiritlm.style import load_style
from zoo.speech.style_encoders import ProsodyFeatures, ProsodyStyleEncoder, TransformerStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleClusters, StyleUnits, mean_pool

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 15,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 10,
    "num_labels": 11,
}


def transformer_units() -> StyleUnits:
    torch.manual_seed(0)
    encoder = TransformerStyleEncoder.untrained("wav2vec2", 16, 2, 2, 24, 8)
    return StyleUnits(encoder, StyleClassifier(16, 5, 8, ["a", "b", "c", "d", "e"]))


def prosody_units(head: str = "clusters") -> StyleUnits:
    torch.manual_seed(0)
    encoder = ProsodyStyleEncoder(dim=16)
    if head == "classifier":
        return StyleUnits(encoder, StyleClassifier(16, 5, 8))
    clusters = StyleClusters(6, 16)
    clusters.kmeans.centroids.copy_(torch.nn.functional.normalize(torch.randn(6, 16), dim=-1))
    return StyleUnits(encoder, clusters)


def noise(samples: int) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hidden_size": 24, "num_attention_heads": 3, "num_conv_pos_embeddings": 16, "num_labels": 7},
        {"conv_dim": (12,) * 7, "conv_bias": True, "num_hidden_layers": 1, "classifier_proj_size": 5},
    ],
)
@pytest.mark.parametrize("naming", ["weight_g", "parametrizations"])
def test_official_format_equals_transformers(options, naming, tmp_path):
    """Any sizes, either name of the weight norm, against the class that wrote the checkpoint."""
    torch.manual_seed(1)
    official = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SMALL | options)).eval()
    state = official.state_dict()
    if naming == "weight_g":
        state = {
            name.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): value
            for name, value in state.items()
        }
    official.config.save_pretrained(tmp_path)
    torch.save(state, tmp_path / "pytorch_model.bin")
    style, waveform = load_style(tmp_path), noise(2 * RATE + 4000)
    normal = ((waveform - waveform.mean()) / torch.sqrt(waveform.var(correction=0) + 1e-7))[None]
    with torch.no_grad():
        hidden = official.projector(official.wav2vec2(normal).last_hidden_state)[0]
        logits = torch.stack([official.classifier(group.mean(0)) for group in hidden.split(50)])
        actual = style.head(style.encoder(waveform[None]), style.frames_per_unit)[0]
    assert actual.shape == (3, official.config.num_labels) and torch.allclose(actual, logits, atol=1e-5)
    assert (style.encode(waveform) == logits.argmax(-1).numpy()).all()


def test_mean_pool_with_a_remainder():
    features = torch.randn(2, 23, 4)
    means = mean_pool(features, 10)
    assert torch.allclose(means, torch.stack([group.mean(1) for group in features.split(10, 1)], 1))
    assert mean_pool(features[:, :20], 10).shape == (2, 2, 4) and mean_pool(features[:, :3], 10).shape == (
        2,
        1,
        4,
    )


@pytest.mark.parametrize("make", [transformer_units, prosody_units])
def test_one_unit_per_second_and_one_for_the_remainder(make):
    style = make()
    assert (style.stream.prefix, style.stream.rate, style.stream.dedup, style.stream.size) == (
        "St",
        1.0,
        False,
        style.head.size,
    )
    for seconds, count in ((0.1, 1), (1.0, 1), (1.2, 2), (3.0, 3), (3.5, 4)):
        units = style.encode(noise(int(seconds * RATE)))
        assert len(units) == count and units.dtype == np.int64, seconds
    with pytest.raises(ValueError, match="are too few for St units"):
        style.encode(noise(style.min_samples - 1))
    style.encode(noise(style.min_samples))


@pytest.mark.parametrize("make", [transformer_units, prosody_units])
def test_silence_has_style_units(make):
    style = make()
    assert len(style.encode(torch.zeros(2 * RATE))) == 2
    with torch.no_grad():
        assert style.encoder(torch.zeros(1, 2 * RATE)).isfinite().all()


@pytest.mark.parametrize("network", [HubertModel(HubertConfig(**SMALL)), WavLMModel(WavLMConfig(**SMALL))])
def test_hubert_and_wavlm_are_supported(network, tmp_path):
    encoder = TransformerStyleEncoder(network.eval(), normalize=False)
    style = StyleUnits(encoder, StyleClassifier(16, 5))
    style.save(tmp_path / "style")
    reloaded = StyleUnits.load(tmp_path / "style")
    with torch.no_grad():
        assert torch.equal(style.encoder(noise(RATE)[None]), reloaded.encoder(noise(RATE)[None]))
        assert torch.equal(encoder(noise(RATE)[None]), network.eval()(noise(RATE)[None]).last_hidden_state)


def test_waveforms_of_a_batch_are_normalized_separately():
    style = transformer_units()
    pair = torch.stack([noise(RATE), 5 * noise(2 * RATE)[RATE:] + 1])
    with torch.no_grad():
        assert torch.allclose(style.encoder(pair)[1], style.encoder(pair[1:])[0], atol=1e-5)
        assert torch.allclose(style.encoder(pair[:1]), style.encoder(3 * pair[:1]), atol=1e-4)


@pytest.mark.parametrize("make", [transformer_units, prosody_units, lambda: prosody_units("classifier")])
def test_saved_extractor_gives_the_same_units(make, tmp_path):
    style, waveform = make(), noise(5 * RATE)
    style.save(tmp_path / "style")
    reloaded = StyleUnits.load(tmp_path / "style")
    assert (reloaded.encode(waveform) == style.encode(waveform)).all() and reloaded.checksum() == style.checksum()
    assert reloaded.head.config() == style.head.config()
    with torch.no_grad():
        next(style.head.parameters() if list(style.head.parameters()) else style.head.buffers()).add_(1)
    assert reloaded.checksum() != style.checksum()


def test_clusters_depend_on_direction_and_not_on_length():
    clusters = StyleClusters(3, 4)
    clusters.kmeans.centroids.copy_(torch.eye(4)[:3])
    features = torch.eye(4)[[2, 0, 1]].repeat_interleave(10, 0)[None] * torch.linspace(0.1, 9, 30)[None, :, None]
    assert clusters.units(features, 10).tolist() == [[2, 0, 1]]


def test_unused_centroids_are_reseeded_on_points():
    clusters, points = (
        StyleClusters(4, 2),
        torch.nn.functional.normalize(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), dim=-1),
    )
    clusters.kmeans.centroids.copy_(torch.tensor([[1.0, 0.0], [50.0, 50.0], [60.0, 0.0], [-70.0, 2.0]]))
    clusters.kmeans.centroids[1:] *= 100  # far from everything
    clusters.reseed_unused(points)
    assert len(clusters.kmeans.nearest(points).unique()) == 4


def test_prosody_features_of_tones_and_noise():
    high, low = voice(np.full(RATE, 300.0)), voice(np.full(RATE, 150.0))
    features = ProsodyFeatures(6, RATE)(torch.stack([high, low, 0.1 * low, noise(RATE)]))
    assert features.shape == (4, 11, 101)
    middle = features[:, :, 10:90]
    assert middle[0, 0].mean() == pytest.approx(1.0, abs=0.05) and middle[1, 0].mean() == pytest.approx(0.0, abs=0.05)
    assert middle[:3, 1].min() > 0.95 and middle[3, 1].mean() < 0.2
    assert (middle[1, 2] - middle[2, 2]).mean() == pytest.approx(1.0, abs=0.01)  # 20 dB
    assert middle[:2, 3].abs().max() < 0.1  # a steady pitch is at its own mean


def test_jitter_applies_in_training_only():
    encoder, waveform = ProsodyStyleEncoder(dropout=0.0), voice(np.full(RATE, 150.0))[None]
    with torch.no_grad():
        assert not torch.equal(encoder.train()(waveform), encoder(waveform))
        assert torch.equal(encoder.eval()(waveform), encoder(waveform))


def test_head_of_another_width_and_wrong_labels_are_errors():
    with pytest.raises(ValueError, match="the head takes features of width 8, but the encoder's are 16 wide"):
        StyleUnits(ProsodyStyleEncoder(dim=16), StyleClusters(4, 8))
    with pytest.raises(ValueError, match="2 labels for num_styles 3"):
        StyleClassifier(16, 3, labels=["a", "b"])


def test_folder_without_style_units_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no style.json in"):
        StyleUnits.load(tmp_path)
    prosody_units().save(tmp_path / "style")
    config = json.loads((tmp_path / "style" / "style.json").read_text())
    config["encoder"]["class"] = "Whisper"
    (tmp_path / "style" / "style.json").write_text(json.dumps(config))
    with pytest.raises(
        ValueError, match="unknown encoder 'Whisper'; known are TransformerStyleEncoder, ProsodyStyleEncoder"
    ):
        StyleUnits.load(tmp_path / "style")
