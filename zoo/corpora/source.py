"""What every corpus source shares: the contract, the reading of one audio file, the held-out part."""

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

SPLITS = ("train", "dev", "test")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".aif", ".au", ".sph")
MIN_SPEAKERS = 4


@dataclass(frozen=True)
class BadItem:
    """An utterance that cannot be used, and why."""

    id: str
    audio: str
    reason: str


@dataclass(frozen=True)
class Items:
    """Utterances made anew, lazily, at every iteration."""

    make: Callable[[], Iterator[Cut | BadItem]]

    def __iter__(self) -> Iterator[Cut | BadItem]:
        return self.make()


class Source(Protocol):
    """Where a corpus comes from; ``synthetic`` says that no person spoke it."""

    synthetic: bool

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return ``train``, ``dev`` and perhaps ``test``; audio that the source makes itself goes below ``folder``."""


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
    """Return one audio file with its labels as a cut, after a look at the file's header."""
    try:
        header = soundfile.info(str(path))
    except (OSError, RuntimeError) as error:
        reason = "unreadable: " + " ".join(str(error).split()) if path.is_file() else "no such file"
        return BadItem(id, str(path), reason)
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


def held_out(keys: Iterable[tuple[str, str]], dev_share: float, name: str) -> Callable[[str, str], bool]:
    """Choose what is kept from training, the same at every run and on every machine.

    Whole speakers where there are at least ``MIN_SPEAKERS`` of them, else utterances.

    Args:
        keys: (utterance id, speaker) of the whole corpus, read once.
        dev_share: Of the utterances, about; between 0 and 1.
        name: The corpus, for messages.

    Returns:
        A function that tells of (utterance id, speaker) whether it is held out.

    Raises:
        ValueError: There are fewer than two utterances, or ``dev_share`` is not between 0 and 1.
    """
    if not 0 < dev_share < 1:
        raise ValueError(f"dev_share: {dev_share}; want a share between 0 and 1, such as 0.05")
    sizes, lowest, highest = Counter(), 1.0, 0.0
    for id, speaker in keys:
        sizes[speaker] += 1
        lowest, highest = min(lowest, _rank(id)), max(highest, _rank(id))
    if lowest >= highest:
        raise ValueError(f"{name}: {sizes.total() or 'no'} utterance(s); want at least two, to hold one out as dev")
    if len(sizes) >= MIN_SPEAKERS:
        chosen = _held_out_speakers(sizes, dev_share)
        return lambda id, speaker: speaker in chosen
    # The lowest rank is always held out and the highest never, so that no split of a tiny corpus is empty.
    limit = max(dev_share, lowest) if max(dev_share, lowest) < highest else lowest
    return lambda id, speaker: _rank(id) <= limit


def _held_out_speakers(sizes: Counter, dev_share: float) -> set[str]:
    wanted, chosen = dev_share * sizes.total(), set()
    for speaker in sorted(sizes, key=_rank):
        held = sum(sizes[s] for s in chosen)
        if held < wanted and held + sizes[speaker] <= 2 * wanted:
            chosen.add(speaker)
    return chosen or {min(sizes, key=lambda speaker: (sizes[speaker], _rank(speaker)))}


def _rank(key: str) -> float:
    """A number in [0, 1) that depends on nothing but ``key``."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=6).digest(), "big") / 2**48
