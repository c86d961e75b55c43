"""Checks of a cut, for corpora in all formats: its labels, its word and phoneme times, and its samples."""

from collections.abc import Sequence
from dataclasses import dataclass

from lhotse.cut import Cut

from zoo import audio
from zoo.corpora.labels import is_unicode
from zoo.corpora.origin import pop_origin
from zoo.corpora.utterance import Interval, Utterance, load_waveform, to_alignment, to_utterance
from zoo.corpora.word_times import repair_times

# Names of the alignments of a cut, and of the labels of an utterance that they are.
ALIGNMENTS = {"word": "words", "phone": "phonemes"}


@dataclass
class CheckedCut:
    """What the checks of a cut have found.

    Args:
        problem: Why the cut is unusable; None if it is not.
        times_problem: Why its word or phoneme times were removed; None if they were not.
        times_repaired: Whether its word or phoneme times were repaired.
        file: File that holds its labels; empty if it is not known.
        line: Number of the line in that file, from 1; None if it is not known.
    """

    problem: str | None = None
    times_problem: str | None = None
    times_repaired: bool = False
    file: str = ""
    line: int | None = None


def check_cut(cut: Cut, check_samples: bool) -> CheckedCut:
    """Check a cut, and repair its word and phoneme times or remove them, in place.

    Args:
        cut: Cut of one utterance.
        check_samples: Whether to decode its audio, to find NaN, infinity, channels that cancel and digital silence.
    """
    origin = pop_origin(cut)
    utterance = to_utterance(cut)
    checked = CheckedCut(times_problem=origin.times_problem, file=origin.file, line=origin.line)
    if utterance.duration <= 0:
        checked.problem = "zero length"
    else:
        checked.problem = _label_problem(utterance) or _sample_problem(cut, check_samples)
    if checked.problem is None:
        _repair(cut, utterance, checked)
    return checked


def _label_problem(utterance: Utterance) -> str | None:
    """Return which label has half of a surrogate pair; None if none has."""
    labels = {
        "id": utterance.id,
        "text": utterance.text,
        "language": utterance.language,
        "speaker": utterance.speaker,
        "style": str(utterance.style or ""),
    }
    for name, label in labels.items():
        if not is_unicode(label):
            return f"{name} has half of a surrogate pair, which is no character"
    return None


def _sample_problem(cut: Cut, check_samples: bool) -> str | None:
    if not check_samples:
        return None
    try:
        is_constant = audio.is_constant(load_waveform(cut))
        return "all samples are equal, as in digital silence" if is_constant else None
    except audio.AudioError as error:
        return str(error)


def _repair(cut: Cut, utterance: Utterance, checked: CheckedCut) -> None:
    """Repair the word and phoneme times of a cut or remove them, in place."""
    segment = cut.supervisions[0]
    alignment = dict(segment.alignment or {})
    for key, name in ALIGNMENTS.items():
        intervals = getattr(utterance, name)
        if intervals is None:
            continue
        try:
            if not all(is_unicode(label) for label, _, _ in intervals):
                raise ValueError("a label has half of a surrogate pair")
            times = repair_times(intervals, utterance.duration)
        except ValueError as error:
            checked.times_problem = f"{name}: {error}"
            del alignment[key]
        else:
            checked.times_repaired |= times.repaired
            if times.intervals != intervals:
                alignment[key] = to_alignment(times.intervals, _confidences(utterance, key, times.intervals))
    segment.alignment = alignment or None


def _confidences(utterance: Utterance, key: str, intervals: Sequence[Interval]) -> tuple[float, ...] | None:
    """Return the confidences of repaired word times; None if there are none or words were removed."""
    confidences = utterance.word_confidences
    if key != "word" or confidences is None or len(confidences) != len(intervals):
        return None
    return confidences
