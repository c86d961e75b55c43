"""Right against wrong: the share of items whose right continuation is the likeliest one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from zoo.evaluation.scoring.likelihood import log_likelihoods, per_token
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.statistics import Estimate, proportion
from zoo.tokens.vocabulary import Vocabulary

TEXT_TO_TEXT, SPEECH_TO_SPEECH, SPEECH_TO_TEXT, TEXT_TO_SPEECH = "T->T", "S->S", "S->T", "T->S"
DIRECTIONS = (TEXT_TO_TEXT, SPEECH_TO_SPEECH, SPEECH_TO_TEXT, TEXT_TO_SPEECH)

# Sums of log-probabilities (N,) of the continuations of candidates.
Scorer = Callable[[Sequence[Candidate]], np.ndarray]


@dataclass(frozen=True)
class TextAndSpeech:
    """The same words twice: ids of the text (L,) and of the speech (N,), without markers; None where there is none."""

    text: np.ndarray | None
    speech: np.ndarray | None

    def of(self, modality: str) -> np.ndarray | None:
        return self.text if modality == "T" else self.speech


@dataclass(frozen=True)
class Contrast:
    """A prompt, its right continuation and one or more wrong ones.

    Args:
        prompt: None where the continuations stand by themselves, as single words do.
        right: Continuation.
        wrong: Others.
        group: What kind of item it is; figures are also given by group.
        id: Its name.
    """

    prompt: TextAndSpeech | None
    right: TextAndSpeech
    wrong: tuple[TextAndSpeech, ...]
    group: str = ""
    id: str = ""

    @property
    def choices(self) -> tuple[TextAndSpeech, ...]:
        return (self.right, *self.wrong)

    def serves(self, direction: str) -> bool:
        """Whether all that the direction needs is there; without a prompt there is no change of modality."""
        first, second = direction.split("->")
        if any(choice.of(second) is None for choice in self.choices):
            return False
        return first == second if self.prompt is None else self.prompt.of(first) is not None


@dataclass(frozen=True)
class Accuracy:
    """Share of items where the right continuation wins; of several that are likeliest, each wins an equal share.

    Args:
        per_token: By mean log-probability of a token, as in the main tables of Spirit LM.
        total: By the sum.
        chance: What guessing would reach.
        hits: By mean log-probability, of each item, (n,).
        groups: The same by group of items, where there are groups.
    """

    per_token: Estimate
    total: Estimate
    chance: float = 0.5
    hits: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    groups: dict[str, Estimate] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        report = {
            **self.per_token.named("accuracy"),
            "by_sum": self.total.named("accuracy"),
            "chance": round(self.chance, 4),
        }
        return report | (
            {"groups": {name: one.named("accuracy") for name, one in self.groups.items()}} if self.groups else {}
        )


def given(vocabulary: Vocabulary, prompt: TextAndSpeech | None, direction: str) -> np.ndarray:
    """Ids (N,) of a prompt, the marker of the modality that follows among them."""
    markers = {"T": [vocabulary.text_marker], "S": [vocabulary.speech_marker]}
    first, second = direction.split("->")
    switch = markers[second] if first != second else []
    return np.concatenate(
        [[vocabulary.bos], markers[first], [] if prompt is None else prompt.of(first), switch]
    ).astype(np.int64)


def candidate(
    vocabulary: Vocabulary, prompt: TextAndSpeech | None, continuation: TextAndSpeech, direction: str
) -> Candidate:
    """A prompt and one continuation; the marker of a new modality belongs to the prompt."""
    return Candidate(given(vocabulary, prompt, direction), continuation.of(direction[-1]))


def accuracies(
    score: Scorer, vocabulary: Vocabulary, items: Sequence[Contrast], directions: Sequence[str] = DIRECTIONS
) -> dict[str, Accuracy]:
    """Score several directions at once, so that what they share is computed once; those that no item serves are left out.

    Args:
        score: Such as ``partial(log_likelihoods, network)``, or a unigram model's.
        vocabulary: Of the network.
        items: All of one suite.
        directions: Of ``DIRECTIONS``.
    """
    plan = [(way, item) for way in directions for item in items if item.serves(way)]
    if not plan:
        return {}
    flat = [candidate(vocabulary, item.prompt, choice, way) for way, item in plan for choice in item.choices]
    sums = score(flat)
    means, ends = per_token(sums, flat), np.cumsum([len(item.choices) for _, item in plan])
    by_mean, by_sum = (np.array([_share(part) for part in np.split(scores, ends[:-1])]) for scores in (means, sums))
    found = {}
    for way in dict.fromkeys(way for way, _ in plan):
        of_way = np.array([one == way for one, _ in plan])
        found[way] = _accuracy([item for one, item in plan if one == way], by_mean[of_way], by_sum[of_way])
    return found


def accuracy(network: nn.Module, vocabulary: Vocabulary, items: Sequence[Contrast], direction: str) -> Accuracy:
    """Score one of the ``DIRECTIONS`` over all items.

    Raises:
        ValueError: Where no item serves it.
    """
    found = accuracies(
        lambda flat: log_likelihoods(network, flat, title=f"score {direction}"), vocabulary, items, (direction,)
    )
    if direction not in found:
        raise ValueError(f"none of {len(items)} items has what {direction} needs")
    return found[direction]


def _accuracy(items: list[Contrast], hits: np.ndarray, by_sum: np.ndarray) -> Accuracy:
    names = np.array([item.group for item in items])
    groups = {name: proportion(hits[names == name]) for name in sorted(set(names.tolist()))}
    chance = float(np.mean([1 / len(item.choices) for item in items]))
    return Accuracy(proportion(hits), proportion(by_sum), chance, hits, groups if set(groups) != {""} else {})


def _share(scores: np.ndarray) -> float:
    """What the right continuation, the first, gets of one item: scores (choices,)."""
    best = scores == scores.max()
    return float(best[0] / best.sum())
