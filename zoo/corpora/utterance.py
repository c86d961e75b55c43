"""One utterance with its labels, and its form as a Lhotse cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from lhotse import AudioSource, MonoCut, MultiCut, Recording, SupervisionSegment
from lhotse.cut import Cut
from lhotse.supervision import AlignmentItem
from torch import Tensor

from zoo import audio
from zoo.corpora.audio_sources import UnsafeSourceError, load_samples

UNKNOWN_SPEAKER = "unknown"
# (word or phoneme, start, end) in seconds from the start of the utterance.
Interval = tuple[str, float, float]


@dataclass(frozen=True)
class Utterance:
    """Labels of an utterance.

    Args:
        id: Id of the utterance, unique in its corpus.
        text: Transcript; empty where there is none.
        language: BCP-47 tag, such as ``en`` or ``en-GB``.
        speaker: Name of the speaker; ``unknown`` if it is not known.
        style: Emotion or speaking style, such as ``happy``; None if it is not known.
        words: (word, start, end) of each word in seconds, in order; None where no times are known.
        phonemes: (phoneme, start, end) of each phoneme in seconds, in order; None where no times are known.
        duration: Duration of the utterance, in seconds.
        word_confidences: Confidence of the aligner in each word, 0 to 1; None where the times are exact or of unknown
            confidence.
    """

    id: str
    text: str
    language: str
    speaker: str
    style: str | None
    words: tuple[Interval, ...] | None
    phonemes: tuple[Interval, ...] | None
    duration: float
    word_confidences: tuple[float, ...] | None = None


def to_utterance(cut: Cut) -> Utterance:
    """Return the labels of a cut.

    Args:
        cut: Cut with one supervision, with word times in its ``alignment["word"]``, phoneme times in
            ``alignment["phone"]`` and the style in ``custom["style"]``.

    Raises:
        ValueError: The cut has no supervision or several.
    """
    if len(cut.supervisions) != 1:
        raise ValueError(f"cut {cut.id}: {len(cut.supervisions)} supervisions, want 1; use CutSet.trim_to_supervisions")
    segment = cut.supervisions[0]
    alignment = segment.alignment or {}
    custom = segment.custom or {}
    return Utterance(
        id=cut.id,
        text=segment.text or "",
        language=segment.language or "und",
        speaker=segment.speaker or UNKNOWN_SPEAKER,
        style=custom.get("style"),
        words=_intervals(alignment.get("word")),
        phonemes=_intervals(alignment.get("phone")),
        duration=cut.duration,
        word_confidences=_confidences(alignment.get("word")),
    )


def to_cut(
    utterance: Utterance,
    recording: Recording,
    start: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
) -> MonoCut | MultiCut:
    """Return a cut with the labels of an utterance; ``to_utterance`` returns them again.

    Args:
        utterance: Labels.
        recording: Audio; with several channels the cut is a MultiCut of all of them.
        start: Start of the utterance in the recording, in seconds.
        duration: Duration of the utterance, in seconds. Defaults to the whole recording.
        channel: The one channel of the recording to use. Defaults to all.
    """
    alignment = {}
    if utterance.words is not None:
        alignment["word"] = to_alignment(utterance.words, utterance.word_confidences)
    if utterance.phonemes is not None:
        alignment["phone"] = to_alignment(utterance.phonemes)
    cut = recording.to_cut()
    if channel is not None and isinstance(cut, MultiCut):
        cut = MonoCut(utterance.id, 0.0, recording.duration, channel, recording=recording)
    if duration is not None and (start > 0 or duration < recording.duration):
        cut = cast(MonoCut | MultiCut, cut.truncate(offset=start, duration=duration))
    cut.id = utterance.id
    cut.supervisions = [
        SupervisionSegment(
            id=utterance.id,
            recording_id=recording.id,
            start=0.0,
            duration=cut.duration,
            channel=cut.channel,
            text=utterance.text,
            language=utterance.language,
            speaker=utterance.speaker,
            custom=None if utterance.style is None else {"style": utterance.style},
            alignment=alignment or None,
        )
    ]
    return cut


def load_waveform(cut: Cut, sample_rate: int = audio.SAMPLE_RATE) -> Tensor:
    """Load the audio of a cut, averaged over channels and resampled, (num_samples,).

    Args:
        cut: Cut over any kind of Lhotse recording source.
        sample_rate: Sample rate of the result, in Hz.

    Raises:
        audio.AudioError: The audio is missing, unreadable or empty, or its samples are unusable.
    """
    try:
        samples = load_samples(cut)
    except UnsafeSourceError as error:
        raise audio.AudioError(str(error)) from error
    except audio.AudioError as error:
        # Lhotse appends its own arguments on further lines.
        raise audio.AudioError(str(error).splitlines()[0]) from error
    except Exception as error:  # Lhotse's transforms and checks have no common error.
        message = str(error).strip()
        reason = message.splitlines()[0] if message else type(error).__name__
        raise audio.AudioError(f"{audio_name(cut)}: unreadable ({reason})") from error
    return audio.resample(audio.mix_down(np.atleast_2d(samples), audio_name(cut)), cut.sampling_rate, sample_rate)


def audio_name(cut: Cut) -> str:
    """Return the path or URL of a cut's audio for messages, or the id of the cut if it has neither."""
    files = [source.source for source in _sources(cut) if source.type in ("file", "url")]
    return str(files[0]) if files else cut.id


def audio_file(cut: Cut) -> str | None:
    """Return the path of the single audio file of a cut; None if its audio is in several files or in none."""
    sources = _sources(cut)
    if len(sources) == 1 and sources[0].type == "file":
        return str(sources[0].source)
    return None


def _sources(cut: Cut) -> list[AudioSource]:
    """Return the sources of a cut's recording; mixed and padding cuts have none of their own."""
    recording = getattr(cut, "recording", None)
    return recording.sources if recording is not None else []


def _intervals(items: list[AlignmentItem] | None) -> tuple[Interval, ...] | None:
    if items is None:
        return None
    return tuple((item.symbol, item.start, item.end) for item in items)


def _confidences(items: list[AlignmentItem] | None) -> tuple[float, ...] | None:
    """Return the confidence in each interval; None unless all have one."""
    if not items:
        return None
    scores = [item.score for item in items if item.score is not None]
    return tuple(scores) if len(scores) == len(items) else None


def to_alignment(intervals: Sequence[Interval], confidences: Sequence[float] | None = None) -> list[AlignmentItem]:
    """Return intervals as the alignment of a Lhotse supervision.

    Args:
        intervals: (label, start, end) of each interval in seconds.
        confidences: Confidence in each interval, which becomes its score; None for no scores.
    """
    items = []
    for index, (label, start, end) in enumerate(intervals):
        score = None if confidences is None else confidences[index]
        items.append(AlignmentItem(label, start, round(end - start, 8), score))
    return items
