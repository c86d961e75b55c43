"""Word and phone times in Praat TextGrids, as the Montreal Forced Aligner and MAUS write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from praatio import textgrid
from praatio.data_classes.interval_tier import IntervalTier
from praatio.utilities.constants import Interval as TextGridInterval
from praatio.utilities.errors import PraatioException

from zoo.corpora.utterance import Interval
from zoo.error_messages import one_line
from zoo.files import atomic_file, is_special

# Names of tiers without case; the Montreal Forced Aligner puts the speaker before them, as in "anna - words".
WORD_TIERS = ("words", "word", "ort-mau")
PHONE_TIERS = ("phones", "phone", "phonemes", "mau")
# Labels of pauses, noise and unknown words, which are no words or phones.
SILENCES = ("", "sil", "sp", "spn", "nsn", "<eps>", "<sil>", "<p:>", "#")
MAX_TEXTGRID_BYTES = 1 << 26


@dataclass(frozen=True)
class TextGridTimes:
    """The times of one utterance.

    Args:
        words: (word, start, end) of each word in seconds, in order; None if there is no word tier.
        phonemes: (phone, start, end) of each phone in seconds, in order; None if there is no phone tier.
    """

    words: tuple[Interval, ...] | None
    phonemes: tuple[Interval, ...] | None


def read_tiers(path: Path) -> dict[str, tuple[Interval, ...]]:
    """Return the labeled intervals of each interval tier by the name of the tier; point tiers are left out.

    Args:
        path: TextGrid in Praat's long or short text format, in UTF-8 or UTF-16.

    Raises:
        ValueError: The file is no TextGrid, or too large for the times of one recording.
        FileNotFoundError: There is no such file.
    """
    if is_special(path):
        raise ValueError(f"{path} is not a regular file; name a TextGrid")
    if path.stat().st_size > MAX_TEXTGRID_BYTES:
        raise ValueError(f"{path} has more than {MAX_TEXTGRID_BYTES} bytes; want the TextGrid of one recording")
    try:
        grid = textgrid.openTextgrid(str(path.absolute()), includeEmptyIntervals=False, duplicateNamesMode="rename")
        tiers = {}
        for tier in grid.tiers:
            if isinstance(tier, IntervalTier):
                tiers[tier.name] = tuple((label, float(start), float(end)) for start, end, label in tier.entries)
    # The parser indexes into text that it has not checked.
    except (PraatioException, ValueError, IndexError, KeyError, TypeError) as error:
        reason = one_line(error)
        raise ValueError(f"{path}: not a TextGrid in Praat's text format ({reason}); save it again in Praat") from error
    return tiers


def read_textgrid(path: Path, word_tier: str | None = None, phone_tier: str | None = None) -> TextGridTimes:
    """Return the word and phone times of a TextGrid, without pauses.

    Args:
        path: TextGrid in Praat's long or short text format, in UTF-8 or UTF-16.
        word_tier: Name of the tier with the words. Defaults to the first named as aligners name it, or the only tier.
        phone_tier: Name of the tier with the phones. Defaults to the first named as aligners name it.

    Raises:
        ValueError: The file is no TextGrid, or has no tier of a given name.
        FileNotFoundError: There is no such file.
    """
    tiers = read_tiers(path)
    word_name = _tier(tiers, word_tier, WORD_TIERS, path)
    phone_name = _tier(tiers, phone_tier, PHONE_TIERS, path)
    if word_name is None and phone_name is None and len(tiers) == 1:
        word_name = next(iter(tiers))
    words = None if word_name is None else _without_pauses(tiers[word_name])
    phonemes = None if phone_name is None else _without_pauses(tiers[phone_name])
    return TextGridTimes(words, phonemes)


def write_textgrid(
    path: Path, duration: float, words: Sequence[Interval] | None, phonemes: Sequence[Interval] | None = None
) -> None:
    """Write word and phone times as a TextGrid in Praat's long format, with the tiers ``words`` and ``phones``.

    Args:
        path: File to write, completely or not at all.
        duration: Duration of the audio in seconds.
        words: (word, start, end) of each word in seconds, in order and within the audio; None for no such tier.
        phonemes: (phone, start, end) of each phone in seconds, in order and within the audio; None for no such tier.

    Raises:
        ValueError: There are no times at all, or intervals overlap, have no length or end after the audio.
    """
    if words is None and phonemes is None:
        raise ValueError(f"{path}: neither word nor phone times to write")
    grid = textgrid.Textgrid(0.0, duration)
    for name, intervals in (("words", words), ("phones", phonemes)):
        if intervals is None:
            continue
        entries = [TextGridInterval(start, end, label) for label, start, end in intervals]
        try:
            grid.addTier(IntervalTier(name, entries, 0.0, duration), reportingMode="error")
        except PraatioException as error:
            raise ValueError(f"{path}: {name}: {' '.join(str(error).split())}") from error
    with atomic_file(path) as temporary:
        grid.save(str(temporary), format="long_textgrid", includeBlankSpaces=True)


def _tier(tiers: Mapping[str, object], wanted: str | None, usual: Sequence[str], path: Path) -> str | None:
    """Return the name of the wanted tier, or else of the first with a usual name; None if there is none."""
    if wanted is not None:
        if wanted not in tiers:
            raise ValueError(f"{path}: no interval tier {wanted!r}; it has {', '.join(tiers) or 'none'}")
        return wanted
    for name in tiers:
        if name.lower().rpartition(" - ")[2].strip() in usual:
            return name
    return None


def _without_pauses(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    kept = []
    for label, start, end in intervals:
        if label.strip().lower() not in SILENCES:
            kept.append((label.strip(), start, end))
    return tuple(kept)
