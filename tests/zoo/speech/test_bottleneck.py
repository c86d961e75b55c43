import torch

from zoo.speech.bottleneck import VectorQuantizer
from zoo.speech.kmeans import KMeans, fit_kmeans


def latents(count=600, dim=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centers = 5 * torch.randn(8, dim, generator=generator)
    return centers[torch.arange(count) % 8] + 0.3 * torch.randn(count, dim, generator=generator)


def initialized(size=8, **arguments):
    quantizer = VectorQuantizer(size, 6, **arguments)
    quantizer.initialize(latents(), 50.0, seed=0)
    return quantizer


def test_before_training_the_units_are_those_of_kmeans():
    quantizer = initialized()
    rows = latents(seed=1)
    kmeans = KMeans(8, 6)
    kmeans.centroids.copy_(quantizer.codebook.codes)
    assert quantizer.units(rows).tolist() == kmeans.nearest(rows).tolist()
    distance = (latents() - quantizer.codebook.codes[quantizer.units(latents())]).square().sum(1).mean()
    fitted = fit_kmeans([latents()] * 20, 8).quantizer
    expected = (latents() - fitted.centroids[fitted.nearest(latents())]).square().sum(1).mean()
    assert distance < 1.1 * expected and quantizer.is_initialized


def test_codes_are_the_running_means_of_their_latents():
    quantizer = initialized(decay=0.9).train()
    rows = latents(80, seed=2)
    codebook = quantizer.codebook
    sums, usage = codebook.sums.clone(), codebook.usage.clone()
    units = quantizer.units(rows)
    quantizer(rows)
    for unit in range(8):
        count = 0.9 * usage[unit] + 0.1 * (units == unit).sum()
        mean = (0.9 * sums[unit] + 0.1 * rows[units == unit].sum(0)) / count
        torch.testing.assert_close(codebook.codes[unit], mean)
        torch.testing.assert_close(codebook.usage[unit], count)


def test_a_code_without_latents_is_reseeded_and_evaluation_changes_nothing():
    quantizer = initialized()
    rows = latents(64, seed=3)
    quantizer.codebook.codes[0] = 1000.0
    quantizer.codebook.usage[0] = 0.0
    quantizer.codebook.sums[0] = 0.0
    before = quantizer.codebook.codes.clone()
    assert quantizer.eval()(rows).reseeded == 0 and torch.equal(quantizer.codebook.codes, before)
    assert quantizer.train()(rows).reseeded >= 1
    assert (rows - quantizer.codebook.codes[0]).square().sum(1).min() == 0


def test_the_gradient_passes_the_codes_unchanged():
    quantizer = initialized().eval()
    rows = latents(5, seed=4).requires_grad_()
    weights = torch.randn(5, 6)
    (quantizer(rows).codes * weights).sum().backward()
    torch.testing.assert_close(rows.grad, weights)
    assert torch.equal(quantizer.log_probs(rows).argmax(-1), quantizer.units(rows))
