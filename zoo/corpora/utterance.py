"""One utterance, and its form as a Lhotse cut."""

from dataclasses import dataclass

import numpy as np
import torch
from lhotse import MonoCut, MultiCut, Recording, SupervisionSegment
from lhotse.cut import Cut
from lhotse.supervision import AlignmentItem
from torch import Tensor

from zoo import audio

UNKNOWN_SPEAKER = "unknown"
Interval = tuple[str, float, float]


@dataclass(frozen=True)
class Utterance:
    """What is known of one piece of speech.

    Args:
        id: Unique in its corpus.
        text: What is said; empty where nobody wrote it down.
        language: BCP-47, such as ``en`` or ``en-GB``.
        speaker: ``unknown`` where nobody noted it.
        style: Emotion or manner, such as ``happy``.
        words: (word, start, end) in seconds from the start of the utterance, in order.
        phonemes: Likewise.
        duration: Seconds.
    """

    id: str
    text: str
    language: str
    speaker: str
    style: str | None
    words: tuple[Interval, ...] | None
    phonemes: tuple[Interval, ...] | None
    duration: float


def to_utterance(cut: Cut) -> Utterance:
    """Return what a cut with one supervision says of itself.

    Args:
        cut: Word times in ``alignment["word"]``, phoneme times in ``alignment["phone"]``, style in ``custom["style"]``.

    Raises:
        ValueError: It has no supervision or several.
    """
    if len(cut.supervisions) != 1:
        raise ValueError(f"cut {cut.id}: {len(cut.supervisions)} supervisions, want 1; use CutSet.trim_to_supervisions")
    segment = cut.supervisions[0]
    alignment, custom = segment.alignment or {}, segment.custom or {}
    return Utterance(
        id=cut.id,
        text=segment.text or "",
        language=segment.language or "und",
        speaker=segment.speaker or UNKNOWN_SPEAKER,
        style=custom.get("style"),
        words=_intervals(alignment.get("word")),
        phonemes=_intervals(alignment.get("phone")),
        duration=cut.duration,
    )


def to_cut(utterance: Utterance, recording: Recording) -> MonoCut | MultiCut:
    """Return the cut over a whole recording that :func:`to_utterance` turns back into ``utterance``.

    Args:
        utterance: Its ``duration`` is the recording's.
        recording: With several channels the cut is a MultiCut of them all.
    """
    named = {"word": utterance.words, "phone": utterance.phonemes}
    alignment = {name: _items(intervals) for name, intervals in named.items() if intervals is not None}
    cut = recording.to_cut()
    cut.id = utterance.id
    cut.supervisions = [
        SupervisionSegment(
            id=utterance.id,
            recording_id=recording.id,
            start=0.0,
            duration=recording.duration,
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
    """Load the audio of a cut, channels averaged and resampled: (num_samples,).

    Args:
        cut: Any kind of Lhotse recording source.
        sample_rate: Hz of the result.

    Raises:
        audio.AudioError: The audio is missing, unreadable, empty or holds NaN or infinity.
    """
    try:
        samples = cut.load_audio()
    except Exception as error:  # Lhotse's many backends have no common error.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise audio.AudioError(f"{audio_name(cut)}: unreadable ({reason})") from error
    mono = torch.from_numpy(samples.astype(np.float32, copy=False).mean(axis=0))
    return audio.resample(audio.check(mono, audio_name(cut)), cut.sampling_rate, sample_rate)


def audio_name(cut: Cut) -> str:
    """The file behind a cut, or its id where there is no file."""
    files = [source.source for source in _sources(cut) if source.type in ("file", "url")]
    return str(files[0]) if files else cut.id


def audio_file(cut: Cut) -> str | None:
    """Return the only file behind a cut; None where its audio is in several files or in none."""
    sources = _sources(cut)
    if len(sources) == 1 and sources[0].type == "file":
        return str(sources[0].source)
    return None


def _sources(cut: Cut) -> list:
    recording = getattr(cut, "recording", None)
    return recording.sources if recording is not None else []


def _intervals(items: list[AlignmentItem] | None) -> tuple[Interval, ...] | None:
    return None if items is None else tuple((item.symbol, item.start, item.end) for item in items)


def _items(intervals: tuple[Interval, ...]) -> list[AlignmentItem]:
    return [AlignmentItem(word, start, round(end - start, 8)) for word, start, end in intervals]
