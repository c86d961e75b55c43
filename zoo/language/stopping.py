"""When enough has been said: a limit in seconds of speech."""

from collections.abc import Callable

import torch
from torch import Tensor
from transformers import StoppingCriteria

from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.vocoder import Vocoder

Lasting = Callable[[Tokens], float]


def shortest_seconds(tokens: Tokens) -> float:
    """Seconds that tokens last at least: one frame for each phonetic one."""
    first = tokens.streams[0]
    return len(tokens.of(first.prefix)) / first.rate


def spoken_seconds(vocoder: Vocoder) -> Lasting:
    """Seconds that a vocoder will speak, by its predicted durations; without a predictor, one frame for each phonetic token."""
    if vocoder.durations is None:
        return shortest_seconds

    def seconds(tokens: Tokens) -> float:
        units = torch.from_numpy(tokens.of(vocoder.streams[0].prefix)).to(vocoder.device)
        return int(vocoder.predicted(units).sum()) / vocoder.generator.unit_rate if len(units) else 0.0

    return seconds


class SpeechSeconds(StoppingCriteria):
    """Ends each row of a batch where its new speech lasts so long.

    Args:
        vocabulary: Of the ids.
        prompt_length: Ids of the prompt, padding included.
        seconds: Limit.
        lasting: Tells how long tokens last.

    Attributes:
        stopped: Rows that this has ended, rather than the model, (B,) once called.
    """

    def __init__(self, vocabulary: Vocabulary, prompt_length: int, seconds: float, lasting: Lasting) -> None:
        self.vocabulary, self.prompt_length, self.seconds, self.lasting = vocabulary, prompt_length, seconds, lasting
        self.stopped: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor | None) -> Tensor:
        """Which rows of ids (B, T) are long enough, (B,)."""
        new = input_ids[:, self.prompt_length :]
        done = torch.tensor(
            [self.lasting(self.vocabulary.tokens(row)) >= self.seconds for row in new.cpu().numpy()],
            device=input_ids.device,
        )
        ended = (new == self.vocabulary.eos).any(1)
        self.stopped = done & ~ended | (self.stopped if self.stopped is not None else torch.zeros_like(done))
        return done
