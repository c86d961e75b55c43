import numpy as np
import pytest
import torch

from zoo.evaluation.pitch_and_style import cluster_report, pitch_report, style_report
from zoo.speech.f0 import F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_store import F0Row, F0Store
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.style_encoders import StyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleClusters, StyleUnits
from zoo.speech.vector_quantizer import EMACodebook


class TracksInMemory(F0Store):
    """A store of given tracks."""

    def __init__(self, tracks: list[F0Track]) -> None:
        self.tracks = tracks
        self.folder = "here"
        self.split = "dev"
        self.rows = [F0Row(str(number), "ann", 0, len(track.voiced), 1.0) for number, track in enumerate(tracks)]

    def track(self, index, start=0, frames=None):
        return self.tracks[index]


class Octaves(PitchVQVAE):
    """Two units: 16 frames an octave above the mean, or at the mean; voiced, or not."""

    def __init__(self) -> None:
        super().__init__(PitchEncoder(dim=4), EMACodebook(2, 4), PitchDecoder(dim=4))

    def encode(self, tracks):
        return (tracks[:, 0].unfold(1, 16, 16).mean(2) > 50).long()

    def decode(self, units):
        frames = torch.stack([100.0 * units, units.float()], 1)
        return frames.repeat_interleave(16, 2)


def test_pitch_errors_by_hand():
    # Mean 100 Hz; 16 frames at 200 Hz, and 48 at 66.67 Hz, half of them voiced; a rest of 5 frames is not in a unit.
    frequency = torch.tensor([200.0] * 16 + [200 / 3] * 48 + [500.0] * 5)
    voiced = torch.tensor([True] * 16 + [True] * 24 + [False] * 24 + [False] * 5)
    mean = frequency[voiced].mean().item()
    report = pitch_report(
        PitchUnits(Autocorrelation(), Octaves()),
        TracksInMemory([F0Track(frequency, voiced), F0Track(frequency, torch.zeros(69, dtype=torch.bool))]),
    )
    assert mean == pytest.approx(120.0)
    squares = 16 * np.log2(220 / 200) ** 2 + 24 * np.log2(120 / (200 / 3)) ** 2
    assert report["log_f0_error"]["octaves"] == pytest.approx(np.sqrt(squares / 40), abs=1e-4)
    assert report["log_f0_error"]["n"] == 1
    flat = 16 * np.log2(120 / 200) ** 2 + 24 * np.log2(120 / (200 / 3)) ** 2
    assert report["of_the_mean"]["octaves"] == pytest.approx(np.sqrt(flat / 40), abs=1e-4)
    # Unit 1 is voiced and 10% off; unit 0 is unvoiced, wrongly so in 24 frames.
    assert (report["gross_errors"], report["voicing_errors"], report["frames"]) == (0, 24, 64)
    assert report["f0_frame_error"]["share"] == pytest.approx(24 / 64)
    # Voiced nowhere; voiced everywhere, the error would be 64 / 64.
    assert report["f0_frame_error_of_the_mean"]["share"] == pytest.approx(40 / 64)
    assert report["units_used"] == 2 and report["perplexity"] == pytest.approx(
        np.exp(-0.25 * np.log(0.25) - 0.75 * np.log(0.75)), abs=0.01
    )


def test_no_voiced_frame_is_an_error():
    with pytest.raises(ValueError, match="here: no utterance of split 'dev' has a voiced frame"):
        pitch_report(
            PitchUnits(Autocorrelation(), Octaves()),
            TracksInMemory([F0Track(torch.zeros(40), torch.zeros(40, dtype=torch.bool))]),
        )


class Level(StyleEncoder):
    """Two features a frame of 20 ms: a one at the place of its level, 0 or 1."""

    frame_rate, dim, min_samples = 50.0, 2, 320

    def forward(self, waveforms):
        return torch.nn.functional.one_hot((waveforms.unflatten(1, (-1, 320)).mean(2) > 0.5).long(), 2).float()

    def config(self):
        return {}

    def save(self, folder):
        pass

    @classmethod
    def load(cls, folder, config):
        return cls()


def seconds(*levels: int) -> torch.Tensor:
    return torch.tensor(levels, dtype=torch.float32).repeat_interleave(16000)


def test_style_accuracy_is_of_utterances_beside_the_majority():
    head = StyleClassifier(2, 2, 2, ["low", "high"])
    with torch.no_grad():
        for layer in (head.projector, head.classifier):
            layer.weight.copy_(torch.eye(2))
            layer.bias.zero_()
    utterances = [(seconds(0, 0, 1), "low"), (seconds(1, 1), "high"), (seconds(1), "low"), (seconds(0), "low")]
    report = style_report(StyleUnits(Level(), head), utterances)
    assert report["accuracy"]["share"] == 0.75 and report["accuracy"]["n"] == 4 and report["majority"] == 0.75
    assert report["second_accuracy"] == pytest.approx(5 / 7, abs=1e-4) and report["recall"] == {
        "high": 1.0,
        "low": pytest.approx(2 / 3, abs=1e-4),
    }
    head.labels = None
    with pytest.raises(ValueError, match="a classifier with labels"):
        style_report(StyleUnits(Level(), head), utterances)


def test_clusters_are_named_by_their_most_frequent_style():
    head = StyleClusters(3, 2)
    head.kmeans.centroids.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-5.0, -5.0]]))
    style = StyleUnits(Level(), head)
    train = cluster_report(style, [(seconds(0, 0, 1), "calm"), (seconds(1, 1), "glad"), (seconds(0), None)])
    assert train["named"] == {"0": "calm", "1": "glad"} and train["units_used"] == 2 and train["units"] == 3
    assert train["accuracy_by_unit"]["share"] == 0.8 and train["majority"] == 0.6
    assert train["units_per_utterance"] == pytest.approx(4 / 3, abs=0.01) and train["perplexity"] == pytest.approx(2.0)
    other = cluster_report(style, [(seconds(1, 1, 0), "calm")], {0: "calm", 1: "glad"})
    assert other["accuracy_by_unit"]["share"] == pytest.approx(1 / 3, abs=1e-4)
    assert "majority" not in cluster_report(style, [(seconds(1), None)])
    with pytest.raises(ValueError, match="a classifier, no clusters"):
        cluster_report(StyleUnits(Level(), StyleClassifier(2, 2)), [])
