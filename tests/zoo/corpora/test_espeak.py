from itertools import pairwise

import pytest
import torch

from zoo.corpora.espeak import Synthesizer, Voice
from zoo.corpora.espeak_word_times import END, PHONEME, WORD, Event, find_times

TEXTS = [
    ("en-us", "The dog of the house went to the river in the hills. It was in the water on the left."),
    ("en-gb-x-rp+belinda", "At last they kicked the small ball at the gym. Tom was sad."),
    ("en", "a 42 1999 - x & it's the end of an U.S. story"),
    ("de+m3", "Über die Brücke ging Anna in den Wald. Er ist müde"),
    ("es-419+f2", "Allí Lucía plantó el árbol en el jardín de la abuela."),
    ("pl", "Zima to czas jeżdżenia na sankach."),
]


def check_intervals(named, duration):
    last = 0.0
    for _, start, end in named:
        assert last <= start < end <= duration
        last = end


@pytest.mark.parametrize("voice, text", TEXTS)
def test_every_word_has_one_interval_in_order_inside_the_audio(voice, text):
    speech = Synthesizer().synthesize(text, Voice(voice))
    assert [word for word, _, _ in speech.words] == text.split()
    duration = len(speech.waveform) / 16000
    check_intervals(speech.words, duration)
    check_intervals(speech.phonemes, duration)
    assert speech.waveform.dtype == torch.float32 and 0.1 < speech.waveform.abs().max() <= 1


@pytest.mark.parametrize("rate", [100, 175, 300])
def test_words_sound_and_pauses_do_not(rate):
    speech = Synthesizer().synthesize(
        "The bread looked small. Tom was sad. At last they planted the rose at the garden.", Voice("en-us", rate=rate)
    )
    level = speech.waveform.std()
    for word, start, end in speech.words:
        assert speech.waveform[int(start * 16000) : int(end * 16000)].std() > 0.2 * level, word
    gaps = [(a[2], b[1]) for a, b in pairwise(speech.words) if b[1] - a[2] > 0.06]
    assert len(gaps) == 2
    for start, end in gaps:
        assert speech.waveform[int(start * 16000) + 320 : int(end * 16000) - 320].std() < 0.1 * level


def test_a_merged_pair_is_divided_between_its_phonemes():
    speech = Synthesizer().synthesize("the river of the hills", Voice("en-us"))
    times = {word: (start, end) for word, start, end in speech.words[2:4]}
    inside = {
        word: [
            p for p, start, end in speech.phonemes if times[word][0] - 1e-6 <= start and end <= times[word][1] + 1e-6
        ]
        for word in times
    }
    assert [symbol.strip("ˈˌ") for symbol in inside["of"]] == ["ʌ", "v"] and [p.strip("ˈˌ") for p in inside["the"]] == [
        "ð",
        "ə",
    ]


@pytest.mark.parametrize("name", ["en-us", "en-us+f2", "en-us+f5", "en+m3", "en-029+belinda"])
def test_the_same_text_is_the_same_sound_whatever_came_before(name):
    synthesizer, voice = Synthesizer(), Voice(name, pitch=60)
    first = synthesizer.synthesize("The cow was old.", voice)
    synthesizer.synthesize("Something else entirely", Voice("de+f5"))
    again = synthesizer.synthesize("The cow was old.", voice)
    assert (
        torch.equal(first.waveform, again.waveform) and first.words == again.words and first.phonemes == again.phonemes
    )


def test_faster_is_shorter_and_louder_is_louder():
    plain, fast, quiet = (
        Synthesizer().synthesize("The cow was old.", Voice("en-us", rate=rate, volume=volume)).waveform
        for rate, volume in ((150, 80), (300, 80), (150, 30))
    )
    assert len(fast) < 0.75 * len(plain) and quiet.std() < 0.6 * plain.std()


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: Synthesizer().synthesize("hello", Voice("en-uss")), "did you mean 'en-us'"),
        (lambda: Synthesizer().synthesize("hello", Voice("en-us+nobody")), "knows no 'nobody'"),
        (lambda: Synthesizer().synthesize("  ", Voice("en-us")), "no words"),
        (lambda: Voice("en-us", pitch=150), "pitch 150; want 0 to 99"),
    ],
)
def test_mistakes(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_events_that_are_missing_or_merged_or_repeated():
    events = [
        Event(WORD, 3, 100, ""),
        Event(PHONEME, 3, 100, "a"),
        Event(PHONEME, 3, 200, "b"),
        Event(PHONEME, 3, 300, "c"),
        Event(WORD, 9, 400, ""),
        Event(PHONEME, 9, 400, "d"),
        Event(WORD, 9, 450, ""),
        Event(PHONEME, 9, 450, "e"),
        Event(PHONEME, 9, 500, ""),
        Event(END, 9, 700, ""),
    ]
    # Four words: the first has no event, the second leads a group of three, the last is reported twice.
    times = find_times("x yy z 10", events, [1, 1, 1, 2], 800, 1000)
    assert times.words == (("x", 0.1, 0.2), ("yy", 0.2, 0.3), ("z", 0.3, 0.4), ("10", 0.4, 0.5))
    assert [name for name, _, _ in times.phonemes] == list("abcde")
    times = find_times("one three", [], [3, 3], 800, 1000)
    assert times.words == (("one", 0.0, 0.3), ("three", 0.3, 0.8))
