"""Accuracy on contrasts: the share of items whose right continuation is the most likely one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from zoo.evaluation.scoring.likelihood import log_likelihoods, per_token
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.statistics import Estimate, proportion
from zoo.evaluation.suites.contrast_suite import Contrast
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, TextAndSpeech, modalities, prompt_ids
from zoo.tokens.vocabulary import Vocabulary

# Sums of log-probabilities (N,) of the continuations of N candidates.
Scorer = Callable[[Sequence[Candidate]], np.ndarray]


@dataclass(frozen=True)
class Accuracy:
    """Share of items whose right continuation is the most likely; of k continuations that tie, each counts 1/k.

    Args:
        per_token: Accuracy by mean log-probability of a token, as in the main tables of Spirit LM.
        total: Accuracy by the sum of log-probabilities.
        chance: Expected accuracy of guessing.
        hits: Score of each item by mean log-probability, in 0 to 1, (n,).
        groups: Accuracy by mean log-probability of each group of items; empty where items have no groups.
    """

    per_token: Estimate
    total: Estimate
    chance: float = 0.5
    hits: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    groups: dict[str, Estimate] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the accuracies with their intervals, as written to reports."""
        report: dict[str, Any] = {
            **self.per_token.named("accuracy"),
            "by_sum": self.total.named("accuracy"),
            "chance": round(self.chance, 4),
        }
        if self.groups:
            report["groups"] = {name: estimate.named("accuracy") for name, estimate in self.groups.items()}
        return report


def make_candidate(
    vocabulary: Vocabulary, prompt: TextAndSpeech | None, continuation: TextAndSpeech, direction: str
) -> Candidate:
    """Return the ids of a prompt and one continuation; the marker of a new modality belongs to the prompt."""
    _, target = modalities(direction)
    return Candidate(prompt_ids(vocabulary, prompt, direction), continuation.ids(target))


def measure_accuracies(
    score: Scorer, vocabulary: Vocabulary, items: Sequence[Contrast], directions: Sequence[str] = DIRECTIONS
) -> dict[str, Accuracy]:
    """Measure the accuracy in several directions at once, so that shared prompts are computed once.

    Args:
        score: Scorer of candidates, such as ``partial(log_likelihoods, network)`` or a ``UnigramModel``.
        vocabulary: Vocabulary of the network.
        items: All items of one suite.
        directions: Some of ``DIRECTIONS``.

    Returns:
        Accuracy by direction; directions that no item supports are left out.
    """
    items_by_direction: dict[str, list[Contrast]] = {}
    candidates: list[Candidate] = []
    num_choices: list[int] = []
    for direction in dict.fromkeys(directions):
        supporting_items = [item for item in items if item.supports(direction)]
        if not supporting_items:
            continue
        items_by_direction[direction] = supporting_items
        for item in supporting_items:
            num_choices.append(len(item.choices))
            for choice in item.choices:
                candidates.append(make_candidate(vocabulary, item.prompt, choice, direction))
    if not candidates:
        return {}
    sums = score(candidates)
    means = per_token(sums, candidates)
    ends = np.cumsum(num_choices)[:-1]
    hits_by_mean = np.array([_hit_share(scores) for scores in np.split(means, ends)])
    hits_by_sum = np.array([_hit_share(scores) for scores in np.split(sums, ends)])
    accuracies: dict[str, Accuracy] = {}
    start = 0
    for direction, supporting_items in items_by_direction.items():
        span = slice(start, start + len(supporting_items))
        accuracies[direction] = _summarize(supporting_items, hits_by_mean[span], hits_by_sum[span])
        start = span.stop
    return accuracies


def measure_accuracy(
    network: PreTrainedModel, vocabulary: Vocabulary, items: Sequence[Contrast], direction: str
) -> Accuracy:
    """Measure the accuracy of a network in one of the ``DIRECTIONS``, over all items that support it.

    Raises:
        ValueError: If no item supports the direction.
    """

    def score(candidates: Sequence[Candidate]) -> np.ndarray:
        return log_likelihoods(network, candidates, title=f"score {direction}")

    accuracies = measure_accuracies(score, vocabulary, items, (direction,))
    if direction not in accuracies:
        raise ValueError(f"none of {len(items)} items has the content that {direction} needs")
    return accuracies[direction]


def _summarize(items: list[Contrast], hits: np.ndarray, hits_by_sum: np.ndarray) -> Accuracy:
    """Return the accuracy over the items of one direction, from the hits of each, (n,)."""
    names = np.array([item.group for item in items])
    groups = {name: proportion(hits[names == name]) for name in sorted(set(names.tolist()))}
    if set(groups) == {""}:
        groups = {}
    chance = float(np.mean([1 / len(item.choices) for item in items]))
    return Accuracy(proportion(hits), proportion(hits_by_sum), chance, hits, groups)


def _hit_share(scores: np.ndarray) -> float:
    """Return 1 if the right continuation, the first, has the highest of the scores (choices,); 1/k of a tie of k."""
    is_best = scores == scores.max()
    return float(is_best[0] / is_best.sum())
