"""Linear probes: speaker or style predicted from the frequencies of the units in an utterance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zoo.evaluation.statistics import Estimate, proportion
from zoo.tokens.units import Stream


@dataclass(frozen=True)
class Probe:
    """Cross-validated accuracy of a linear classifier.

    Args:
        accuracy: Mean accuracy over the random splits; each utterance is tested once per split. The interval counts
            each utterance once.
        chance: Accuracy of always predicting the most frequent label.
        hits: Mean accuracy of each utterance over the splits, (n,), for a paired difference from another tokenizer.
    """

    accuracy: Estimate
    chance: float
    hits: np.ndarray

    def report(self) -> dict[str, Any]:
        """Return accuracy and chance as JSON."""
        return {**self.accuracy.named("accuracy"), "chance": round(self.chance, 4)}


def unit_shares(units: Sequence[Mapping[str, np.ndarray]], streams: Sequence[Stream]) -> np.ndarray:
    """Return the square root of the relative frequency of each unit in each utterance, (n, sum of stream sizes)."""
    shares = []
    for row in units:
        by_stream = []
        for stream in streams:
            counts = np.bincount(row[stream.prefix], minlength=stream.size)
            by_stream.append(counts / max(len(row[stream.prefix]), 1))
        shares.append(np.concatenate(by_stream))
    return np.sqrt(np.array(shares))


def probe(
    features: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    folds: int = 5,
    seeds: int = 3,
    penalty: float = 1e-2,
) -> Probe:
    """Cross-validate a multinomial logistic regression; each group is either fitted to or tested on, never both.

    Args:
        features: Features of each utterance, (n, D).
        labels: Label of each utterance, predicted from the features.
        groups: Group of each utterance, such as its speaker if the label is the style, so that the probe cannot use
            the speaker. Pass utterance ids for a split without groups.
        folds: Number of folds of the cross-validation; fewer if there are fewer groups.
        seeds: Number of random splits that are averaged over.
        penalty: Coefficient of the L2 penalty on the weights.

    Raises:
        ValueError: If there are fewer than two labels or fewer than two groups.
    """
    names = sorted(set(groups))
    kinds = sorted(set(labels))
    if len(names) < 2 or len(kinds) < 2:
        raise ValueError(f"a probe needs two labels and two groups, got {len(kinds)} and {len(names)}")
    target = np.array([kinds.index(label) for label in labels])
    hits = np.zeros((seeds, len(labels)))
    for seed in range(seeds):
        shuffled = np.random.default_rng(seed).permutation(names).tolist()
        fold_of = dict(zip(shuffled, np.arange(len(names)) % min(folds, len(names)), strict=True))
        fold = np.array([fold_of[group] for group in groups])
        for number in np.unique(fold):
            tested = fold == number
            predicted = fit_and_predict(features[~tested], target[~tested], features[tested], len(kinds), penalty)
            hits[seed, tested] = predicted == target[tested]
    most_frequent = np.bincount(target).max() / len(target)
    return Probe(proportion(hits.mean(0)), float(most_frequent), hits.mean(0))


def fit_and_predict(
    features: np.ndarray, target: np.ndarray, tested: np.ndarray, num_labels: int, penalty: float
) -> np.ndarray:
    """Fit a multinomial logistic regression, and predict the labels of other features.

    Args:
        features: Training features, (n, D).
        target: Label index of each training example, (n,).
        tested: Test features, (m, D).
        num_labels: Number of labels.
        penalty: Coefficient of the L2 penalty on the weights.

    Returns:
        Predicted label indices, (m,).
    """
    center = features.mean(0)
    spread = features.std(0).max() + 1e-9
    inputs = torch.from_numpy((features - center) / spread)
    goal = torch.from_numpy(target)
    weight = torch.zeros(inputs.shape[1], num_labels, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num_labels, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, goal) + penalty * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        return (torch.from_numpy((tested - center) / spread) @ weight + bias).argmax(1).numpy()
