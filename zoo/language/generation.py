"""Continue prompts of text and speech, in any order, with a language model."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LogitsProcessorList, PreTrainedModel, StoppingCriteriaList

from zoo.language.modality_constraint import ModalityConstraint
from zoo.language.position_limits import max_positions
from zoo.language.stopping import SpeechDuration, SpeechSeconds, minimum_seconds
from zoo.ranges import PositiveShare, SamplingTemperature, Seconds, Seed, Size, check_ranges
from zoo.seeds import seeded
from zoo.suggestions import suggest
from zoo.tokens.merged_streams import Tokens
from zoo.tokens.vocabulary import Vocabulary

MODALITIES = ("text", "speech", "any")


@dataclass(frozen=True)
class Sampling:
    """Settings by which the next token is chosen and generation is limited.

    Args:
        max_new_tokens: Number of tokens after which generation stops if the model does not end it.
        temperature: Divisor of the logits before sampling; 0 selects the most likely token (greedy decoding).
        top_p: Probability mass that nucleus sampling draws from, above 0 and at most 1.
        seed: Seed of the random draws.
        max_speech_seconds: Duration of generated speech, in seconds, after which generation stops if the model does
            not end it. Defaults to no limit.
        num_beams: Number of beams of the beam search at temperature 0; 1 is greedy decoding.

    Raises:
        ValueError: If a value is out of its range.
    """

    max_new_tokens: Size = 200
    temperature: SamplingTemperature = 0.8
    top_p: PositiveShare = 0.95
    seed: Seed = 0
    max_speech_seconds: Seconds | None = None
    num_beams: Size = 1

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.num_beams > 1 and (self.temperature > 0 or self.max_speech_seconds is not None):
            raise ValueError(
                f"num_beams={self.num_beams}: a beam search needs temperature 0 and no max_speech_seconds, got {self}"
            )


@dataclass(frozen=True)
class Continuation:
    """The generated continuation of one prompt.

    Args:
        segments: Segments of text and speech in order; neighbors differ in modality.
        ended: Whether the model ended the continuation with the end token, rather than a limit.
    """

    segments: list[str | Tokens]
    ended: bool

    @property
    def text(self) -> str:
        """The text segments, joined by spaces."""
        return " ".join(segment for segment in self.segments if isinstance(segment, str))


def encode_prompt(vocabulary: Vocabulary, prompt: Sequence[str | Tokens], to: str) -> list[int]:
    """Return the ids of a prompt, with a marker at each change of modality and at the start of the continuation.

    Args:
        vocabulary: Vocabulary of the network.
        prompt: Texts and speech tokens in any order.
        to: Modality of the continuation: ``text``, ``speech``, or ``any``, which adds no marker at the end.

    Raises:
        ValueError: If ``to`` is none of them, or a segment of the prompt has no words or units.
    """
    if to not in MODALITIES:
        raise ValueError(f"to={to!r}: want one of {', '.join(MODALITIES)}; {suggest(to, MODALITIES)}")
    ids = [vocabulary.bos]
    last_modality = ""
    markers = {"text": vocabulary.text_marker, "speech": vocabulary.speech_marker}
    for segment in prompt:
        if isinstance(segment, str):
            modality = "text"
            segment_ids = vocabulary.text.encode(segment)
        else:
            modality = "speech"
            segment_ids = vocabulary.speech_ids(segment).tolist()
        if not segment_ids:
            raise ValueError(
                f"a {modality} segment of the prompt is empty: "
                "give it words, or more than a twelfth of a second of speech"
            )
        if modality != last_modality:
            ids.append(markers[modality])
        ids += segment_ids
        last_modality = modality
    if to not in ("any", last_modality):
        ids.append(markers[to])
    return ids


@torch.inference_mode()
def generate(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[Sequence[str | Tokens]],
    to: str,
    sampling: Sampling = Sampling(),
    duration: SpeechDuration = minimum_seconds,
) -> list[Continuation]:
    """Continue a batch of prompts, each a sequence of texts and speech tokens.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text tokens and units.
        prompts: Prompts with any interleaving of text and speech.
        to: Modality of the continuations: ``text``, ``speech`` or ``any``.
        sampling: How tokens are chosen.
        duration: Returns the duration of speech tokens, for ``sampling.max_speech_seconds``.

    Raises:
        ValueError: If a prompt has an empty segment, or is too long for the model's positions.
    """
    ids, mask = _left_padded([encode_prompt(vocabulary, prompt, to) for prompt in prompts], vocabulary.eos)
    prompt_length = ids.shape[1]
    speech_limit = None
    if sampling.max_speech_seconds:
        speech_limit = SpeechSeconds(vocabulary, prompt_length, sampling.max_speech_seconds, duration)
    with eval_mode(network), seeded(sampling.seed, network.device):
        output = network.generate(  # pyrefly: ignore[not-callable]  # declared by a mixin of the causal models
            input_ids=ids.to(network.device),
            attention_mask=mask.to(network.device),
            max_new_tokens=num_new_tokens(network, prompt_length, sampling),
            logits_processor=LogitsProcessorList([ModalityConstraint(vocabulary, to)]),
            stopping_criteria=StoppingCriteriaList([speech_limit] if speech_limit else []),
            bos_token_id=vocabulary.bos,
            eos_token_id=vocabulary.eos,
            pad_token_id=vocabulary.eos,
            **_decoding(sampling),
        )
    stopped = [False] * len(ids)
    if speech_limit is not None and speech_limit.stopped is not None:
        stopped = speech_limit.stopped.tolist()
    continuations = []
    for new_ids, was_stopped in zip(output[:, prompt_length:].cpu().numpy(), stopped, strict=True):
        continuations.append(_to_continuation(vocabulary, new_ids, was_stopped))
    return continuations


def _decoding(sampling: Sampling) -> dict[str, Any]:
    """Return the arguments of transformers' ``generate`` for greedy decoding, beam search or nucleus sampling."""
    if sampling.temperature == 0:
        return {"do_sample": False, "num_beams": sampling.num_beams}
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}


@contextmanager
def eval_mode(network: nn.Module) -> Generator[None, None, None]:
    """Put a network into evaluation mode for the duration of a context, then restore its previous mode."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def num_new_tokens(network: PreTrainedModel, prompt_length: int, sampling: Sampling) -> int:
    """Return ``sampling.max_new_tokens``, or the number of positions left after the prompt if it is smaller.

    Raises:
        ValueError: If the prompt leaves no position for a new token.
    """
    num_positions = max_positions(network)
    if prompt_length >= num_positions:
        raise ValueError(f"the prompt has {prompt_length} tokens; this model reads at most {num_positions - 1}")
    return min(num_positions - prompt_length, sampling.max_new_tokens)


def _left_padded(rows: list[list[int]], fill: int) -> tuple[Tensor, Tensor]:
    """Pad rows on the left to the same length and return ids and attention mask, (B, T) each."""
    length = max(map(len, rows))
    ids = torch.tensor([[fill] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def _to_continuation(vocabulary: Vocabulary, ids: np.ndarray, was_stopped: bool) -> Continuation:
    """Decode generated ids (T,), which may be padded with the end token.

    Args:
        vocabulary: Vocabulary of the ids.
        ids: New ids of one row of the batch.
        was_stopped: Whether the limit on the duration of speech ended the row, so that an end token in it is padding.
    """
    end_positions = np.flatnonzero(ids == vocabulary.eos)
    if len(end_positions):
        ids = ids[: end_positions[0]]
    is_unit = (ids >= vocabulary.first_unit) & (ids < len(vocabulary))
    is_content = is_unit | (ids < vocabulary.num_text)  # neither markers nor padding rows of the embedding matrix
    content = ids[is_content]
    is_speech = is_unit[is_content]
    changes = np.flatnonzero(is_speech[1:] != is_speech[:-1]) + 1
    segments: list[str | Tokens] = []
    for segment in np.split(content, changes) if len(content) else []:
        if segment[0] >= vocabulary.first_unit:
            segments.append(vocabulary.tokens(segment))
        else:
            segments.append(vocabulary.text.decode(segment.tolist()))
    return Continuation(segments, bool(len(end_positions)) and not was_stopped)
