"""What the official Spirit LM release makes of a generated string: texts, and speech through a vocoder."""

import math
import random
from dataclasses import dataclass

from torch import Tensor

from zoo.interop.spiritlm.prompts import modality
from zoo.interop.spiritlm.strings import (
    does_end_with_speech_token,
    does_start_with_speech_token,
    find_prompt_last_speech_start_position,
    parse_speech_and_text,
)
from zoo.interop.spiritlm.vocoder import decode
from zoo.vocoder.vocoder import Vocoder

SHORTEST_SPEECH = 24  # phonetic units below which a later piece of speech is left out


@dataclass(frozen=True)
class Output:
    """One piece of what was generated.

    Args:
        kind: ``TEXT`` or ``SPEECH``.
        content: A text, or a waveform (N,).
    """

    kind: str
    content: str | Tensor


def decode_generated(
    vocoder: Vocoder, prompt: str, generated: str, to: str, speaker: int | None = None, rng: random.Random | None = None
) -> list[Output]:
    """Read what was generated after a prompt.

    Where any modality may come, speech that goes on from the prompt's is spoken together with it and then cut, so that it
    begins naturally; speech of under 24 new phonetic units is left out unless it comes first. As in the release, what is
    left out is spoken before, so that it fails, and draws missing styles, all the same.

    Args:
        vocoder: Of the official model.
        prompt: As ``build_prompt`` made it.
        generated: The decoded string, prompt included.
        to: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
        speaker: 2 if None.
        rng: Draws missing styles.

    Raises:
        ValueError: Where speech cannot be spoken: no units, or units without the pitch the vocoder needs.
    """
    to, new = modality(to), generated[len(prompt) :].strip()
    if to == "TEXT":
        return [Output("TEXT", new)]
    if to == "SPEECH":
        return [Output("SPEECH", decode(vocoder, new, speaker, rng=rng))]
    goes_on = does_end_with_speech_token(prompt) and does_start_with_speech_token(new)
    outputs = []
    for place, (content, kind) in enumerate(parse_speech_and_text(new)):
        if kind == "t":
            outputs.append(Output("TEXT", content))
            continue
        before = prompt[find_prompt_last_speech_start_position(prompt) or 0 :] if goes_on and place == 0 else ""
        waveform = decode(vocoder, before + content, speaker, rng=rng)
        old, new_units = before.count("[Hu"), content.count("[Hu")
        if before:
            waveform = waveform[math.ceil(len(waveform) * old / (old + new_units + 1)) :]
        if new_units >= SHORTEST_SPEECH or (place == 0 and not before):
            outputs.append(Output("SPEECH", waveform))
    return outputs
