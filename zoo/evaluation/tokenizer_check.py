"""How well the units and text pieces of one language fit another."""

from dataclasses import asdict, dataclass

import numpy as np

from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Coverage:
    """What a tokenized corpus looks like in numbers.

    Args:
        unit_entropy: Of the phonetic tokens, in bits; low where few units carry all of it.
        unused_units: Share of the phonetic units that never occur.
        tokens_per_second: Speech tokens, deduplicated.
        text_tokens_per_word: Words are what spaces part.
        text_tokens_per_character: For languages without spaces.
    """

    unit_entropy: float
    unused_units: float
    tokens_per_second: float
    text_tokens_per_word: float
    text_tokens_per_character: float

    def report(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measure_coverage(vocabulary: Vocabulary, table: TokenTable) -> Coverage:
    """Count units and text pieces of one split.

    Raises:
        ValueError: Where no utterance has speech.
    """
    units, seconds, text_tokens, words, characters, spoken = (
        vocabulary.ranges[vocabulary.streams[0].prefix],
        0.0,
        0,
        0,
        0,
        0,
    )
    counts = np.zeros(len(units), dtype=np.int64)
    for row in table:
        own = row.speech_ids[(row.speech_ids >= units.start) & (row.speech_ids < units.stop)] - units.start
        counts += np.bincount(own, minlength=len(units))
        seconds, spoken, text_tokens = (
            seconds + row.duration,
            spoken + len(row.speech_ids),
            text_tokens + len(row.text_ids),
        )
        words, characters = words + len(row.text.split()), characters + len(" ".join(row.text.split()))
    if not counts.sum():
        raise ValueError("no utterance has a speech token: nothing can be said about the units")
    share = counts[counts > 0] / counts.sum()
    return Coverage(
        float(-(share * np.log2(share)).sum()),
        float((counts == 0).mean()),
        spoken / max(seconds, 1e-9),
        text_tokens / max(words, 1),
        text_tokens / max(characters, 1),
    )


def coverage_warnings(new: Coverage, old: Coverage) -> list[str]:
    """What fits the new language badly, one sentence each, with both numbers.

    Args:
        new: Of the new language.
        old: Of the language that tokenizer and vocabulary were made on.
    """
    found = []
    if new.unit_entropy < 0.85 * old.unit_entropy:
        found.append(
            f"phonetic units carry {new.unit_entropy:.2f} bits in the new language, {old.unit_entropy:.2f} in the old one: "
            "sounds of the new language fall together; train the quantizer on both languages"
        )
    if new.unused_units > old.unused_units + 0.2:
        found.append(
            f"{new.unused_units:.0%} of the units never occur in the new language, {old.unused_units:.0%} in the old one: "
            "the tokenizer knows other sounds; train it on both languages"
        )
    if not 0.7 <= new.tokens_per_second / max(old.tokens_per_second, 1e-9) <= 1.4:
        found.append(
            f"{new.tokens_per_second:.1f} speech tokens a second in the new language, {old.tokens_per_second:.1f} in the old one: "
            "the units change too often or too seldom for its sounds, or the recordings differ"
        )
    if new.text_tokens_per_character > 1.5 * old.text_tokens_per_character:
        found.append(
            f"{new.text_tokens_per_character:.2f} text tokens a character ({new.text_tokens_per_word:.1f} a word) in the new language, "
            f"{old.text_tokens_per_character:.2f} ({old.text_tokens_per_word:.1f}) in the old one: its letters are cut into bytes; "
            "expect long sequences and slow learning, or build a vocabulary over a text tokenizer that knows it"
        )
    return found
