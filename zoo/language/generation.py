"""Prompts of text and speech in any order, and what a language model makes of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LogitsProcessorList, PreTrainedModel, StoppingCriteriaList

from zoo.language.constraint import ModalityConstraint
from zoo.language.stopping import Lasting, SpeechSeconds, shortest_seconds
from zoo.seeds import seeded
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Args:
        max_new_tokens: Where generation stops if the model does not end it.
        temperature: 0 takes the likeliest token each time.
        top_p: Share of the probability that is drawn from.
        seed: Of the draws.
        max_speech_seconds: Where speech stops if the model does not end it; no limit if None.
    """

    max_new_tokens: int = 200
    temperature: float = 0.8
    top_p: float = 0.95
    seed: int = 0
    max_speech_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"want max_new_tokens >= 1, temperature >= 0 and 0 < top_p <= 1, got {self}")
        if self.max_speech_seconds is not None and self.max_speech_seconds <= 0:
            raise ValueError(f"want max_speech_seconds above 0, got {self.max_speech_seconds}")


@dataclass(frozen=True)
class Continuation:
    """What was generated.

    Args:
        pieces: Text and speech in order; neighbors differ in kind.
        ended: Whether the model ended it, rather than a limit.
    """

    pieces: list[str | Tokens]
    ended: bool

    @property
    def text(self) -> str:
        return " ".join(piece for piece in self.pieces if isinstance(piece, str))


def encode_prompt(vocabulary: Vocabulary, prompt: Sequence[str | Tokens], to: str) -> list[int]:
    """Ids of a prompt, with a marker at each change of modality and, last, that of the modality asked for.

    Raises:
        ValueError: At a piece without words or units.
    """
    ids, last = [vocabulary.bos], ""
    markers = {"text": vocabulary.text_marker, "speech": vocabulary.speech_marker}
    for piece in prompt:
        kind = "text" if isinstance(piece, str) else "speech"
        content = vocabulary.text.encode(piece) if isinstance(piece, str) else vocabulary.speech_ids(piece).tolist()
        if not content:
            raise ValueError(
                f"a {kind} piece of the prompt is empty: give it words, or more than a twelfth of a second of speech"
            )
        ids += content if kind == last else [markers[kind], *content]
        last = kind
    return ids if to in ("any", last) else [*ids, markers[to]]


@torch.inference_mode()
def generate(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[Sequence[str | Tokens]],
    to: str,
    sampling: Sampling = Sampling(),
    lasting: Lasting = shortest_seconds,
) -> list[Continuation]:
    """Continue a batch of prompts, each a sequence of texts and speech tokens.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        prompts: Any interleaving.
        to: ``text``, ``speech`` or ``any``.
        sampling: How tokens are chosen.
        lasting: Tells how long speech lasts, where that is limited.
    """
    ids, mask = _left_padded([encode_prompt(vocabulary, prompt, to) for prompt in prompts], vocabulary.eos)
    limit = room(network, ids.shape[1], sampling)
    chosen = (
        {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        if sampling.temperature
        else {"do_sample": False}
    )
    seconds = (
        SpeechSeconds(vocabulary, ids.shape[1], sampling.max_speech_seconds, lasting)
        if sampling.max_speech_seconds
        else None
    )
    with evaluating(network), seeded(sampling.seed, network.device):
        output = network.generate(
            input_ids=ids.to(network.device),
            attention_mask=mask.to(network.device),
            max_new_tokens=limit,
            logits_processor=LogitsProcessorList([ModalityConstraint(vocabulary, to)]),
            stopping_criteria=StoppingCriteriaList([seconds] if seconds else []),
            bos_token_id=vocabulary.bos,
            eos_token_id=vocabulary.eos,
            pad_token_id=vocabulary.eos,
            **chosen,
        )
    stopped = seconds.stopped.tolist() if seconds else [False] * len(ids)
    return [_continuation(vocabulary, row, cut) for row, cut in zip(output[:, ids.shape[1] :].cpu().numpy(), stopped)]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and back into its own whatever happens."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def room(network: PreTrainedModel, prompt_length: int, sampling: Sampling) -> int:
    """New tokens that are both asked for and readable.

    Raises:
        ValueError: Where the prompt alone is longer than the model can read.
    """
    longest = network.config.max_position_embeddings
    if prompt_length >= longest:
        raise ValueError(f"the prompt has {prompt_length} tokens; this model reads at most {longest - 1}")
    return min(longest - prompt_length, sampling.max_new_tokens)


def _left_padded(rows: list[list[int]], fill: int) -> tuple[Tensor, Tensor]:
    length = max(map(len, rows))
    ids = torch.tensor([[fill] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _continuation(vocabulary: Vocabulary, ids: np.ndarray, cut: bool) -> Continuation:
    ends = np.flatnonzero(ids == vocabulary.eos)
    ids = ids[: ends[0]] if len(ends) else ids
    units = (ids >= vocabulary.first_unit) & (ids < len(vocabulary))
    kept = ids < vocabulary.num_text
    pieces: list[str | Tokens] = []
    content, spoken = ids[units | kept], units[units | kept]
    for part in np.split(content, np.flatnonzero(spoken[1:] != spoken[:-1]) + 1) if len(content) else []:
        pieces.append(
            vocabulary.tokens(part) if part[0] >= vocabulary.first_unit else vocabulary.text.decode(part.tolist())
        )
    return Continuation(pieces, bool(len(ends)) and not cut)  # rows cut short are padded with the end token
