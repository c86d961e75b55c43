"""Choice of the utterances that are held out from training where a corpus has no dev split."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MIN_SPEAKERS = 4  # with fewer speakers, utterances are held out instead of whole speakers


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
    key = UtteranceKey("", "")
    for key in keys:
        counts[key.speaker] += 1
        rank = _rank(key.id)
        lowest = min(lowest, rank)
        highest = max(highest, rank)
    if counts.total() >= 2 and lowest >= highest:
        raise ValueError(
            f"{name}: all {counts.total()} utterances have the same id {key.id!r}, which is that of their audio if "
            "they have none of their own; add a column id, and start and duration for the parts of one recording"
        )
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
    return int.from_bytes(hashlib.blake2b(key.encode(errors="backslashreplace"), digest_size=6).digest(), "big") / 2**48
