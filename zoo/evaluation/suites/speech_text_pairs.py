"""Contrasts between an utterance's own transcript or speech and that of another utterance."""

import random

from zoo.evaluation.suites.contrast_suite import Contrast
from zoo.evaluation.suites.text_and_speech import TextAndSpeech
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import TokenTable


def make_pair_contrasts(table: TokenTable, seed: int = 0, limit: int | None = None) -> list[Contrast]:
    """Make contrasts whose prompt and right continuation are the same utterance and whose wrong one is another.

    In direction S->T the prompt is the speech, and its transcript is compared with that of another utterance; in T->S
    the prompt is the transcript. The other utterance has a different text, of as many words where possible.

    Args:
        table: Tokenized utterances; those without text or speech are left out.
        seed: Seed of the choice of the other utterances.
        limit: Maximum number of contrasts; all if None.

    Raises:
        ValueError: If all texts are the same.
    """
    draw = random.Random(seed)
    utterances = [row for row in table if len(row.text_ids) and len(row.speech_ids)]
    contrasts = []
    for utterance in utterances[:limit]:
        other = _draw_other(utterance, utterances, draw)
        content = TextAndSpeech(utterance.text_ids, utterance.speech_ids)
        other_content = TextAndSpeech(other.text_ids, other.speech_ids)
        contrasts.append(Contrast(content, content, (other_content,), id=utterance.id))
    return contrasts


def _draw_other(utterance: TokenRow, utterances: list[TokenRow], draw: random.Random) -> TokenRow:
    """Draw an utterance of a different text, of as many words if possible."""
    others = [other for other in utterances if other.text != utterance.text]
    if not others:
        raise ValueError(
            f"all {len(utterances)} utterances have the text {utterance.text!r}: contrasts need different texts"
        )
    num_words = len(utterance.text.split())
    equally_long = [other for other in others if len(other.text.split()) == num_words]
    return draw.choice(equally_long or others)
