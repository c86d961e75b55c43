"""What can be told from the units beside the words: linear probes for speaker, style and the like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zoo.evaluation.statistics import Estimate, proportion
from zoo.tokens.units import Stream


@dataclass(frozen=True)
class Probe:
    """Accuracy of a linear classifier on utterances that it was not fitted to.

    Args:
        accuracy: Over all seeds' splits, each utterance tested once a seed; the interval is for one seed's number of items.
        chance: The commonest label's share among those tested.
        hits: Of each utterance, its mean over seeds, (n,); to be paired with those of another tokenizer.
    """

    accuracy: Estimate
    chance: float
    hits: np.ndarray

    def report(self) -> dict[str, Any]:
        return {**self.accuracy.named("accuracy"), "chance": round(self.chance, 4)}


def unit_shares(units: Sequence[Mapping[str, np.ndarray]], streams: Sequence[Stream]) -> np.ndarray:
    """Square roots of how often each unit occurs in each utterance, one stream beside another: (n, sum of sizes)."""
    rows = [
        np.concatenate([np.bincount(one[s.prefix], minlength=s.size) / max(len(one[s.prefix]), 1) for s in streams])
        for one in units
    ]
    return np.sqrt(np.array(rows))


def probe(
    features: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    folds: int = 5,
    seeds: int = 3,
    penalty: float = 1e-2,
) -> Probe:
    """Cross-validate a multinomial logistic regression, no group being in both parts of a split.

    Args:
        features: (n, D).
        labels: What is to be told of each utterance.
        groups: What must not help, such as the speaker where style is told; each utterance its own group if it is its id.
        folds: Of the cross-validation; fewer where there are fewer groups.
        seeds: Splits and averages over them.
        penalty: Weight of the squared weights.

    Raises:
        ValueError: With one label or one group only.
    """
    names, kinds = sorted(set(groups)), sorted(set(labels))
    if len(names) < 2 or len(kinds) < 2:
        raise ValueError(f"a probe needs two labels and two groups, got {len(kinds)} and {len(names)}")
    target = np.array([kinds.index(label) for label in labels])
    hits = np.zeros((seeds, len(labels)))
    for seed in range(seeds):
        fold_of = dict(
            zip(np.random.default_rng(seed).permutation(names).tolist(), np.arange(len(names)) % min(folds, len(names)))
        )
        fold = np.array([fold_of[group] for group in groups])
        for number in np.unique(fold):
            tested = fold == number
            hits[seed, tested] = (
                fit_and_test(features[~tested], target[~tested], features[tested], len(kinds), penalty)
                == target[tested]
            )
    common = np.bincount(target).max() / len(target)
    return Probe(proportion(hits.mean(0)), float(common), hits.mean(0))


def fit_and_test(
    features: np.ndarray, target: np.ndarray, tested: np.ndarray, num_labels: int, penalty: float
) -> np.ndarray:
    """Labels of the tested features, by weights that are the one optimum of a convex loss."""
    center, spread = features.mean(0), features.std(0).max() + 1e-9
    inputs, goal = torch.from_numpy((features - center) / spread), torch.from_numpy(target)
    weight = torch.zeros(inputs.shape[1], num_labels, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num_labels, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(inputs @ weight + bias, goal) + penalty * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        return (torch.from_numpy((tested - center) / spread) @ weight + bias).argmax(1).numpy()
