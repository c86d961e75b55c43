"""Word and character error rates over a corpus, with intervals."""

from collections.abc import Callable, Sequence

import jiwer
import numpy as np

from zoo.evaluation.statistics import Estimate, ratio


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> Estimate:
    """Return errors per reference word, over all utterances; the interval is a bootstrap over utterances."""
    return _error_rate(jiwer.process_words, references, hypotheses)


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> Estimate:
    """Return errors per reference character, over all utterances; the interval is a bootstrap over utterances."""
    return _error_rate(jiwer.process_characters, references, hypotheses)


def _error_rate(
    align: Callable[[str, str], jiwer.WordOutput | jiwer.CharacterOutput],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> Estimate:
    errors = []
    lengths = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        alignment = align(reference, hypothesis)
        errors.append(alignment.substitutions + alignment.deletions + alignment.insertions)
        lengths.append(alignment.substitutions + alignment.deletions + alignment.hits)
    return ratio(np.array(errors), np.array(lengths))
