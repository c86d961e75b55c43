"""Check of a tokenizer on a new language: how well its units and text tokens cover it."""

from dataclasses import asdict, dataclass

import numpy as np

from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

MIN_ENTROPY_RATIO = 0.85
MAX_UNUSED_INCREASE = 0.2
RATE_RATIOS = (0.7, 1.4)
MAX_TEXT_TOKENS_RATIO = 1.5


@dataclass(frozen=True)
class Coverage:
    """Statistics of a tokenized corpus.

    Args:
        unit_entropy: Entropy of the phonetic tokens in bits; low if few units are used for all speech.
        unused_units: Share of the phonetic units that never occur.
        tokens_per_second: Deduplicated speech tokens per second.
        text_tokens_per_word: Text tokens per word, words being separated by spaces.
        text_tokens_per_character: Text tokens per character, for languages without spaces.
    """

    unit_entropy: float
    unused_units: float
    tokens_per_second: float
    text_tokens_per_word: float
    text_tokens_per_character: float

    def report(self) -> dict[str, float]:
        """Return the statistics as JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measure_coverage(vocabulary: Vocabulary, table: TokenTable) -> Coverage:
    """Count the units and text tokens of one split.

    Raises:
        ValueError: If no utterance has speech.
    """
    units = vocabulary.ranges[vocabulary.streams[0].prefix]
    counts = np.zeros(len(units), dtype=np.int64)
    seconds = 0.0
    speech_tokens = 0
    text_tokens = 0
    words = 0
    characters = 0
    for row in table:
        is_phonetic = (row.speech_ids >= units.start) & (row.speech_ids < units.stop)
        counts += np.bincount(row.speech_ids[is_phonetic] - units.start, minlength=len(units))
        seconds += row.duration
        speech_tokens += len(row.speech_ids)
        text_tokens += len(row.text_ids)
        words += len(row.text.split())
        characters += len(" ".join(row.text.split()))
    if not counts.sum():
        raise ValueError("no utterance has a speech token: nothing can be said about the units")
    shares = counts[counts > 0] / counts.sum()
    return Coverage(
        float(-(shares * np.log2(shares)).sum()),
        float((counts == 0).mean()),
        speech_tokens / max(seconds, 1e-9),
        text_tokens / max(words, 1),
        text_tokens / max(characters, 1),
    )


def coverage_warnings(new: Coverage, old: Coverage) -> list[str]:
    """Return what the tokenizer covers badly in the new language, one sentence each, with both numbers.

    Args:
        new: Statistics of the new language.
        old: Statistics of the language that tokenizer and vocabulary were trained on.
    """
    warnings = []
    if new.unit_entropy < MIN_ENTROPY_RATIO * old.unit_entropy:
        warnings.append(
            f"phonetic units carry {new.unit_entropy:.2f} bits in the new language, {old.unit_entropy:.2f} in the old "
            "one: sounds of the new language fall together; train the quantizer on both languages"
        )
    if new.unused_units > old.unused_units + MAX_UNUSED_INCREASE:
        warnings.append(
            f"{new.unused_units:.0%} of the units never occur in the new language, {old.unused_units:.0%} in the old "
            "one: the tokenizer was trained on other sounds; train it on both languages"
        )
    lowest, highest = RATE_RATIOS
    if not lowest <= new.tokens_per_second / max(old.tokens_per_second, 1e-9) <= highest:
        warnings.append(
            f"{new.tokens_per_second:.1f} speech tokens per second in the new language, {old.tokens_per_second:.1f} in "
            "the old one: the units change too often or too seldom for its sounds, or the recordings differ"
        )
    if new.text_tokens_per_character > MAX_TEXT_TOKENS_RATIO * old.text_tokens_per_character:
        warnings.append(
            f"{new.text_tokens_per_character:.2f} text tokens per character ({new.text_tokens_per_word:.1f} per word) "
            f"in the new language, {old.text_tokens_per_character:.2f} ({old.text_tokens_per_word:.1f}) in the old "
            "one: its letters are split into bytes; expect long sequences and slow learning, or build a vocabulary "
            "over a text tokenizer that covers it"
        )
    return warnings
