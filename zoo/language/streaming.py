"""Generation piece by piece: text and speech as soon as they are certain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, LogitsProcessorList, PreTrainedModel, TemperatureLogitsWarper, TopPLogitsWarper

from zoo.language.constraint import ModalityConstraint
from zoo.language.generation import Sampling, encode_prompt, room
from zoo.language.stopping import Lasting, SpeechSeconds, shortest_seconds
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Piece:
    """A stretch of one modality, as much of it as is new.

    Args:
        content: New characters, or new speech tokens.
        ends: Whether the stretch ends here, because the modality changes or nothing follows.
    """

    content: str | Tokens
    ends: bool = False


def stream_ids(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompt: Sequence[str | Tokens],
    to: str,
    sampling: Sampling = Sampling(),
    lasting: Lasting = shortest_seconds,
) -> Iterator[int]:
    """Yield the new ids one by one, the end token last if the model ends: those that ``generate`` would return at once.

    Args:
        network: Over the vocabulary, in evaluation mode.
        vocabulary: Numbers text and units.
        prompt: Any interleaving of texts and speech tokens.
        to: ``text``, ``speech`` or ``any``.
        sampling: How tokens are chosen.
        lasting: Tells how long speech lasts, where that is limited.
    """
    ids = torch.tensor([encode_prompt(vocabulary, prompt, to)], device=network.device)
    limit, length = room(network, ids.shape[1], sampling), ids.shape[1]
    adjust = LogitsProcessorList([ModalityConstraint(vocabulary, to)])
    if sampling.temperature:
        adjust += [TemperatureLogitsWarper(sampling.temperature), TopPLogitsWarper(sampling.top_p)]
    seconds = (
        SpeechSeconds(vocabulary, length, sampling.max_speech_seconds, lasting) if sampling.max_speech_seconds else None
    )
    draw = torch.Generator(network.device).manual_seed(sampling.seed)
    cache, given = DynamicCache(config=network.config), ids
    for _ in range(limit):
        with torch.inference_mode():
            logits = (
                network(input_ids=given, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].float()
            )
            scores = adjust(ids, logits)
            given = (
                torch.multinomial(scores.softmax(-1), 1, generator=draw)
                if sampling.temperature
                else scores.argmax(-1, keepdim=True)
            )
            ids = torch.cat([ids, given], dim=1)
        yield int(given)
        if int(given) == vocabulary.eos or (seconds is not None and bool(seconds(ids, None)[0])):
            return


def stream_pieces(vocabulary: Vocabulary, ids: Iterator[int], speech_tokens: int = 1) -> Iterator[Piece]:
    """Turn ids into new characters and new speech tokens.

    Text is held back while its last character is incomplete, since a piece may be a part of one.

    Args:
        vocabulary: Of the ids.
        ids: As ``stream_ids`` yields them.
        speech_tokens: Held back until there are so many, or until the stretch ends.
    """
    kind, waiting, run, said = "", [], [], ""
    for number in ids:
        now = (
            "speech"
            if vocabulary.first_unit <= number < len(vocabulary)
            else "text"
            if number < vocabulary.num_text and number != vocabulary.eos
            else ""
        )
        if not now:
            continue
        if kind and now != kind:
            yield _last(vocabulary, kind, run, said, waiting)
            waiting, run, said = [], [], ""
        kind = now
        if kind == "speech":
            waiting.append(number)
            if len(waiting) >= speech_tokens:
                yield Piece(vocabulary.tokens(np.array(waiting)))
                waiting = []
        else:
            run.append(number)
            text = vocabulary.text.decode(run)
            if len(text) > len(said) and not text.endswith("\ufffd"):
                yield Piece(text[len(said) :])
                said = text
    if kind:
        yield _last(vocabulary, kind, run, said, waiting)


def _last(vocabulary: Vocabulary, kind: str, run: list[int], said: str, waiting: list[int]) -> Piece:
    return Piece(
        vocabulary.tokens(np.array(waiting, dtype=np.int64))
        if kind == "speech"
        else vocabulary.text.decode(run)[len(said) :],
        ends=True,
    )
