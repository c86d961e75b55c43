"""Accuracy on contrasts: the share of items whose right continuation is the most likely one.

Candidates are compared in three ways: by the mean log-probability of a token, by the sum of log-probabilities, and by
pointwise mutual information with the prompt (Holtzman et al. 2021, "Surface form competition"), log p(continuation |
prompt) - log p(continuation), where the second term has no prompt but the modality's marker. What makes a continuation
likely after any prompt, such as its speaker and channel, cancels there.
"""

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
        mutual_information: Accuracy by pointwise mutual information with the prompt, over the items that have a prompt;
            None where no item has one.
        mutual_information_hits: Score of each of these items by pointwise mutual information, (m,).
    """

    per_token: Estimate
    total: Estimate
    chance: float = 0.5
    hits: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    groups: dict[str, Estimate] = field(default_factory=dict)
    mutual_information: Estimate | None = None
    mutual_information_hits: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))

    def report(self) -> dict[str, Any]:
        """Return the accuracies with their intervals, as written to reports."""
        report: dict[str, Any] = {
            **self.per_token.named("accuracy"),
            "by_sum": self.total.named("accuracy"),
        }
        if self.mutual_information is not None:
            report["by_pmi"] = self.mutual_information.named("accuracy")
        report["chance"] = round(self.chance, 4)
        if self.groups:
            report["groups"] = {name: estimate.named("accuracy") for name, estimate in self.groups.items()}
        return report


def make_candidate(
    vocabulary: Vocabulary, prompt: TextAndSpeech | None, continuation: TextAndSpeech, direction: str
) -> Candidate:
    """Return the ids of a prompt and one continuation; the marker of a new modality belongs to the prompt."""
    _, target = modalities(direction)
    return Candidate(prompt_ids(vocabulary, prompt, direction), continuation.ids(target))


@dataclass(frozen=True)
class _ItemCandidates:
    """Where the choices of one item are among the candidates that are scored, the right one first.

    Args:
        item: The item.
        given: The choices after the prompt of the item.
        alone: The same choices without a prompt; None if the item has none.
    """

    item: Contrast
    given: slice
    alone: slice | None


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
    by_direction: dict[str, list[_ItemCandidates]] = {}
    candidates: list[Candidate] = []
    alone: dict[tuple[int, str], slice] = {}  # choices without a prompt, by number of the item and modality
    for direction in dict.fromkeys(directions):
        _, target = modalities(direction)
        for number, item in enumerate(items):
            if not item.supports(direction):
                continue
            given = _append_choices(candidates, vocabulary, item, item.prompt, direction)
            if item.prompt is not None and (number, target) not in alone:
                alone[number, target] = _append_choices(candidates, vocabulary, item, None, f"{target}->{target}")
            by_direction.setdefault(direction, []).append(_ItemCandidates(item, given, alone.get((number, target))))
    if not candidates:
        return {}
    sums = score(candidates)
    means = per_token(sums, candidates)
    return {direction: _summarize(scored, means, sums) for direction, scored in by_direction.items()}


def _append_choices(
    candidates: list[Candidate], vocabulary: Vocabulary, item: Contrast, prompt: TextAndSpeech | None, direction: str
) -> slice:
    """Append the choices of an item after a prompt to the candidates, and return where they are."""
    start = len(candidates)
    candidates += [make_candidate(vocabulary, prompt, choice, direction) for choice in item.choices]
    return slice(start, len(candidates))


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


def _summarize(scored: list[_ItemCandidates], means: np.ndarray, sums: np.ndarray) -> Accuracy:
    """Return the accuracy over the items of one direction.

    Args:
        scored: Where the choices of each item are among the candidates.
        means: Mean log-probability of a token of each candidate, (N,).
        sums: Sum of log-probabilities of each candidate, (N,).
    """
    hits = np.array([_hit_share(means[places.given]) for places in scored])
    hits_by_sum = np.array([_hit_share(sums[places.given]) for places in scored])
    informed_hits = []
    for places in scored:
        if places.alone is not None:
            informed_hits.append(_hit_share(sums[places.given] - sums[places.alone]))
    names = np.array([places.item.group for places in scored])
    groups = {name: proportion(hits[names == name]) for name in sorted(set(names.tolist()))}
    if set(groups) == {""}:
        groups = {}
    return Accuracy(
        per_token=proportion(hits),
        total=proportion(hits_by_sum),
        chance=float(np.mean([1 / len(places.item.choices) for places in scored])),
        hits=hits,
        groups=groups,
        mutual_information=proportion(np.array(informed_hits)) if informed_hits else None,
        mutual_information_hits=np.array(informed_hits),
    )


def _hit_share(scores: np.ndarray) -> float:
    """Return 1 if the right continuation, the first, has the highest of the scores (choices,); 1/k of a tie of k."""
    is_best = scores == scores.max()
    return float(is_best[0] / is_best.sum())
