from itertools import pairwise, product

import pytest
import torch

from zoo.speech.kmeans import KMeans, fit_kmeans


def blobs(clusters=8, frames_per_cluster=300, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centers = 20 * torch.randn(clusters, dim, generator=generator)
    labels = torch.arange(clusters).repeat(frames_per_cluster)[
        torch.randperm(clusters * frames_per_cluster, generator=generator)
    ]
    return centers[labels] + torch.randn(len(labels), dim, generator=generator), labels, centers


def test_well_separated_clusters_are_recovered():
    """Now and then k-means++ starts twice in one cluster and never leaves it."""
    frames, labels, centers = blobs()
    num_recovered = 0
    for seed in range(20):
        fit = fit_kmeans(frames.split(200), 8, seed)
        pairs = set(zip(fit.quantizer(frames).tolist(), labels.tolist(), strict=True))
        if len(pairs) == 8 == len({unit for unit, _ in pairs}):
            num_recovered += 1
            assert all((fit.quantizer.centroids[unit] - centers[label]).norm() < 0.5 for unit, label in pairs)
            assert fit.quantizer.mean_distance.item() == pytest.approx(5.0, rel=0.1) and fit.reseeded == 0
    assert num_recovered >= 17


def test_units_are_the_nearest_centroids():
    quantizer = KMeans(7, 3)
    quantizer.centroids.copy_(torch.randn(7, 3, generator=torch.Generator().manual_seed(0)))
    frames = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    assert quantizer(frames).tolist() == torch.cdist(frames, quantizer.centroids).argmin(1).tolist()


def test_unused_clusters_are_reseeded_on_frames():
    """Half of the clusters start in a region from which nothing comes later."""
    far, near = blobs(4, 50, seed=1)[0] + 500, blobs(8, 2000, seed=2)[0]
    fit = fit_kmeans([torch.cat([far, near[:200]]), *near.split(400)], 12, init_frames=400)
    assert fit.reseeded >= 4
    assert (torch.cdist(fit.quantizer.centroids, near).min(1).values < 5).all()


def test_fit_is_deterministic_by_seed():
    frames = blobs()[0]
    a, b, c = (fit_kmeans(frames.split(100), 20, seed).quantizer.centroids for seed in (3, 3, 4))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_more_passes_reduce_the_distance():
    frames = torch.randn(3000, 6, generator=torch.Generator().manual_seed(0))

    def distance(passes):
        fit = fit_kmeans(list(frames.split(300)) * passes, 30)
        return (frames - fit.quantizer.centroids[fit.quantizer(frames)]).square().sum(1).mean().item()

    assert distance(10) < distance(1)


@pytest.mark.parametrize(
    "frames, message", [(5, "5 frames cannot make 6 clusters"), (0, "0 frames cannot make 6 clusters")]
)
def test_fewer_frames_than_clusters_are_an_error(frames, message):
    with pytest.raises(ValueError, match=message):
        fit_kmeans([torch.randn(frames, 2)] if frames else [], 6)


def test_as_many_frames_as_clusters_are_their_own_centroids():
    frames = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    assert sorted(fit_kmeans([frames], 6).quantizer(frames).tolist()) == list(range(6))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("penalty", [0.1, 0.7, 3.0])
def test_path_has_the_minimum_cost(penalty, seed):
    generator = torch.Generator().manual_seed(seed)
    quantizer = KMeans(3, 2, switch_penalty=penalty)
    quantizer.centroids.copy_(torch.randn(3, 2, generator=generator))
    quantizer.mean_distance.fill_(0.8)
    frames = torch.randn(6, 2, generator=generator)
    distances = torch.cdist(frames, quantizer.centroids).square()

    def cost(path):
        changes = sum(unit != following for unit, following in pairwise(path))
        return sum(distances[t, unit].item() for t, unit in enumerate(path)) + 0.8 * penalty * changes

    assert cost(quantizer(frames).tolist()) == pytest.approx(min(map(cost, product(range(3), repeat=6))), rel=1e-5)


def test_penalty_reduces_changes_and_zero_takes_the_nearest():
    frames = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))

    def changes(penalty):
        units = fit_kmeans(frames.split(50), 8, switch_penalty=penalty).quantizer(frames)
        return (units[1:] != units[:-1]).sum().item()

    assert changes(0.0) == changes(1e-9) > changes(1.0) > changes(10.0)
    with pytest.raises(ValueError, match="switch_penalty must not be negative"):
        KMeans(3, 2, -1.0)


def test_on_batch_reports_the_inertia():
    frames, reported = torch.randn(900, 4, generator=torch.Generator().manual_seed(0)), []
    fit = fit_kmeans(
        list(frames.split(300)) * 4, 20, on_batch=lambda number, inertia: reported.append((number, inertia))
    )
    assert reported == list(enumerate(fit.inertia)) and len(reported) == 12 and reported[-1][1] < reported[0][1]


def test_log_probs_are_proportional_to_squared_distances():
    quantizer = KMeans(7, 3)
    quantizer.centroids.copy_(torch.randn(7, 3, generator=torch.Generator().manual_seed(0)))
    quantizer.mean_distance.fill_(0.5)
    frames = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(1))
    log_probs = quantizer.log_probs(frames)
    assert torch.equal(log_probs.argmax(-1), quantizer.nearest(frames)) and torch.allclose(
        log_probs.exp().sum(-1), torch.ones(2, 50)
    )
    squares = (frames.unsqueeze(2) - quantizer.centroids).square().sum(-1)
    assert torch.allclose(log_probs[..., 0] - log_probs[..., 4], (squares[..., 4] - squares[..., 0]) / 0.5, atol=1e-4)
