"""From the events of espeak-ng to one interval for every word."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from zoo.corpora.utterance import Interval

WORD, END, PHONEME = 1, 5, 7


@dataclass(frozen=True)
class Event:
    """What the synthesizer reports.

    Args:
        type: As in ``speak_lib.h``; here 1 word, 5 end of a sentence, 7 phoneme.
        text_position: Character of the text, from 1.
        sample: When, in samples from the start.
        name: Of the phoneme; empty for a pause.
    """

    type: int
    text_position: int
    sample: int
    name: str


@dataclass
class _Phoneme:
    name: str
    start: float
    end: float


@dataclass
class _Group:
    """Consecutive words that share one word event, with the phonemes from that event to the next."""

    first: int
    start: float
    end: float
    phonemes: list[_Phoneme]


def intervals(
    text: str,
    events: list[Event],
    counts: list[int],
    num_samples: int,
    sample_rate: int,
) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """Return the words of ``text`` and its phonemes, each as (name, start, end) in seconds.

    Some words share one event (``of the``) and some have none; such a run of words is divided by how many phonemes
    each has by itself, at the start of a phoneme, or by letters where there are too few phonemes.

    Args:
        text: What was spoken.
        events: In order of time.
        counts: For each word, how many phonemes it has by itself.
        num_samples: Of the audio.
        sample_rate: Hz of the samples that ``events`` count.
    """
    phonemes = _phonemes(events, num_samples)
    spans = [(match.start(), match.group()) for match in re.finditer(r"\S+", text)]
    words: list[Interval] = []
    groups = _groups(events, [start for start, _ in spans], phonemes, num_samples)
    for group, after in zip(groups, [*(g.first for g in groups[1:]), len(spans)]):
        names = [name for _, name in spans[group.first : after]]
        edges = _divide(group, names, counts[group.first : after])
        words += [(name, start, end) for name, start, end in zip(names, edges, edges[1:])]
    last = num_samples / sample_rate

    def seconds(named: Interval) -> Interval:
        return named[0], round(named[1] / sample_rate, 4), min(round(named[2] / sample_rate, 4), last)

    return tuple(map(seconds, words)), tuple(seconds((p.name, p.start, p.end)) for p in phonemes)


def _phonemes(events: list[Event], num_samples: int) -> list[_Phoneme]:
    """The sounding phonemes, each to the next event.

    A phoneme that is reported together with what follows it has no time of its own. It shares, in equal parts, that of
    the phoneme it is reported with; at the end of a word that of the one before it, into which its sound is drawn.
    """
    times = [event for event in events if event.type in (WORD, END, PHONEME)]
    found: list[_Phoneme] = []
    for event, following in zip(times, [*times[1:], Event(END, 0, num_samples, "")]):
        if event.type != PHONEME or not event.name:
            continue
        found.append(_Phoneme(event.name, float(event.sample), float(min(following.sample, num_samples))))
        shared = [p for p in found[-4:] if p.start == found[-1].start]
        if found[-1].end > found[-1].start:
            _share(shared, found[-1].end)
        elif following.type != PHONEME or not following.name:
            _share(found[-len(shared) - 1 :], found[-1].end)
    return [p for p in found if p.end > p.start]


def _share(phonemes: list[_Phoneme], end: float) -> None:
    start, length = phonemes[0].start, (end - phonemes[0].start) / len(phonemes)
    for k, phoneme in enumerate(phonemes):
        phoneme.start, phoneme.end = start + k * length, start + (k + 1) * length


def _groups(events: list[Event], starts: list[int], phonemes: list[_Phoneme], num_samples: int) -> list[_Group]:
    groups: list[_Group] = []
    for event in events:
        word = bisect_right(starts, event.text_position - 1) - 1
        # A number is several events of one word, and an event may point back.
        if event.type == WORD and (not groups or (word > groups[-1].first and event.sample > groups[-1].start)):
            groups.append(_Group(word if groups else 0, float(event.sample), float(num_samples), []))
    groups = groups or [_Group(0, 0.0, float(num_samples), [])]
    for group, following in zip(groups, [*groups[1:], None]):
        limit = following.start if following else num_samples
        group.phonemes = [p for p in phonemes if group.start <= p.start < limit]
        group.end = group.phonemes[-1].end if group.phonemes else float(limit)
    return groups


def _divide(group: _Group, names: list[str], counts: list[int]) -> list[float]:
    """Return the ``len(names) + 1`` edges of the words of one group."""
    if len(names) == 1:
        return [group.start, group.end]
    if len(group.phonemes) < len(names):
        return _cut(group.start, group.end, [len(name) for name in names])
    shares = _cut(0.0, float(len(group.phonemes)), [max(count, 1) for count in counts])
    edges = [group.start]
    for k in range(1, len(names)):
        # At least one phoneme for this word and for each that follows.
        lowest = next(i for i, p in enumerate(group.phonemes) if p.start > edges[-1]) if k > 1 else 1
        index = min(max(round(shares[k]), lowest), len(group.phonemes) - (len(names) - k))
        edges.append(group.phonemes[index].start)
    return [*edges, group.end]


def _cut(start: float, end: float, weights: list[int]) -> list[float]:
    total = sum(weights)
    return [start, *(start + (end - start) * part / total for part in accumulate(weights))]
