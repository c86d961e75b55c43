"""Mini-batch k-means: feature vectors to units."""
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor, nn


class KMeans(nn.Module):
    """Nearest of ``num_clusters`` centroids.

    Args:
        num_clusters: Units are 0 to ``num_clusters`` - 1.
        dim: Width of the features.
    """

    def __init__(self, num_clusters: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("centroids", torch.zeros(num_clusters, dim))

    @property
    def size(self) -> int:
        return len(self.centroids)

    def forward(self, features: Tensor) -> Tensor:
        """(T, dim) -> (T,) int64."""
        return (features @ self.centroids.T - self.centroids.square().sum(1) / 2).argmax(-1)


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
def fit_kmeans(batches: Iterable[Tensor], num_clusters: int, seed: int = 0, start_frames: int = 20_000) -> KMeansFit:
    """Fit in one pass over a stream (Sculley 2010), started by k-means++ (Arthur and Vassilvitskii 2007).

    Args:
        batches: Features (N, dim); repeat the corpus for more passes.
        num_clusters: At most the number of frames in the start.
        seed: Of the start and the re-seeding.
        start_frames: First frames of the stream, from which the start is drawn.

    Raises:
        ValueError: Where the stream has fewer frames than clusters.
    """
    draw, stream, held = torch.Generator().manual_seed(seed), iter(batches), []
    for batch in stream:
        held.append(batch)
        if sum(map(len, held)) >= start_frames:
            break
    start = torch.cat(held) if held else torch.zeros(0, 1)
    if len(start) < num_clusters:
        raise ValueError(f"{len(start)} frames cannot make {num_clusters} clusters: give more speech or fewer clusters")
    quantizer = KMeans(num_clusters, start.shape[1])
    quantizer.centroids.copy_(_plus_plus(start, num_clusters, draw))
    fit, counts, last_seen = KMeansFit(quantizer), torch.zeros(num_clusters), torch.zeros(num_clusters)
    for number, batch in enumerate(chain(held, stream)):
        _step(fit, batch, counts, last_seen, number, draw)
    return fit


def _step(fit: KMeansFit, batch: Tensor, counts: Tensor, last_seen: Tensor, number: int, draw: torch.Generator) -> None:
    centroids = fit.quantizer.centroids
    units = fit.quantizer(batch)
    fit.inertia.append((batch - centroids[units]).square().sum(1).mean().item())
    found = torch.bincount(units, minlength=len(centroids))
    counts += found
    sums = torch.zeros_like(centroids).index_add_(0, units, batch)
    rate = (1 / counts.clamp(min=1))[:, None]
    centroids += rate * (sums - found[:, None] * centroids)
    last_seen[found > 0] = number
    dead = (number - last_seen >= 20).nonzero().flatten()
    if len(dead):
        far = (batch - centroids[fit.quantizer(batch)]).square().sum(1)
        centroids[dead] = batch[torch.multinomial(far + 1e-12, len(dead), replacement=len(dead) > len(batch), generator=draw)]
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
