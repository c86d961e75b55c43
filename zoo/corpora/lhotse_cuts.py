"""Split the cuts of Lhotse manifests into utterances, add missing labels, and compare them with their audio files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from lhotse import SupervisionSegment
from lhotse.cut import Cut
from lhotse.cut.data import DataCut
from lhotse.utils import fastcopy

from zoo.audio_decoders import AudioError
from zoo.audio_files import read_info
from zoo.corpora.source import BadItem, reason_without_name
from zoo.corpora.utterance import audio_name

# A supervision covers its cut if its start and its duration together differ by no more than this from the cut's.
COVER_SECONDS = 0.02
MAX_MIXED_SUPERVISIONS = 500


def split_utterances(cuts: Iterable[Cut]) -> Iterator[Cut]:
    """Yield cuts with at most one supervision each.

    A cut is kept whole if it has no supervision, or a single one that covers it; any other cut is split into one cut
    for each supervision.
    """
    for cut in cuts:
        if not cut.supervisions:
            yield cut
        elif len(cut.supervisions) == 1 and _is_covered(cut):
            yield _with_supervision_id(cut)
        else:
            for segment in cut.supervisions:
                yield from _trim(cut, segment)


def _trim(cut: Cut, segment: SupervisionSegment) -> Iterator[Cut]:
    """Yield the part of a cut that a supervision covers, with this supervision alone.

    Lhotse would compare each supervision with all others of the cut, which takes hours for a recording of many.

    Raises:
        ValueError: The cut is a mix with too many supervisions, or the supervision lies outside of the cut.
    """
    if isinstance(cut, DataCut):
        alone: Cut = fastcopy(cut, supervisions=[segment])
    else:
        if len(cut.supervisions) > MAX_MIXED_SUPERVISIONS:
            raise ValueError(f"cut {cut.id}: a mix of more than {MAX_MIXED_SUPERVISIONS} supervisions; split it")
        alone = cut.filter_supervisions(lambda other: other.id == segment.id)
    try:
        utterances = list(alone.trim_to_supervisions(keep_overlapping=False))
    except (AssertionError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"cut {cut.id}: its supervision {segment.id} lies outside of it ({type(error).__name__})"
        ) from error
    for utterance in utterances:
        yield utterance.with_id(segment.id)


def _is_covered(cut: Cut) -> bool:
    segment = cut.supervisions[0]
    return abs(segment.start) + abs(segment.duration - cut.duration) <= COVER_SECONDS


def _with_supervision_id(cut: Cut) -> Cut:
    """Return a cut under the id of its supervision, if its own id is only that of its recording with a number."""
    segment = cut.supervisions[0]
    if cut.id == segment.id or not cut.id.startswith(f"{_data_cut(cut).recording_id}-"):
        return cut
    return cut.with_id(segment.id)


def with_language(cut: Cut, language: str) -> Cut:
    """Add an empty supervision to a cut that has none, and the language to a supervision that has none; in place."""
    if not cut.supervisions:
        data_cut = _data_cut(cut)
        label = SupervisionSegment(cut.id, data_cut.recording_id, 0.0, cut.duration, data_cut.channel)
        data_cut.supervisions = [label]
    cut.supervisions[0].language = cut.supervisions[0].language or language
    return cut


def _data_cut(cut: Cut) -> DataCut:
    """Narrow the static type: the cuts of the manifests read here have a recording of their own."""
    return cast(DataCut, cut)


def check_duration(cut: Cut) -> Cut | BadItem:
    """Return a cut, or a ``BadItem`` if its audio file is unreadable or too short; other sources are not compared."""
    recording = getattr(cut, "recording", None)
    for source in recording.sources if recording is not None else []:
        if source.type != "file":
            continue
        path = Path(source.source)
        try:
            seconds = read_info(path).seconds
        except AudioError as error:
            return BadItem(cut.id, audio_name(cut), reason_without_name(error, path))
        if cut.end > seconds + COVER_SECONDS:
            return BadItem(cut.id, audio_name(cut), f"ends at {cut.end:g} s, the file has {seconds:g} s")
    return cut
