"""Style units: the speaking style of each second of speech."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.files import atomic_folder, reading
from zoo.ranges import NumUnits, Size
from zoo.speech.kmeans import KMeans
from zoo.speech.style_encoders import ProsodyStyleEncoder, StyleEncoder, TransformerStyleEncoder
from zoo.speech.unit_extractor import UnitExtractor, find_class, read_config, save_state
from zoo.tokens.units import Stream
from zoo.weights import load_weights

CONFIG = "style.json"
WEIGHTS = "head.safetensors"
ENCODER = "encoder"


class StyleClassifier(nn.Module):
    """Classification head: a projection of the features, averaged over each second, and a linear layer.

    Args:
        dim: Width of the features.
        num_styles: Number of styles.
        hidden: Width of the projection.
        labels: Names of the styles in their order, for logs only.

    Raises:
        ValueError: If there are not as many labels as styles.
    """

    def __init__(self, dim: Size, num_styles: NumUnits, hidden: Size = 256, labels: list[str] | None = None) -> None:
        super().__init__()
        if labels is not None and len(labels) != num_styles:
            raise ValueError(f"{len(labels)} labels for num_styles {num_styles}: want one name for each")
        self.dim = dim
        self.size = num_styles
        self.hidden = hidden
        self.labels = labels
        self.projector = nn.Linear(dim, hidden)
        self.classifier = nn.Linear(hidden, num_styles)

    def forward(self, features: Tensor, frames_per_unit: int) -> Tensor:
        """Return logits: (B, T, dim) -> (B, ceil(T / frames_per_unit), num_styles)."""
        return self.classifier(mean_pool(self.projector(features), frames_per_unit))

    def units(self, features: Tensor, frames_per_unit: int) -> Tensor:
        """Return units: (B, T, dim) -> (B, ceil(T / frames_per_unit)) int64."""
        return self(features, frames_per_unit).argmax(-1)

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, as JSON can express them."""
        return {"dim": self.dim, "num_styles": self.size, "hidden": self.hidden, "labels": self.labels}


class StyleClusters(nn.Module):
    """Quantizer of the mean feature of each second to the nearest centroid (Nguyen et al. 2024).

    Means are scaled to unit length before they are compared with the centroids.

    Args:
        num_clusters: Number of units.
        dim: Width of the features.
    """

    def __init__(self, num_clusters: NumUnits, dim: Size) -> None:
        super().__init__()
        self.kmeans = KMeans(num_clusters, dim)
        self.size = num_clusters
        self.dim = dim

    def units(self, features: Tensor, frames_per_unit: int) -> Tensor:
        """Return units: (B, T, dim) -> (B, ceil(T / frames_per_unit)) int64."""
        return self.kmeans.nearest(self.unit_means(features, frames_per_unit))

    @staticmethod
    def unit_means(features: Tensor, frames_per_unit: int) -> Tensor:
        """Return the vectors to cluster, of unit length: (B, T, dim) -> (B, ceil(T / frames_per_unit), dim)."""
        return F.normalize(mean_pool(features, frames_per_unit), dim=-1)

    @torch.no_grad()
    def reseed_unused(self, points: Tensor, max_rounds: int = 10) -> None:
        """Move each centroid that is nearest to no point onto one of the points that are farthest from their centroids.

        A moved centroid may take all points of another, so this is repeated until no centroid is unused.

        Args:
            points: Vectors to cluster, (N, dim).
            max_rounds: Maximum number of rounds.
        """
        for _ in range(max_rounds):
            units = self.kmeans.nearest(points)
            unused = (torch.bincount(units, minlength=self.size) == 0).nonzero()[:, 0]
            if len(unused) == 0:
                break
            distance = (points - self.kmeans.centroids[units]).square().sum(1)
            farthest = distance.argsort(descending=True)[: len(unused)]
            self.kmeans.centroids[unused] = points[farthest]

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, as JSON can express them."""
        return {"num_clusters": self.size, "dim": self.dim}


# Classes that a saved configuration may name.
STYLE_ENCODERS: dict[str, type[StyleEncoder]] = {
    "TransformerStyleEncoder": TransformerStyleEncoder,
    "ProsodyStyleEncoder": ProsodyStyleEncoder,
}
HEADS: dict[str, type[StyleClassifier] | type[StyleClusters]] = {
    "StyleClassifier": StyleClassifier,
    "StyleClusters": StyleClusters,
}


class StyleUnits(UnitExtractor):
    """Extractor of the style stream, St: one unit per second, and one for an incomplete second at the end.

    Args:
        encoder: Encoder that maps waveforms to features.
        head: Classifier or clusters that map features to units.
        frames_per_unit: Feature vectors per unit; None for the number of feature vectors in a second.

    Raises:
        ValueError: If encoder and head differ in the width of the features.
    """

    def __init__(
        self, encoder: StyleEncoder, head: StyleClassifier | StyleClusters, frames_per_unit: Size | None = None
    ) -> None:
        super().__init__()
        if head.dim != encoder.dim:
            raise ValueError(
                f"the head takes features of width {head.dim}, but the encoder's are {encoder.dim} wide: "
                "use the encoder that the head was trained on"
            )
        self.encoder = encoder
        self.head = head
        self.frames_per_unit = frames_per_unit or round(encoder.frame_rate)
        self.sample_rate = encoder.sample_rate
        self.min_samples = encoder.min_samples
        self.stream = Stream("St", head.size, 1.0, dedup=False)
        self.eval()

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> np.ndarray:
        self.check_length(waveform)
        features = self.encoder(waveform.to(self.device)[None])
        return self.head.units(features, self.frames_per_unit)[0].cpu().numpy()

    def config(self) -> dict[str, Any]:
        return {
            "encoder": {"class": type(self.encoder).__name__, "config": self.encoder.config()},
            "head": {"class": type(self.head).__name__, "arguments": self.head.config()},
            "frames_per_unit": self.frames_per_unit,
        }

    def save(self, folder: Path | str) -> None:
        """Write ``style.json``, the weights of the head and the folder of the encoder, completely or not at all."""
        folder = Path(folder)
        with atomic_folder(folder) as out:
            (out / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
            save_state(self.head, out / WEIGHTS)
            self.encoder.save(out / ENCODER)

    @classmethod
    def load(cls, folder: Path | str) -> "StyleUnits":
        """Load what ``save`` wrote.

        Raises:
            FileNotFoundError: If the folder holds no style units.
            ValueError: If the configuration names an unknown encoder or head.
        """
        folder = Path(folder)
        path = folder / CONFIG
        config = read_config(path, "style")
        with reading(path):
            encoder_class = find_class(config["encoder"]["class"], STYLE_ENCODERS, "encoder", path)
            head_class = find_class(config["head"]["class"], HEADS, "head", path)
            head = head_class(**config["head"]["arguments"])
            load_weights(head, folder / WEIGHTS)
            encoder = encoder_class.load(folder / ENCODER, config["encoder"]["config"])
            return cls(encoder, head, config["frames_per_unit"])


def mean_pool(features: Tensor, frames_per_unit: int) -> Tensor:
    """Average groups of frames: (B, T, D) -> (B, ceil(T / frames_per_unit), D). The last group may be shorter."""
    num_complete = features.shape[1] // frames_per_unit
    complete = num_complete * frames_per_unit
    means = features[:, :complete].unflatten(1, (num_complete, frames_per_unit)).mean(2)
    if complete == features.shape[1]:
        return means
    remainder = features[:, complete:].mean(1, keepdim=True)
    return torch.cat([means, remainder], 1)
