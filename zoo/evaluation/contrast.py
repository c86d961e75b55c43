"""Right against wrong: the share of items whose right continuation is the likelier one."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from zoo.evaluation.intervals import Estimate, proportion
from zoo.evaluation.likelihood import Candidate, log_likelihoods, per_token
from zoo.tokens.vocabulary import Vocabulary

TEXT_TO_TEXT, SPEECH_TO_SPEECH, SPEECH_TO_TEXT, TEXT_TO_SPEECH = "T->T", "S->S", "S->T", "T->S"
DIRECTIONS = (TEXT_TO_TEXT, SPEECH_TO_SPEECH, SPEECH_TO_TEXT, TEXT_TO_SPEECH)


@dataclass(frozen=True)
class Both:
    """The same words twice: ids of the text (L,) and of the speech (N,), without markers."""

    text: np.ndarray
    speech: np.ndarray


@dataclass(frozen=True)
class Contrast:
    """A prompt and two continuations, the first being right."""

    prompt: Both
    right: Both
    wrong: Both


@dataclass(frozen=True)
class Accuracy:
    """Share of items where the right continuation wins, a tie counting one half.

    Args:
        per_token: By mean log-probability of a token, as in the main tables of Spirit LM.
        total: By the sum.
    """

    per_token: Estimate
    total: Estimate

    def report(self) -> dict:
        return {**self.per_token.named("accuracy"), "by_sum": self.total.named("accuracy")}


def candidate(vocabulary: Vocabulary, prompt: Both, continuation: Both, direction: str) -> Candidate:
    """Ids of one prompt and continuation; the marker of a new modality belongs to the prompt."""
    markers = {"T": [vocabulary.text_marker], "S": [vocabulary.speech_marker]}
    first, second = direction.split("->")
    parts = {"T": lambda both: both.text, "S": lambda both: both.speech}
    switch = markers[second] if first != second else []
    return Candidate(np.concatenate([[vocabulary.bos], markers[first], parts[first](prompt), switch]).astype(np.int64),
                     parts[second](continuation))


def accuracy(network: nn.Module, vocabulary: Vocabulary, items: Sequence[Contrast], direction: str) -> Accuracy:
    """Score one of the ``DIRECTIONS`` over all items."""
    pairs = [(candidate(vocabulary, item.prompt, item.right, direction), candidate(vocabulary, item.prompt, item.wrong, direction))
             for item in items]
    flat = [one for pair in pairs for one in pair]
    sums = log_likelihoods(network, flat, title=f"score {direction}")
    return Accuracy(proportion(_wins(per_token(sums, flat))), proportion(_wins(sums)))


def _wins(scores: np.ndarray) -> np.ndarray:
    right, wrong = scores[0::2], scores[1::2]
    return np.where(right == wrong, 0.5, right > wrong)
