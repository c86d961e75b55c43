"""The protocol of corpus sources, and what they share: reading an audio file, choosing held-out utterances."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import soundfile
from lhotse import AudioSource, Recording
from lhotse.cut import Cut

from zoo.corpora.utterance import Interval, Utterance, to_cut
from zoo.files import is_special

SPLITS = ("train", "dev", "test")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".aif", ".au", ".sph")
MIN_SPEAKERS = 4  # with fewer speakers, utterances are held out instead of whole speakers


@dataclass(frozen=True)
class BadItem:
    """An utterance that cannot be used.

    Args:
        id: Id of the utterance.
        audio: Path of its audio.
        reason: Why it cannot be used.
    """

    id: str
    audio: str
    reason: str


@dataclass(frozen=True)
class Items:
    """Utterances of a split, read lazily and anew at every iteration.

    Args:
        make: Returns a new iterator over the utterances.
    """

    make: Callable[[], Iterator[Cut | BadItem]]

    def __iter__(self) -> Iterator[Cut | BadItem]:
        return self.make()


class Source(Protocol):
    """A corpus that can be prepared for training: its splits, with their utterances."""

    @property
    def synthetic(self) -> bool:
        """Whether the speech is synthetic."""
        ...

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits ``train``, ``dev`` and, if there is one, ``test``.

        Args:
            folder: Folder of the prepared corpus; audio that the source makes itself is written below it.
        """
        ...


def file_cut(
    path: Path,
    id: str,
    text: str,
    language: str,
    speaker: str,
    style: str | None = None,
    words: tuple[Interval, ...] | None = None,
    phonemes: tuple[Interval, ...] | None = None,
) -> Cut | BadItem:
    """Return an audio file with its labels as a cut, after reading the header of the file.

    Args:
        path: Path of the audio file.
        id: Id of the utterance.
        text: Transcript.
        language: BCP-47.
        speaker: Name of the speaker.
        style: Emotion or speaking style.
        words: (word, start, end) of each word in seconds.
        phonemes: (phoneme, start, end) of each phoneme in seconds.
    """
    if is_special(path):
        return BadItem(id, str(path), "is not a regular file")
    try:
        # Absolute, since libsndfile reads standard input for the name "-".
        header = soundfile.info(str(path.absolute()))
    except (OSError, RuntimeError) as error:
        return BadItem(id, str(path), unreadable_reason(path, error))
    if header.frames <= 0:
        return BadItem(id, str(path), "zero length")
    channels = list(range(header.channels))
    recording = Recording(
        id=id,
        sources=[AudioSource("file", channels, str(path.resolve()))],
        sampling_rate=header.samplerate,
        num_samples=header.frames,
        duration=header.frames / header.samplerate,
        channel_ids=channels,
    )
    return to_cut(Utterance(id, text, language, speaker, style, words, phonemes, recording.duration), recording)


def unreadable_reason(path: Path, error: Exception) -> str:
    """Return why the header of an audio file could not be read, on one line."""
    if not path.is_file():
        return "no such file"
    return "unreadable: " + " ".join(str(error).split())


@dataclass(frozen=True)
class UtteranceKey:
    """The labels of an utterance that decide whether it is held out.

    Args:
        id: Id of the utterance.
        speaker: Name of the speaker.
    """

    id: str
    speaker: str


def choose_held_out(keys: Iterable[UtteranceKey], dev_share: float, name: str) -> Callable[[UtteranceKey], bool]:
    """Choose what is held out from training, the same in every run and on every machine.

    Whole speakers are held out if there are at least ``MIN_SPEAKERS`` of them, else utterances.

    Args:
        keys: Keys of the whole corpus, read once.
        dev_share: Approximate share of the utterances to hold out, between 0 and 1.
        name: Name of the corpus, for messages.

    Returns:
        A function that returns whether an utterance is held out.

    Raises:
        ValueError: There are fewer than two utterances, or ``dev_share`` is not between 0 and 1.
    """
    if not 0 < dev_share < 1:
        raise ValueError(f"dev_share: {dev_share}; want a share between 0 and 1, such as 0.05")
    counts: Counter[str] = Counter()
    lowest = 1.0
    highest = 0.0
    for key in keys:
        counts[key.speaker] += 1
        rank = _rank(key.id)
        lowest = min(lowest, rank)
        highest = max(highest, rank)
    if lowest >= highest:
        raise ValueError(f"{name}: {counts.total() or 'no'} utterance(s); want at least two, to hold one out as dev")
    if len(counts) >= MIN_SPEAKERS:
        speakers = _held_out_speakers(counts, dev_share)
        return lambda key: key.speaker in speakers
    # The lowest rank is always held out and the highest never, so that no split of a tiny corpus is empty.
    limit = max(dev_share, lowest)
    if limit >= highest:
        limit = lowest
    return lambda key: _rank(key.id) <= limit


def _held_out_speakers(counts: Counter[str], dev_share: float) -> set[str]:
    """Choose speakers by rank until the wanted number of utterances is reached, without exceeding twice that number."""
    wanted = dev_share * counts.total()
    speakers: set[str] = set()
    num_held_out = 0
    for speaker in sorted(counts, key=_rank):
        if num_held_out < wanted and num_held_out + counts[speaker] <= 2 * wanted:
            speakers.add(speaker)
            num_held_out += counts[speaker]
    if speakers:
        return speakers
    return {min(counts, key=lambda speaker: (counts[speaker], _rank(speaker)))}


def _rank(key: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=6).digest(), "big") / 2**48
