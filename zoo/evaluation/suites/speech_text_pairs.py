"""Speech and its transcript against those of other utterances."""

import random

from zoo.evaluation.scoring.contrast import Contrast, TextAndSpeech
from zoo.tokens.store import TokenTable


def paired_items(table: TokenTable, seed: int = 0, limit: int | None = None) -> list[Contrast]:
    """Contrasts whose prompt and right continuation are one utterance; the wrong one is another with a different text.

    Scored in S->T, the speech is given and its transcript stands against another's; in T->S the other way round. The
    other has as many words, wherever there is one such.

    Args:
        table: Utterances without text or speech are left out.
        seed: Of the choice of the others.
        limit: Most items; all if None.

    Raises:
        ValueError: Where all texts are the same.
    """
    draw, rows = random.Random(seed), [row for row in table if len(row.text_ids) and len(row.speech_ids)]
    items = []
    for row in rows[:limit]:
        others = [other for other in rows if other.text != row.text]
        if not others:
            raise ValueError(f"all {len(rows)} utterances say {row.text!r}: nothing to hold against it")
        equally_long = [other for other in others if len(other.text.split()) == len(row.text.split())]
        other = draw.choice(equally_long or others)
        both = TextAndSpeech(row.text_ids, row.speech_ids)
        items.append(Contrast(both, both, (TextAndSpeech(other.text_ids, other.speech_ids),), id=row.id))
    return items
