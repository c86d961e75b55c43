"""Word and character error rates over a corpus, with intervals."""

from collections.abc import Sequence

import jiwer
import numpy as np

from zoo.evaluation.statistics import Estimate, ratio


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> Estimate:
    """Return errors per reference word, over all utterances; the interval is a bootstrap over utterances."""
    pairs = zip(references, hypotheses, strict=True)
    return _error_rate([jiwer.process_words(reference, hypothesis) for reference, hypothesis in pairs])


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> Estimate:
    """Return errors per reference character, over all utterances; the interval is a bootstrap over utterances."""
    pairs = zip(references, hypotheses, strict=True)
    return _error_rate([jiwer.process_characters(reference, hypothesis) for reference, hypothesis in pairs])


def _error_rate(alignments: Sequence[jiwer.WordOutput] | Sequence[jiwer.CharacterOutput]) -> Estimate:
    errors = np.array([counts.substitutions + counts.deletions + counts.insertions for counts in alignments])
    lengths = np.array([counts.substitutions + counts.deletions + counts.hits for counts in alignments])
    return ratio(errors, lengths)
