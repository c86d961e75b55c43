"""Style units: how each second of speech is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.files import atomic_folder
from zoo.speech.kmeans import KMeans
from zoo.speech.style_encoders import ProsodyStyleEncoder, StyleEncoder, TransformerStyleEncoder
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.units import Stream

CONFIG, WEIGHTS, ENCODER = "style.json", "head.safetensors", "encoder"
STYLE_ENCODERS = {kind.__name__: kind for kind in (TransformerStyleEncoder, ProsodyStyleEncoder)}


class StyleClassifier(nn.Module):
    """Logits of each second: a projection, its mean over the second, a linear layer.

    Args:
        dim: Of the features.
        num_styles: Labels.
        hidden: Width of the projection.
        labels: Their names, in order; for the log only.

    Raises:
        ValueError: Where there are not as many names as styles.
    """

    def __init__(self, dim: int, num_styles: int, hidden: int = 256, labels: list[str] | None = None) -> None:
        super().__init__()
        if labels is not None and len(labels) != num_styles:
            raise ValueError(f"{len(labels)} labels for num_styles {num_styles}: want one name for each")
        self.dim, self.size, self.hidden, self.labels = dim, num_styles, hidden, labels
        self.projector, self.classifier = nn.Linear(dim, hidden), nn.Linear(hidden, num_styles)

    def forward(self, features: Tensor, frames_per_unit: int) -> Tensor:
        """Features (B, T, dim) to logits (B, ceil(T / frames_per_unit), num_styles)."""
        return self.classifier(mean_pool(self.projector(features), frames_per_unit))

    def units(self, features: Tensor, frames_per_unit: int) -> Tensor:
        """Features (B, T, dim) to units (B, ceil(T / frames_per_unit))."""
        return self(features, frames_per_unit).argmax(-1)

    def config(self) -> dict[str, Any]:
        return {"dim": self.dim, "num_styles": self.size, "hidden": self.hidden, "labels": self.labels}


class StyleClusters(nn.Module):
    """Nearest centroid of the mean of each second, both of unit length (Nguyen et al. 2024).

    Args:
        num_clusters: Units are 0 to ``num_clusters`` - 1.
        dim: Of the features.
    """

    def __init__(self, num_clusters: int, dim: int) -> None:
        super().__init__()
        self.kmeans = KMeans(num_clusters, dim)
        self.size, self.dim = num_clusters, dim

    def units(self, features: Tensor, frames_per_unit: int) -> Tensor:
        """Features (B, T, dim) to units (B, ceil(T / frames_per_unit))."""
        return self.kmeans.nearest(self.unit_means(features, frames_per_unit))

    @staticmethod
    def unit_means(features: Tensor, frames_per_unit: int) -> Tensor:
        """What is clustered: (B, T, dim) to (B, ceil(T / frames_per_unit), dim)."""
        return F.normalize(mean_pool(features, frames_per_unit), dim=-1)

    @torch.no_grad()
    def reseed_unused(self, points: Tensor, rounds: int = 10) -> None:
        """Give each centroid that no point (N, dim) chooses the point that is worst off; a few rounds, until none is left."""
        for _ in range(rounds):
            units = self.kmeans.nearest(points)
            dead = (torch.bincount(units, minlength=self.size) == 0).nonzero()[:, 0]
            if not len(dead):
                break
            far = (points - self.kmeans.centroids[units]).square().sum(1).argsort(descending=True)
            self.kmeans.centroids[dead] = points[far[: len(dead)]]

    def config(self) -> dict[str, Any]:
        return {"num_clusters": self.size, "dim": self.dim}


HEADS = {kind.__name__: kind for kind in (StyleClassifier, StyleClusters)}


class StyleUnits(UnitExtractor):
    """The stream St: one unit a second; of the rest at the end, too.

    Args:
        encoder: Waveform to features.
        head: Features to units.
        frames_per_unit: Feature vectors that make a unit; as many as make a second if None.

    Raises:
        ValueError: Where the head wants features of another width.
    """

    def __init__(
        self, encoder: StyleEncoder, head: StyleClassifier | StyleClusters, frames_per_unit: int | None = None
    ) -> None:
        super().__init__()
        if head.dim != encoder.dim:
            raise ValueError(
                f"the head takes features of width {head.dim}, but the encoder's are {encoder.dim} wide: it was trained on another encoder"
            )
        self.encoder, self.head = encoder, head
        self.frames_per_unit = frames_per_unit or round(encoder.frame_rate)
        self.sample_rate, self.min_samples = encoder.sample_rate, encoder.min_samples
        self.stream = Stream("St", head.size, 1.0, dedup=False)
        self.eval()

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> np.ndarray:
        self.check_length(waveform)
        return self.head.units(self.encoder(waveform.to(self.device)[None]), self.frames_per_unit)[0].cpu().numpy()

    def config(self) -> dict[str, Any]:
        return {
            "encoder": {"class": type(self.encoder).__name__, "config": self.encoder.config()},
            "head": {"class": type(self.head).__name__, "arguments": self.head.config()},
            "frames_per_unit": self.frames_per_unit,
        }

    def save(self, folder: Path) -> None:
        """Write ``style.json``, the weights of the head, and the encoder's folder; the folder appears whole."""
        with atomic_folder(folder) as out:
            (out / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
            save_file({name: value.cpu().contiguous() for name, value in self.head.state_dict().items()}, out / WEIGHTS)
            self.encoder.save(out / ENCODER)

    @classmethod
    def load(cls, folder: Path) -> "StyleUnits":
        folder = Path(folder)
        path = folder / CONFIG
        if not path.is_file():
            raise FileNotFoundError(
                f"no {CONFIG} in {folder}: run the stage that makes the style units first, or name another folder"
            )
        form = json.loads(path.read_text())
        for part, known in (("encoder", STYLE_ENCODERS), ("head", HEADS)):
            if form[part]["class"] not in known:
                raise ValueError(f"{path}: unknown {part} {form[part]['class']!r}; known are {', '.join(known)}")
        head = HEADS[form["head"]["class"]](**form["head"]["arguments"])
        head.load_state_dict(load_file(folder / WEIGHTS))
        encoder = STYLE_ENCODERS[form["encoder"]["class"]].load(folder / ENCODER, form["encoder"]["config"])
        return cls(encoder, head, form["frames_per_unit"])


def mean_pool(features: Tensor, frames: int) -> Tensor:
    """Means of each ``frames`` consecutive ones, the last perhaps of fewer: (B, T, D) to (B, ceil(T / frames), D)."""
    whole = features.shape[1] // frames * frames
    means = features[:, :whole].unflatten(1, (whole // frames, frames)).mean(2)
    return means if whole == features.shape[1] else torch.cat([means, features[:, whole:].mean(1, keepdim=True)], 1)
