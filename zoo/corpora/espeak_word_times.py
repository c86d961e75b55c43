"""Convert the events of espeak-ng to one interval for every word and phoneme."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise

from zoo.corpora.utterance import Interval

# Types of events in speak_lib.h.
WORD = 1
END = 5
PHONEME = 7


@dataclass(frozen=True)
class Event:
    """An event that the synthesizer reports.

    Args:
        type: Type as in ``speak_lib.h``; here 1 word, 5 end of a sentence, 7 phoneme.
        text_position: Index of a character of the text, from 1.
        sample: Time of the event, in samples from the start.
        name: Name of the phoneme; empty for a pause.
    """

    type: int
    text_position: int
    sample: int
    name: str


@dataclass(frozen=True)
class SpeechTimes:
    """Times of synthesized speech.

    Args:
        words: (word, start, end) of each word of the text, in seconds.
        phonemes: (phoneme, start, end) of each phoneme, in seconds.
    """

    words: tuple[Interval, ...]
    phonemes: tuple[Interval, ...]


@dataclass
class _Phoneme:
    """A phoneme, with its start and end in samples."""

    name: str
    start: float
    end: float


@dataclass
class _Group:
    """Consecutive words that share one word event, with the phonemes from that event to the next.

    Args:
        first: Index of the first word.
        start: Start of the first word, in samples.
        end: End of the last word, in samples.
        phonemes: Phonemes of the words.
    """

    first: int
    start: float
    end: float
    phonemes: list[_Phoneme]


def find_times(
    text: str, events: list[Event], phoneme_counts: list[int], num_samples: int, sample_rate: int
) -> SpeechTimes:
    """Return the times of the words of a text and of its phonemes.

    Some words share one event (``of the``) and some have none. Such a group of words is divided in proportion to the
    number of phonemes that each has by itself, at the start of a phoneme, or by letters if there are too few phonemes.

    Args:
        text: Text that was synthesized.
        events: Events in order of time.
        phoneme_counts: Number of phonemes that each word has by itself.
        num_samples: Length of the audio in samples.
        sample_rate: Sample rate of the audio, in Hz.
    """
    phonemes = _sounding_phonemes(events, num_samples)
    matches = list(re.finditer(r"\S+", text))
    names = [match.group() for match in matches]
    groups = _groups(events, [match.start() for match in matches], phonemes, num_samples)
    duration = num_samples / sample_rate

    def interval(name: str, start: float, end: float) -> Interval:
        return name, round(start / sample_rate, 4), min(round(end / sample_rate, 4), duration)

    words = []
    ends = [*(group.first for group in groups[1:]), len(names)]
    for group, end in zip(groups, ends, strict=True):
        group_names = names[group.first : end]
        edges = _divide(group, group_names, phoneme_counts[group.first : end])
        for name, (start, stop) in zip(group_names, pairwise(edges), strict=True):
            words.append(interval(name, start, stop))
    return SpeechTimes(
        words=tuple(words),
        phonemes=tuple(interval(phoneme.name, phoneme.start, phoneme.end) for phoneme in phonemes),
    )


def _sounding_phonemes(events: list[Event], num_samples: int) -> list[_Phoneme]:
    """Return the phonemes that are not pauses, each lasting to the next event.

    espeak-ng may report a phoneme at the same time as the next event, so that it has no duration. Such a phoneme shares
    the time of the phonemes reported at the same time, in equal parts; at the end of a word, it shares the time of the
    phoneme before it.
    """
    timed_events = [event for event in events if event.type in (WORD, END, PHONEME)]
    timed_events.append(Event(END, 0, num_samples, ""))
    phonemes: list[_Phoneme] = []
    for event, following in pairwise(timed_events):
        if event.type != PHONEME or not event.name:
            continue
        phoneme = _Phoneme(event.name, float(event.sample), float(min(following.sample, num_samples)))
        phonemes.append(phoneme)
        simultaneous = [earlier for earlier in phonemes[-4:] if earlier.start == phoneme.start]
        if phoneme.end > phoneme.start:
            _share(simultaneous, phoneme.end)
        elif following.type != PHONEME or not following.name:
            _share(phonemes[-len(simultaneous) - 1 :], phoneme.end)
    return [phoneme for phoneme in phonemes if phoneme.end > phoneme.start]


def _share(phonemes: list[_Phoneme], end: float) -> None:
    """Divide the time from the first phoneme's start to ``end`` equally among phonemes."""
    start = phonemes[0].start
    length = (end - start) / len(phonemes)
    for index, phoneme in enumerate(phonemes):
        phoneme.start = start + index * length
        phoneme.end = start + (index + 1) * length


def _groups(events: list[Event], word_positions: list[int], phonemes: list[_Phoneme], num_samples: int) -> list[_Group]:
    """Return the groups of words that share a word event.

    Args:
        events: Events in order of time.
        word_positions: Index of the first character of each word.
        phonemes: Sounding phonemes in order of time.
        num_samples: Length of the audio in samples.
    """
    groups: list[_Group] = []
    for event in events:
        word = bisect_right(word_positions, event.text_position - 1) - 1
        # A number is several events of one word, and an event may point back.
        is_next_word = not groups or (word > groups[-1].first and event.sample > groups[-1].start)
        if event.type == WORD and is_next_word:
            groups.append(_Group(word if groups else 0, float(event.sample), float(num_samples), []))
    groups = groups or [_Group(0, 0.0, float(num_samples), [])]
    limits = [*(group.start for group in groups[1:]), float(num_samples)]
    for group, limit in zip(groups, limits, strict=True):
        group.phonemes = [phoneme for phoneme in phonemes if group.start <= phoneme.start < limit]
        group.end = group.phonemes[-1].end if group.phonemes else limit
    return groups


def _divide(group: _Group, names: list[str], phoneme_counts: list[int]) -> list[float]:
    """Return the edges of the words of one group in samples, (num_words + 1,)."""
    num_words = len(names)
    if num_words == 1:
        return [group.start, group.end]
    if len(group.phonemes) < num_words:
        return _divide_in_proportion(group.start, group.end, [len(name) for name in names])
    weights = [max(count, 1) for count in phoneme_counts]
    # Index of the phoneme with which each word should start, as a fraction.
    targets = _divide_in_proportion(0.0, float(len(group.phonemes)), weights)
    edges = [group.start]
    for word in range(1, num_words):
        # At least one phoneme is left for the word before, and one for each word that follows.
        earliest = _first_after(group.phonemes, edges[-1]) if word > 1 else 1
        latest = len(group.phonemes) - (num_words - word)
        index = min(max(round(targets[word]), earliest), latest)
        edges.append(group.phonemes[index].start)
    return [*edges, group.end]


def _first_after(phonemes: list[_Phoneme], start: float) -> int:
    """Return the index of the first phoneme that starts after ``start``."""
    return next(index for index, phoneme in enumerate(phonemes) if phoneme.start > start)


def _divide_in_proportion(start: float, end: float, weights: list[int]) -> list[float]:
    """Return the edges of parts whose lengths are proportional to weights, (num_parts + 1,)."""
    total = sum(weights)
    return [start, *(start + (end - start) * part / total for part in accumulate(weights))]
