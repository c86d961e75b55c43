"""Phonetic and style units by k-means on the features of training speech."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.speech.encoders import SpeechEncoder
from zoo.speech.frame_spool import FrameSpool
from zoo.speech.kmeans import KMeans, fit_kmeans
from zoo.speech.style_encoders import StyleEncoder
from zoo.speech.style_units import StyleClusters, StyleUnits
from zoo.tokenizers.speech_tokenizer import CHUNK_SECONDS
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import BATCH_SECONDS, LoadedUtterance

BATCH_FRAMES = 8192


@dataclass(frozen=True)
class FeatureSampling:
    """Which frames of a corpus are clustered.

    Args:
        hours: Hours of speech whose features are computed.
        max_frames: Number of frames that are kept of them, about.
        seed: Seed of the choice of frames.
    """

    hours: float
    max_frames: int
    seed: int


@torch.no_grad()  # weights that are moved to a device in inference mode could never be trained again
def sample_features(
    utterances: Iterable[LoadedUtterance],
    encoder: SpeechEncoder,
    sampling: FeatureSampling,
    frames: FrameSpool,
    tally: Tally,
) -> None:
    """Append randomly chosen frames of the features of utterances, until enough hours are read.

    Args:
        utterances: Utterances in a random order.
        encoder: Waveform to features; computes on a GPU where there is one.
        sampling: How many hours are read, and how many frames are kept.
        frames: Receives the features.
        tally: Counts the utterances.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(device)
    generator = random.Random(sampling.seed)
    share = sampling.max_frames / (sampling.hours * 3600 * encoder.frame_rate)
    for waveforms in _batches(utterances, encoder, sampling.hours * 3600, tally):
        for features in encoder.batch([waveform.to(device) for waveform in waveforms]):  # (T, dim)
            frame_generator = torch.Generator().manual_seed(generator.getrandbits(31))
            is_kept = torch.rand(len(features), generator=frame_generator) < share
            frames.append(features.cpu()[is_kept])
    encoder.cpu()


def _batches(
    utterances: Iterable[LoadedUtterance], encoder: SpeechEncoder, max_seconds: float, tally: Tally
) -> Iterator[list[Tensor]]:
    """Yield the waveforms of utterances that are long enough, some at a time, until enough seconds are read."""
    batch: list[Tensor] = []
    seconds = 0.0
    for loaded in utterances:
        # In chunks, as the tokenizer encodes them, so that a recording of hours fits into memory.
        for chunk in loaded.waveform.split(round(CHUNK_SECONDS * encoder.sample_rate)):
            if len(chunk) >= encoder.min_samples:
                batch.append(chunk)
            if sum(map(len, batch)) >= BATCH_SECONDS * encoder.sample_rate:
                yield batch
                batch = []
        tally.utterances += 1
        seconds += loaded.utterance.duration
        if seconds > max_seconds:
            break
    if batch:
        yield batch


@dataclass(frozen=True)
class ClusteringReport:
    """How well k-means fits the frames that it was fitted to.

    Args:
        frames: Number of frames.
        inertia_first: Mean squared distance to the nearest centroid in the first batch, before any update.
        inertia: Mean of these distances over the batches of the last pass.
        perplexity: Perplexity of the units over the frames; the number of clusters if all are equally frequent.
        reseeded: Number of centroids that lost all their frames and were started again.
        unused: Number of units that no frame has.
    """

    frames: int
    inertia_first: float
    inertia: float
    perplexity: float
    reseeded: int
    unused: int


@dataclass(frozen=True)
class Clustering:
    """A fitted quantizer and its report.

    Args:
        quantizer: Features to units.
        report: How well it fits.
    """

    quantizer: KMeans
    report: ClusteringReport


def cluster_features(
    frames: FrameSpool,
    num_clusters: int,
    switch_penalty: float,
    passes: int,
    seed: int,
    on_batch: Callable[[int, float], None],
) -> Clustering:
    """Fit k-means to sampled features.

    Args:
        frames: Features to cluster.
        num_clusters: Number of units.
        switch_penalty: Cost of a change of unit in the quantizer, in mean squared distances.
        passes: Number of passes over the frames.
        seed: Seed of the initial centroids and of the order of the frames.
        on_batch: Called with the number and the inertia of each batch.
    """
    batches = frames.batches(BATCH_FRAMES, passes, seed)
    fit = fit_kmeans(batches, num_clusters, seed, switch_penalty=switch_penalty, on_batch=on_batch)
    counts = torch.zeros(num_clusters, dtype=torch.int64)
    for batch in frames.batches(BATCH_FRAMES):
        counts += torch.bincount(fit.quantizer.nearest(batch), minlength=num_clusters)
    shares = counts / counts.sum()
    entropy = -(shares * shares.clamp(min=1e-12).log()).sum()
    last_pass = fit.inertia[-max(1, len(fit.inertia) // passes) :]
    report = ClusteringReport(
        frames=int(counts.sum()),
        inertia_first=fit.inertia[0],
        inertia=sum(last_pass) / len(last_pass),
        perplexity=torch.exp(entropy).item(),
        reseeded=fit.reseeded,
        unused=int((counts == 0).sum()),
    )
    return Clustering(fit.quantizer, report)


def cluster_style_features(
    encoder: StyleEncoder, waveforms: Iterable[Tensor], num_clusters: int, passes: int, seed: int
) -> StyleUnits:
    """Cluster the seconds of speech by the features of a style encoder.

    Args:
        encoder: Waveform to features.
        waveforms: Training speech, (num_samples,) each; its features are held in memory, a few kilobytes a second.
        num_clusters: Number of style units.
        passes: Number of passes over the features.
        seed: Seed of the initial centroids and of the order of the features.
    """
    frames_per_second = round(encoder.frame_rate)
    means = []
    for waveform in waveforms:
        means.append(StyleClusters.unit_means(encoder(waveform[None]), frames_per_second)[0])
    features = torch.cat(means)  # (seconds, dim)
    clusters = StyleClusters(num_clusters, encoder.dim)
    clusters.kmeans = fit_kmeans(_shuffled_passes(features, passes, seed), num_clusters, seed).quantizer
    clusters.reseed_unused(features)
    return StyleUnits(encoder, clusters)


def _shuffled_passes(features: Tensor, passes: int, seed: int) -> Iterator[Tensor]:
    """Yield all features (N, dim) once for each pass, in a new order."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(passes):
        yield features[torch.randperm(len(features), generator=generator)]
