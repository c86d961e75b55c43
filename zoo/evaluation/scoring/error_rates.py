"""Word and character error rates of transcripts over a corpus, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np

from zoo.evaluation.scoring.text_normalization import TextNormalizer, normalizer_of
from zoo.evaluation.statistics import Estimate, ratio

# One language of all texts, or that of each.
Languages = str | None | Sequence[str | None]


@dataclass(frozen=True)
class TextErrors:
    """Errors of one transcript: substitutions, deletions and insertions.

    Args:
        errors: Number of errors.
        length: Number of words or characters of the reference.
    """

    errors: int
    length: int


def word_errors(reference: str, hypothesis: str, language: str | None = None) -> TextErrors:
    """Count the word errors of a transcript, after the normalization of its language."""
    normalize = normalizer_of(language)
    return _align(jiwer.process_words, normalize(reference), normalize(hypothesis), str.split)


def character_errors(reference: str, hypothesis: str, language: str | None = None) -> TextErrors:
    """Count the character errors of a transcript, spaces included, after the normalization of its language."""
    normalizer: TextNormalizer = normalizer_of(language)
    return _align(jiwer.process_characters, normalizer.characters(reference), normalizer.characters(hypothesis), list)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str], languages: Languages = None) -> Estimate:
    """Return errors per reference word over all utterances; the interval is a bootstrap over utterances.

    Args:
        references: Text of each utterance.
        hypotheses: Transcript of each utterance.
        languages: Language of all utterances or of each, which determines the normalization.

    Raises:
        ValueError: If no reference has a word.
    """
    return _error_rate(word_errors, references, hypotheses, languages)


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str], languages: Languages = None) -> Estimate:
    """Return errors per reference character over all utterances; the interval is a bootstrap over utterances.

    Args:
        references: Text of each utterance.
        hypotheses: Transcript of each utterance.
        languages: Language of all utterances or of each, which determines the normalization.

    Raises:
        ValueError: If no reference has a character.
    """
    return _error_rate(character_errors, references, hypotheses, languages)


def _error_rate(
    count_errors: Callable[[str, str, str | None], TextErrors],
    references: Sequence[str],
    hypotheses: Sequence[str],
    languages: Languages,
) -> Estimate:
    if languages is None or isinstance(languages, str):
        languages = [languages] * len(references)
    counted = []
    for reference, hypothesis, language in zip(references, hypotheses, languages, strict=True):
        counted.append(count_errors(reference, hypothesis, language))
    lengths = np.array([of_utterance.length for of_utterance in counted])
    if not lengths.sum():
        raise ValueError(f"none of {len(lengths)} references has a word after normalization: error rates need texts")
    return ratio(np.array([of_utterance.errors for of_utterance in counted]), lengths)


def _align(
    align: Callable[[str, str], jiwer.WordOutput | jiwer.CharacterOutput],
    reference: str,
    hypothesis: str,
    split: Callable[[str], list[str]],
) -> TextErrors:
    if not reference:  # jiwer refuses it; everything in the transcript is an insertion
        return TextErrors(len(split(hypothesis)), 0)
    alignment = align(reference, hypothesis)
    errors = alignment.substitutions + alignment.deletions + alignment.insertions
    return TextErrors(errors, alignment.substitutions + alignment.deletions + alignment.hits)
