"""How far an aligner's word starts are from exact ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from lhotse.cut import Cut

from zoo.corpora.utterance import Utterance, load_waveform, to_utterance
from zoo.forced_alignment.aligner import Aligner

WITHIN_SECONDS = (0.02, 0.05, 0.1)


@dataclass(frozen=True)
class WordStartErrors:
    """Errors of the word starts of a corpus.

    Args:
        utterances: Number of utterances with word times.
        words: Number of their words.
        aligned: Share of these words that were aligned.
        median: Median of the absolute error of the aligned words, in seconds.
        percentile_90: Its 90th percentile, in seconds.
        bias: Median of the signed error in seconds; positive where the aligner is late.
        within: Share of the aligned words within each of some errors in seconds.
        reasons: Id and reason of each utterance that could not be aligned.
    """

    utterances: int
    words: int
    aligned: float
    median: float
    percentile_90: float
    bias: float
    within: dict[float, float]
    reasons: dict[str, str] = field(repr=False, default_factory=dict)


def measure_word_starts(aligner: Aligner, cuts: Iterable[Cut]) -> WordStartErrors:
    """Align utterances whose word times are known, and compare the starts.

    Args:
        aligner: Aligner to be measured.
        cuts: Utterances; those without word times are left out.

    Raises:
        ValueError: No utterance has word times, or none could be aligned.
    """
    errors: list[float] = []
    reasons: dict[str, str] = {}
    num_utterances = 0
    num_words = 0
    for cut in cuts:
        utterance = to_utterance(cut)
        if not utterance.words:
            continue
        num_utterances += 1
        num_words += len(utterance.words)
        try:
            errors += start_errors(aligner, cut, utterance)
        except ValueError as error:
            reasons[utterance.id] = str(error)
    if num_utterances == 0:
        raise ValueError("no utterance has word times to compare with")
    if not errors:
        first = next(iter(reasons.items()))
        raise ValueError(f"none of {num_utterances} utterances could be aligned; the first: {first[0]}: {first[1]}")
    signed = np.array(errors)
    absolute = np.abs(signed)
    # The tolerance is for errors that are equal up to rounding.
    within = {limit: float(np.mean(absolute <= limit + 1e-9)) for limit in WITHIN_SECONDS}
    return WordStartErrors(
        utterances=num_utterances,
        words=num_words,
        aligned=len(errors) / num_words,
        median=float(np.median(absolute)),
        percentile_90=float(np.quantile(absolute, 0.9)),
        bias=float(np.median(signed)),
        within=within,
        reasons=reasons,
    )


def start_errors(aligner: Aligner, cut: Cut, utterance: Utterance) -> list[float]:
    """Return the signed error of each word start of one utterance in seconds.

    Raises:
        ValueError: The utterance could not be aligned, or its audio could not be read.
    """
    expected = utterance.words or ()
    words = [word for word, _, _ in expected]
    alignment = aligner.align(load_waveform(cut, aligner.sample_rate), words, utterance.language)
    errors = []
    for (_, start, _), (_, expected_start, _) in zip(alignment.words, expected, strict=True):
        errors.append(start - expected_start)
    return errors
