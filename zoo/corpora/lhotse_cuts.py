"""Single utterances from the cuts of Lhotse manifests: split by supervision, labeled, and compared with the audio."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import soundfile
from lhotse import SupervisionSegment
from lhotse.cut import Cut
from lhotse.cut.data import DataCut

from zoo.corpora.source import BadItem, unreadable_reason
from zoo.corpora.utterance import audio_name

# A supervision covers its cut if both ends are together no farther apart than this.
COVER_SECONDS = 0.02


def split_utterances(cuts: Iterable[Cut]) -> Iterator[Cut]:
    """Yield cuts with at most one supervision: each cut itself if its supervision covers it, else one for each."""
    for cut in cuts:
        if not cut.supervisions:
            yield cut
        elif len(cut.supervisions) == 1 and _is_covered(cut):
            yield _with_supervision_id(cut)
        else:
            for utterance in cut.trim_to_supervisions(keep_overlapping=False):
                yield utterance.with_id(utterance.supervisions[0].id)


def _is_covered(cut: Cut) -> bool:
    segment = cut.supervisions[0]
    return abs(segment.start) + abs(segment.duration - cut.duration) <= COVER_SECONDS


def _with_supervision_id(cut: Cut) -> Cut:
    """Return a cut under the id of its supervision if its own id was only derived from its recording's."""
    segment = cut.supervisions[0]
    if cut.id == segment.id or not cut.id.startswith(f"{_data_cut(cut).recording_id}-"):
        return cut
    return cut.with_id(segment.id)


def with_language(cut: Cut, language: str) -> Cut:
    """Give a cut a supervision if it has none, and its supervision a language if it has none."""
    if not cut.supervisions:
        data_cut = _data_cut(cut)
        label = SupervisionSegment(cut.id, data_cut.recording_id, 0.0, cut.duration, data_cut.channel)
        data_cut.supervisions = [label]
    cut.supervisions[0].language = cut.supervisions[0].language or language
    return cut


def _data_cut(cut: Cut) -> DataCut:
    """Narrow the type of a cut to those over a recording, which the manifests read here hold."""
    return cast(DataCut, cut)


def check_duration(cut: Cut) -> Cut | BadItem:
    """Compare a cut with the header of the file behind it; recordings that are in no file are not checked."""
    if not cut.has_recording:
        return BadItem(cut.id, cut.id, "no recording")
    recording = getattr(cut, "recording", None)
    for source in recording.sources if recording is not None else []:
        if source.type != "file":
            continue
        try:
            seconds = soundfile.info(source.source).duration
        except (OSError, RuntimeError) as error:
            return BadItem(cut.id, audio_name(cut), unreadable_reason(Path(source.source), error))
        if cut.end > seconds + COVER_SECONDS:
            return BadItem(cut.id, audio_name(cut), f"ends at {cut.end:g} s, the file has {seconds:g} s")
    return cut
