"""Streaming generation of tokens: text and speech tokens are yielded as soon as later ones cannot change them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, LogitsProcessorList, PreTrainedModel, TemperatureLogitsWarper, TopPLogitsWarper

from zoo.language.generation import Sampling, encode_prompt, num_new_tokens
from zoo.language.modality_constraint import ModalityConstraint
from zoo.language.stopping import SpeechDuration, SpeechSeconds, minimum_seconds
from zoo.tokens.merged_streams import Tokens
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Chunk:
    """New characters or speech tokens of a segment.

    Args:
        content: New characters, or new speech tokens.
        ends_segment: Whether this is the last chunk of its segment, before the modality changes or generation ends.
    """

    content: str | Tokens
    ends_segment: bool = False


def stream_ids(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompt: Sequence[str | Tokens],
    to: str,
    sampling: Sampling = Sampling(),
    duration: SpeechDuration = minimum_seconds,
) -> Iterator[int]:
    """Yield the ids of the continuation that ``generate`` would return, one by one.

    If the model ends the continuation, the last id is the end token.

    Args:
        network: Language model over the vocabulary, in evaluation mode.
        vocabulary: Vocabulary of text tokens and units.
        prompt: Texts and speech tokens in any order.
        to: Modality of the continuation: ``text``, ``speech`` or ``any``.
        sampling: How tokens are chosen.
        duration: Returns the duration of speech tokens, for ``sampling.max_speech_seconds``.

    Raises:
        ValueError: If the prompt has an empty segment, or is too long for the model's positions.
    """
    ids = torch.tensor([encode_prompt(vocabulary, prompt, to)], device=network.device)
    prompt_length = ids.shape[1]
    limit = num_new_tokens(network, prompt_length, sampling)
    processors = LogitsProcessorList([ModalityConstraint(vocabulary, to)])
    if sampling.temperature:
        processors += [TemperatureLogitsWarper(sampling.temperature), TopPLogitsWarper(sampling.top_p)]
    speech_limit = None
    if sampling.max_speech_seconds:
        speech_limit = SpeechSeconds(vocabulary, prompt_length, sampling.max_speech_seconds, duration)
    generator = torch.Generator(network.device).manual_seed(sampling.seed)
    cache = DynamicCache(config=network.config)
    input_ids = ids  # the prompt first, then one token at a time, since the cache covers all earlier tokens
    for _ in range(limit):
        with torch.inference_mode():
            output = network(input_ids=input_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            scores = processors(ids, output.logits[:, -1].float())  # pyrefly: ignore[bad-argument-type]  # LongTensor
            if sampling.temperature:
                input_ids = torch.multinomial(scores.softmax(-1), 1, generator=generator)
            else:
                input_ids = scores.argmax(-1, keepdim=True)
            ids = torch.cat([ids, input_ids], dim=1)
        yield int(input_ids)
        if int(input_ids) == vocabulary.eos:
            return
        if speech_limit is not None and bool(speech_limit(ids, None)[0]):
            return


def stream_chunks(vocabulary: Vocabulary, ids: Iterator[int], num_speech_tokens: int = 1) -> Iterator[Chunk]:
    """Decode ids to chunks of text and speech tokens.

    Text is held back while its last character is incomplete, since a token may encode only some bytes of a character.

    Args:
        vocabulary: Vocabulary of the ids.
        ids: New ids, as ``stream_ids`` yields them.
        num_speech_tokens: Number of speech tokens in a chunk; the last chunk of a segment may have fewer.
    """
    segment: _TextSegment | _SpeechSegment | None = None
    for token_id in ids:
        segment_type = _segment_type(vocabulary, token_id)
        if segment_type is None:
            continue
        if segment is not None and not isinstance(segment, segment_type):
            yield segment.last_chunk()
            segment = None
        if segment is None:
            segment = segment_type(vocabulary)
        chunk = segment.add(token_id, num_speech_tokens)
        if chunk is not None:
            yield chunk
    if segment is not None:
        yield segment.last_chunk()


class _TextSegment:
    """Current text segment: all its ids, and the characters that were already yielded."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.ids: list[int] = []
        self.yielded = ""

    def add(self, token_id: int, num_speech_tokens: int) -> Chunk | None:
        # All ids are decoded each time, because the characters of a token may depend on the token before it.
        self.ids.append(token_id)
        text = self.vocabulary.text.decode(self.ids)
        if len(text) <= len(self.yielded) or text.endswith("\ufffd"):
            return None
        chunk = Chunk(text[len(self.yielded) :])
        self.yielded = text
        return chunk

    def last_chunk(self) -> Chunk:
        return Chunk(self.vocabulary.text.decode(self.ids)[len(self.yielded) :], ends_segment=True)


class _SpeechSegment:
    """Current speech segment: the ids that were not yielded yet."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.ids: list[int] = []

    def add(self, token_id: int, num_speech_tokens: int) -> Chunk | None:
        self.ids.append(token_id)
        if len(self.ids) < num_speech_tokens:
            return None
        chunk = Chunk(self.vocabulary.tokens(np.array(self.ids)))
        self.ids = []
        return chunk

    def last_chunk(self) -> Chunk:
        return Chunk(self.vocabulary.tokens(np.array(self.ids, dtype=np.int64)), ends_segment=True)


def _segment_type(vocabulary: Vocabulary, token_id: int) -> type[_TextSegment] | type[_SpeechSegment] | None:
    """Return the kind of segment that a token belongs to; None for markers and the end token."""
    if vocabulary.first_unit <= token_id < len(vocabulary):
        return _SpeechSegment
    if token_id < vocabulary.num_text and token_id != vocabulary.eos:
        return _TextSegment
    return None
