"""Stopping criterion that limits the duration of generated speech."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import StoppingCriteria

from zoo.tokens.merged_streams import Tokens
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.vocoder import Vocoder

SpeechDuration = Callable[[Tokens], float]
"""A function that returns the duration of speech tokens, in seconds."""


def minimum_seconds(tokens: Tokens) -> float:
    """Return the shortest duration that speech tokens can have, in seconds: one frame for each phonetic unit."""
    phonetic = tokens.streams[0]
    return len(tokens.of(phonetic.prefix)) / phonetic.rate


def predicted_seconds(vocoder: Vocoder) -> SpeechDuration:
    """Return a function that returns the duration of speech tokens predicted by a vocoder, in seconds.

    For a vocoder without a duration predictor, the function is ``minimum_seconds``.
    """
    if vocoder.durations is None:
        return minimum_seconds

    def seconds(tokens: Tokens) -> float:
        units = torch.from_numpy(tokens.of(vocoder.streams[0].prefix)).to(vocoder.device)
        if not len(units):
            return 0.0
        return int(vocoder.predicted(units).sum()) / vocoder.generator.unit_rate

    return seconds


class SpeechSeconds(StoppingCriteria):
    """Ends each row of a batch once its generated speech reaches a duration.

    Args:
        vocabulary: Vocabulary of the ids.
        prompt_length: Number of ids in the prompt, padding included; speech in the prompt does not count.
        seconds: Largest duration of generated speech, in seconds.
        duration: Function that returns the duration of speech tokens, in seconds.

    Attributes:
        stopped: Whether this criterion, rather than the model, has ended each row, (B,); None before the first call.
    """

    def __init__(self, vocabulary: Vocabulary, prompt_length: int, seconds: float, duration: SpeechDuration) -> None:
        self.vocabulary = vocabulary
        self.prompt_length = prompt_length
        self.seconds = seconds
        self.duration = duration
        self.stopped: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor | None) -> Tensor:
        """Return whether the speech in each row of ``input_ids`` (B, T) has reached the limit, (B,)."""
        new_ids = input_ids[:, self.prompt_length :]
        is_long_enough = []
        for row in new_ids.cpu().numpy():
            is_long_enough.append(self.duration(self.vocabulary.tokens(row)) >= self.seconds)
        done = torch.tensor(is_long_enough, device=input_ids.device)
        # A row that the model has ended stays in the batch, padded with the end token: it does not count as stopped.
        stopped = done & ~(new_ids == self.vocabulary.eos).any(1)
        if self.stopped is not None:
            stopped = stopped | self.stopped
        self.stopped = stopped
        return done
