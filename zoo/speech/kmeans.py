"""Mini-batch k-means: feature vectors to units."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class KMeans(nn.Module):
    """Nearest of ``num_clusters`` centroids; or nearest on the whole, where each change of unit has a penalty.

    Features without context jump to and fro between neighboring clusters. With a penalty the units of an utterance are the
    sequence with the smallest sum of squared distances and prices, found by dynamic programming (Kamper and van Niekerk
    2021): fewer tokens a second that tell as much of the phones.

    Args:
        num_clusters: Units are 0 to ``num_clusters`` - 1.
        dim: Width of the features.
        switch_penalty: Of a change of unit, as a multiple of the mean squared distance to the nearest centroid; 0 for none.
    """

    def __init__(self, num_clusters: int, dim: int, switch_penalty: float = 0.0) -> None:
        super().__init__()
        if switch_penalty < 0:
            raise ValueError(f"switch_penalty must not be negative, got {switch_penalty}")
        self.switch_penalty = switch_penalty
        self.register_buffer("centroids", torch.zeros(num_clusters, dim))
        self.register_buffer("mean_distance", torch.ones(()))

    @property
    def size(self) -> int:
        return len(self.centroids)

    @property
    def stream_size(self) -> int:
        """Values that ``forward`` may give."""
        return len(self.centroids)

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.centroids.shape[1]

    def config(self) -> dict[str, Any]:
        """Arguments that make this quantizer again, but for its weights."""
        return {"num_clusters": self.size, "dim": self.dim, "switch_penalty": self.switch_penalty}

    def forward(self, features: Tensor) -> Tensor:
        """Units of one utterance: (T, dim) -> (T,) int64."""
        if not self.switch_penalty:
            return self.nearest(features)
        distances = torch.cdist(features, self.centroids).square().cpu().numpy()
        path = min_cost_path(distances, self.switch_penalty * self.mean_distance.item())
        return torch.from_numpy(path).to(features.device)

    def log_probs(self, features: Tensor) -> Tensor:
        """Log-probabilities of the units of each frame by itself, in which a change costs ``switch_penalty`` nats: (..., T, dim) -> (..., T, size)."""
        return (-torch.cdist(features, self.centroids).square() / self.mean_distance).log_softmax(-1)

    def nearest(self, features: Tensor) -> Tensor:
        """The nearest centroid of each frame by itself: (T, dim) -> (T,) int64."""
        return (features @ self.centroids.T - self.centroids.square().sum(1) / 2).argmax(-1)


def min_cost_path(distances: np.ndarray, penalty: float) -> np.ndarray:
    """The unit of each frame (T,) with the smallest sum of distances (T, K) and of ``penalty`` for each change."""
    frames, units = len(distances), np.arange(distances.shape[1])
    cost, before = np.zeros(len(units)), np.empty(distances.shape, dtype=np.int64)
    for frame in range(frames):
        cheapest = cost.argmin()
        changes = cost[cheapest] + penalty < cost
        before[frame] = np.where(changes, cheapest, units)
        cost = np.where(changes, cost[cheapest] + penalty, cost) + distances[frame]
    path = np.empty(frames, dtype=np.int64)
    unit = cost.argmin()
    for frame in reversed(range(frames)):
        path[frame] = unit
        unit = before[frame, unit]
    return path


@dataclass
class KMeansFit:
    """What fitting tells beside the centroids.

    Args:
        quantizer: The fitted quantizer.
        inertia: Mean squared distance to the nearest centroid, of each mini-batch.
        reseeded: Centroids that lost all their frames and were started again.
    """

    quantizer: KMeans
    inertia: list[float] = field(default_factory=list)
    reseeded: int = 0


@torch.no_grad()
def fit_kmeans(
    batches: Iterable[Tensor],
    num_clusters: int,
    seed: int = 0,
    init_frames: int = 20_000,
    switch_penalty: float = 0.0,
    on_batch: Callable[[int, float], None] | None = None,
) -> KMeansFit:
    """Coverage in one pass over a stream (Sculley 2010), started by k-means++ (Arthur and Vassilvitskii 2007).

    ResultCache is that of the start and of one batch, however long the stream is.

    Args:
        batches: Features (N, dim); repeat the corpus for more passes, as ``FrameSpool`` does.
        num_clusters: At most the number of frames in the start.
        seed: Of the start and the re-seeding.
        init_frames: First frames of the stream, from which the start is drawn.
        switch_penalty: Of the quantizer; the fit itself takes each frame by itself.
        on_batch: Told the number of each mini-batch and its inertia, for a curve.

    Raises:
        ValueError: Where the stream has fewer frames than clusters.
    """
    draw, stream, held = torch.Generator().manual_seed(seed), iter(batches), []
    for batch in stream:
        held.append(batch)
        if sum(map(len, held)) >= init_frames:
            break
    start = torch.cat(held) if held else torch.zeros(0, 1)
    if len(start) < num_clusters:
        raise ValueError(f"{len(start)} frames cannot make {num_clusters} clusters: give more speech or fewer clusters")
    quantizer = KMeans(num_clusters, start.shape[1], switch_penalty)
    quantizer.centroids.copy_(_plus_plus(start, num_clusters, draw))
    fit, counts, last_seen = KMeansFit(quantizer), torch.zeros(num_clusters), torch.zeros(num_clusters)
    for number, batch in enumerate(chain(held, stream)):
        _step(fit, batch, counts, last_seen, number, draw)
        if on_batch is not None:
            on_batch(number, fit.inertia[-1])
    quantizer.mean_distance.fill_(sum(fit.inertia[-10:]) / len(fit.inertia[-10:]))
    return fit


def _step(fit: KMeansFit, batch: Tensor, counts: Tensor, last_seen: Tensor, number: int, draw: torch.Generator) -> None:
    centroids = fit.quantizer.centroids
    units = fit.quantizer.nearest(batch)
    fit.inertia.append((batch - centroids[units]).square().sum(1).mean().item())
    found = torch.bincount(units, minlength=len(centroids))
    counts += found
    sums = torch.zeros_like(centroids).index_add_(0, units, batch)
    rate = (1 / counts.clamp(min=1))[:, None]
    centroids += rate * (sums - found[:, None] * centroids)
    last_seen[found > 0] = number
    dead = (number - last_seen >= 20).nonzero().flatten()
    if len(dead):
        far = (batch - centroids[fit.quantizer.nearest(batch)]).square().sum(1)
        centroids[dead] = batch[
            torch.multinomial(far + 1e-12, len(dead), replacement=len(dead) > len(batch), generator=draw)
        ]
        counts[dead], last_seen[dead] = counts[dead].clamp(max=1), number
        fit.reseeded += len(dead)


def _plus_plus(frames: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """Centroids drawn one after another with probability growing with the squared distance to those drawn before."""
    chosen = [int(torch.randint(len(frames), (1,), generator=draw))]
    distance = (frames - frames[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        chosen.append(int(torch.multinomial(distance + 1e-12, 1, generator=draw)))
        distance = torch.minimum(distance, (frames - frames[chosen[-1]]).square().sum(1))
    return frames[chosen]
