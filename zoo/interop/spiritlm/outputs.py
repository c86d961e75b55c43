"""Conversion of generated strings to text and waveforms, as in the official Spirit LM release."""

import math
import random
from dataclasses import dataclass

from torch import Tensor

from zoo.interop.spiritlm.prompts import parse_modality
from zoo.interop.spiritlm.strings import (
    does_end_with_speech_token,
    does_start_with_speech_token,
    find_prompt_last_speech_start_position,
    parse_speech_and_text,
)
from zoo.interop.spiritlm.vocoder import decode
from zoo.vocoder.vocoder import Vocoder

MIN_PHONETIC_UNITS = 24  # of a speech segment that is not the first; shorter ones are dropped
PHONETIC_TOKEN = "[Hu"


@dataclass(frozen=True)
class Output:
    """A segment of a generated continuation.

    Args:
        kind: ``TEXT`` or ``SPEECH``.
        content: A text, or a waveform (N,).
    """

    kind: str
    content: str | Tensor


def decode_generated(
    vocoder: Vocoder | None,
    prompt: str,
    generated: str,
    to: str,
    speaker: int | None = None,
    rng: random.Random | None = None,
) -> list[Output]:
    """Convert the continuation of a prompt to texts and waveforms.

    If any modality may be generated, speech that continues the speech of the prompt is synthesized together with it,
    and the part of the prompt is cut off, so that the beginning sounds natural; a speech segment of fewer than 24 new
    phonetic units is dropped unless it comes first. As in the release, dropped segments are synthesized all the same:
    they may raise errors, and they draw missing styles.

    Args:
        vocoder: Vocoder of the official model. Only text can be decoded without one.
        prompt: Prompt as ``build_prompt`` returns it.
        generated: Decoded string of the prompt and its continuation.
        to: Modality of the continuation: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
        speaker: Index of the speaker. Defaults to 2.
        rng: Draws missing styles.

    Raises:
        ValueError: Speech cannot be synthesized: it has no phonetic units, or lacks the pitch that the vocoder needs,
            or there is no vocoder.
    """
    to = parse_modality(to)
    continuation = generated[len(prompt) :].strip()
    if to == "TEXT":
        return [Output("TEXT", continuation)]
    if vocoder is None:
        raise ValueError(f"to={to} needs a vocoder: give one, or generate text")
    if to == "SPEECH":
        return [Output("SPEECH", decode(vocoder, continuation, speaker, rng=rng))]
    continues_speech = does_end_with_speech_token(prompt) and does_start_with_speech_token(continuation)
    outputs = []
    for position, (content, kind) in enumerate(parse_speech_and_text(continuation)):
        if kind == "t":
            outputs.append(Output("TEXT", content))
            continue
        context = ""
        if continues_speech and position == 0:
            context = prompt[find_prompt_last_speech_start_position(prompt) or 0 :]
        waveform = decode(vocoder, context + content, speaker, rng=rng)
        num_new_units = content.count(PHONETIC_TOKEN)
        if context:
            # The cut is at the context's share of the units; the release counts one unit more in the denominator.
            num_context_units = context.count(PHONETIC_TOKEN)
            num_units = num_context_units + num_new_units + 1
            waveform = waveform[math.ceil(len(waveform) * num_context_units / num_units) :]
        is_first = position == 0 and not context
        if num_new_units >= MIN_PHONETIC_UNITS or is_first:
            outputs.append(Output("SPEECH", waveform))
    return outputs
