"""Mini-batch k-means that quantizes feature vectors to units."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.ranges import NonNegativeFloat, NumUnits, Size

UNUSED_BATCHES = 20  # number of mini-batches without a frame after which a centroid is re-seeded
EPSILON = 1e-12  # keeps sampling weights valid where all distances are 0


class KMeans(nn.Module):
    """Quantizer that maps each frame to the nearest of its centroids, optionally with a penalty on changes of unit.

    Features of single frames fluctuate between neighboring clusters. With a penalty, the units of an utterance are the
    sequence with the smallest sum of squared distances and penalties, found by dynamic programming (Kamper and van
    Niekerk 2021). This gives fewer tokens per second with as much information about phones.

    Args:
        num_clusters: Number of units.
        dim: Width of the features.
        switch_penalty: Penalty of a change of unit, as a multiple of the mean squared distance to the nearest centroid.
            At 0, each frame gets its nearest centroid.

    Raises:
        ValueError: If ``switch_penalty`` is negative.
    """

    centroids: Tensor
    mean_distance: Tensor

    def __init__(self, num_clusters: NumUnits, dim: Size, switch_penalty: NonNegativeFloat = 0.0) -> None:
        super().__init__()
        if switch_penalty < 0:
            raise ValueError(f"switch_penalty must not be negative, got {switch_penalty}")
        self.switch_penalty = switch_penalty
        self.register_buffer("centroids", torch.zeros(num_clusters, dim))
        self.register_buffer("mean_distance", torch.ones(()))  # mean squared distance to the nearest centroid

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.centroids)

    @property
    def stream_size(self) -> int:
        """Number of values that ``forward`` may return."""
        return len(self.centroids)

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.centroids.shape[1]

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, as JSON can express them."""
        return {"num_clusters": self.size, "dim": self.dim, "switch_penalty": self.switch_penalty}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KMeans":
        """Build a quantizer without its weights from what ``config`` returned."""
        return cls(**config)

    def forward(self, features: Tensor) -> Tensor:
        """Return the units of one utterance: (T, dim) -> (T,) int64."""
        if not self.switch_penalty:
            return self.nearest(features)
        distances = torch.cdist(features, self.centroids).square().cpu().numpy()
        path = min_cost_path(distances, self.switch_penalty * self.mean_distance.item())
        return torch.from_numpy(path).to(features.device)

    def log_probs(self, features: Tensor) -> Tensor:
        """Return log-probabilities of the units of each frame: (..., T, dim) -> (..., T, size).

        Squared distances are scaled so that a change of unit costs ``switch_penalty`` nats.
        """
        return (-torch.cdist(features, self.centroids).square() / self.mean_distance).log_softmax(-1)

    def nearest(self, features: Tensor) -> Tensor:
        """Return the nearest centroid of each frame, without penalties: (..., dim) -> (...) int64."""
        # |x - c|^2 is smallest where x c - |c|^2 / 2 is largest; |x|^2 is the same for all centroids.
        return (features @ self.centroids.T - self.centroids.square().sum(1) / 2).argmax(-1)


def min_cost_path(distances: np.ndarray, penalty: float) -> np.ndarray:
    """Return the unit sequence (T,) that minimizes the sum of distances plus ``penalty`` for each change of unit.

    This is the Viterbi algorithm. Since all changes cost the same, the best predecessor of a unit is either the unit
    itself or the unit with the lowest cost so far. A frame therefore takes time linear in the number of units, not
    quadratic.

    Args:
        distances: Cost of each unit in each frame, (T, K).
        penalty: Cost of a change of unit, not negative.
    """
    num_frames, num_units = distances.shape
    units = np.arange(num_units)
    cost = np.zeros(num_units)  # cost of the best path that ends in each unit
    predecessor = np.empty(distances.shape, dtype=np.int64)
    for frame in range(num_frames):
        cheapest = cost.argmin()
        switches = cost[cheapest] + penalty < cost
        predecessor[frame] = np.where(switches, cheapest, units)
        cost = np.where(switches, cost[cheapest] + penalty, cost) + distances[frame]
    # Trace the best path back from the last frame.
    path = np.empty(num_frames, dtype=np.int64)
    unit = cost.argmin()
    for frame in reversed(range(num_frames)):
        path[frame] = unit
        unit = predecessor[frame, unit]
    return path


@dataclass
class KMeansFit:
    """Result of ``fit_kmeans``.

    Args:
        quantizer: The fitted quantizer.
        inertia: Mean squared distance to the nearest centroid, of each mini-batch.
        reseeded: Number of centroids that lost all their frames and were re-seeded.
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
    """Fit k-means in one pass over a stream of mini-batches (Sculley 2010), initialized by k-means++.

    Memory use is limited to the first ``init_frames`` frames and one batch, however long the stream is.

    Args:
        batches: Batches of features, (N, dim) each. For several passes over a corpus, repeat it in the stream, as
            ``FrameSpool.batches`` does.
        num_clusters: Number of clusters, at most the number of frames that k-means++ draws from.
        seed: Seed of the initialization and of re-seeding.
        init_frames: Number of frames, from the start of the stream, from which k-means++ draws the first centroids.
        switch_penalty: Penalty of the returned quantizer; it does not affect the fit.
        on_batch: Called after each mini-batch with its number, from 0, and its inertia.

    Raises:
        ValueError: If the stream has fewer frames than clusters.
    """
    generator = torch.Generator().manual_seed(seed)
    stream = iter(batches)
    first_batches: list[Tensor] = []
    for batch in stream:
        first_batches.append(batch)
        if sum(map(len, first_batches)) >= init_frames:
            break
    start = torch.cat(first_batches) if first_batches else torch.zeros(0, 1)
    if len(start) < num_clusters:
        raise ValueError(f"{len(start)} frames cannot make {num_clusters} clusters: give more speech or fewer clusters")
    quantizer = KMeans(num_clusters, start.shape[1], switch_penalty)
    quantizer.centroids.copy_(_plus_plus(start, num_clusters, generator))
    fit = KMeansFit(quantizer)
    updates = _CentroidUpdates(fit, generator)
    for number, batch in enumerate(chain(first_batches, stream)):
        updates.step(batch, number)
        if on_batch is not None:
            on_batch(number, fit.inertia[-1])
    quantizer.mean_distance.fill_(sum(fit.inertia[-10:]) / len(fit.inertia[-10:]))
    return fit


class _CentroidUpdates:
    """Moves the centroids of a fit, one mini-batch after another.

    Args:
        fit: The fit, whose quantizer, inertia and re-seeding count are updated in place.
        generator: Source of random numbers for re-seeding.
    """

    def __init__(self, fit: KMeansFit, generator: torch.Generator) -> None:
        self.fit = fit
        self.generator = generator
        num_clusters = fit.quantizer.size
        self.counts = torch.zeros(num_clusters)  # number of frames that each centroid is the mean of
        self.last_used = torch.zeros(num_clusters)  # number of the last mini-batch with a frame of each centroid

    def step(self, batch: Tensor, number: int) -> None:
        """Update the centroids with a mini-batch.

        Args:
            batch: Features, (N, dim).
            number: Number of the mini-batch, from 0.
        """
        quantizer = self.fit.quantizer
        centroids = quantizer.centroids
        units = quantizer.nearest(batch)
        self.fit.inertia.append((batch - centroids[units]).square().sum(1).mean().item())
        # Each centroid is the running mean of all frames that were assigned to it. Its learning rate is therefore one
        # over its count, the new frames included (Sculley 2010).
        batch_counts = torch.bincount(units, minlength=quantizer.size)
        self.counts += batch_counts
        sums = torch.zeros_like(centroids).index_add_(0, units, batch)
        rate = (1 / self.counts.clamp(min=1))[:, None]
        centroids += rate * (sums - batch_counts[:, None] * centroids)
        self.last_used[batch_counts > 0] = number
        self._reseed_unused(batch, number)

    def _reseed_unused(self, batch: Tensor, number: int) -> None:
        """Move centroids without recent frames to random frames of the batch, likelier far from all centroids."""
        quantizer = self.fit.quantizer
        centroids = quantizer.centroids
        unused = (number - self.last_used >= UNUSED_BATCHES).nonzero().flatten()
        if len(unused) == 0:
            return
        distance = (batch - centroids[quantizer.nearest(batch)]).square().sum(1)
        with_replacement = len(unused) > len(batch)
        chosen = torch.multinomial(
            distance + EPSILON, len(unused), replacement=with_replacement, generator=self.generator
        )
        centroids[unused] = batch[chosen]
        self.counts[unused] = self.counts[unused].clamp(max=1)  # so that the centroid soon follows its new frames
        self.last_used[unused] = number
        self.fit.reseeded += len(unused)


def _plus_plus(frames: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw initial centroids by k-means++ (Arthur and Vassilvitskii 2007): (N, dim) -> (count, dim).

    Each frame is drawn with a probability proportional to its squared distance to the nearest centroid drawn before.
    """
    chosen = [int(torch.randint(len(frames), (1,), generator=generator))]
    distance = (frames - frames[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        chosen.append(int(torch.multinomial(distance + EPSILON, 1, generator=generator)))
        distance = torch.minimum(distance, (frames - frames[chosen[-1]]).square().sum(1))
    return frames[chosen]
