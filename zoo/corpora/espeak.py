"""Speech synthesis with word and phoneme times, by espeak-ng through its C interface (``speak_lib.h``)."""

import _ctypes
import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
import torch
from torch import Tensor

from zoo import audio
from zoo.corpora.espeak_word_times import Event, find_times
from zoo.corpora.utterance import Interval
from zoo.suggestions import suggest

# Constants of speak_lib.h.
SYNCHRONOUS = 2
PHONEME_EVENTS = 1
PHONEMES_AS_IPA = 2
DONT_EXIT = 0x8000
CHARS_UTF8 = 1
PHONEME_EVENT = 7
PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
LIMITS = {"rate": (80, 450), "volume": (0, 200), "pitch": (0, 99), "range": (0, 99)}
# Mode of TextToPhonemes: IPA, with this character between phonemes.
SEPARATED_IPA = 2 | ord("_") << 8
# A process has one copy of the library and of its state.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng and its settings.

    Args:
        name: Language or accent as espeak-ng names it, with an optional variant: ``en-us``, ``en`` (British),
            ``en-gb-scotland+f2``, ``de+m3``.
        pitch: Pitch, 0 to 99.
        range: Range of the pitch, 0 (monotone) to 99.
        rate: Words per minute, 80 to 450.
        volume: Volume, 0 to 200; above 100 the audio clips.

    Raises:
        ValueError: A setting is out of its range.
    """

    name: str
    pitch: int = 50
    range: int = 50
    rate: int = 175
    volume: int = 100

    def __post_init__(self) -> None:
        for parameter, (low, high) in LIMITS.items():
            if not low <= getattr(self, parameter) <= high:
                raise ValueError(f"voice {self.name!r}: {parameter} {getattr(self, parameter)}; want {low} to {high}")


@dataclass(frozen=True)
class Speech:
    """Synthesized speech.

    Args:
        waveform: Audio at 16 kHz, (num_samples,).
        words: (word, start, end) of each word of the text, in seconds.
        phonemes: (IPA symbol with its stress mark, start, end) of each phoneme, in seconds.
    """

    waveform: Tensor
    words: tuple[Interval, ...]
    phonemes: tuple[Interval, ...]


class Synthesizer:
    """Text to speech; the same text and voice give the same samples, whatever was synthesized before."""

    def synthesize(self, text: str, voice: Voice) -> Speech:
        """Return the speech of a text.

        Args:
            text: Words separated by white space, each of which gets exactly one interval.
            voice: Voice and its settings.

        Raises:
            ValueError: The text is blank, or espeak-ng has no such voice.
        """
        if not text.split():
            raise ValueError(f"text: {text!r} has no words to synthesize")
        with _LOCK, _Library() as library:
            library.select(voice)
            samples, events = library.synthesize(text)
            phoneme_counts = [library.count_phonemes(word) for word in text.split()]
            sample_rate = library.sample_rate
        if len(samples) == 0:
            raise ValueError(f"text: voice {voice.name!r} has no sound for {text[:60]!r}")
        waveform = torch.from_numpy(samples.astype(np.float32) / 2**15)
        waveform = audio.resample(waveform, sample_rate, audio.SAMPLE_RATE)
        times = find_times(text, events, phoneme_counts, len(samples), sample_rate)
        # Resampling overshoots at the peaks.
        return Speech(waveform.clamp(-1, 1), times.words, times.phonemes)


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """espeak-ng, loaded for one utterance and unloaded after it.

    The states of its noise generator, its flutter and its oscillator are kept from one utterance to the next and
    survive ``espeak_Terminate``; only loading it anew, in a few milliseconds, makes an utterance independent of earlier
    ones.
    """

    def __enter__(self) -> "_Library":
        self._handle = ctypes.CDLL(espeakng_loader.get_library_path())
        options = PHONEME_EVENTS | PHONEMES_AS_IPA | DONT_EXIT
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate: int = self._handle.espeak_Initialize(SYNCHRONOUS, 0, data, options)
        if self.sample_rate <= 0:
            raise RuntimeError(f"espeak-ng cannot start with its data at {espeakng_loader.get_data_path()}")
        # Breath is noise from the random generator of the C library, which stays loaded.
        self._handle.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self._chunks: list[bytes] = []
        self._events: list[Event] = []
        self._callback = _CALLBACK(self._receive)
        self._handle.espeak_SetSynthCallback(self._callback)
        return self

    def __exit__(self, *exception: object) -> None:
        self._handle.espeak_Terminate()
        _ctypes.dlclose(self._handle._handle)

    def select(self, voice: Voice) -> None:
        """Use a voice for what is synthesized next.

        Raises:
            ValueError: espeak-ng has no such voice.
        """
        language, _, variant = voice.name.partition("+")
        for part, known in ((language.lower(), _languages()), (variant, ("", *_variants()))):
            if part not in known:
                hint = suggest(part, known, f"it has {', '.join(filter(None, known))}")
                raise ValueError(f"voice {voice.name!r}: espeak-ng knows no {part!r}; {hint}")
        if self._handle.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"voice {voice.name!r}: espeak-ng cannot load it")
        for parameter, number in PARAMETERS.items():
            self._handle.espeak_SetParameter(number, getattr(voice, parameter), 0)

    def synthesize(self, text: str) -> tuple[np.ndarray, list[Event]]:
        """Return the samples (num_samples,) int16 and the events of a text."""
        raw = text.encode() + b"\0"
        self._handle.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 1, 0, CHARS_UTF8, None, None)
        return np.frombuffer(b"".join(self._chunks), np.int16), self._events

    def count_phonemes(self, word: str) -> int:
        """Return the number of phonemes of a word by itself."""
        pointer = ctypes.c_char_p(word.encode())
        self._handle.espeak_TextToPhonemes.restype = ctypes.c_char_p
        count = 0
        while pointer.value is not None:
            clause = self._handle.espeak_TextToPhonemes(ctypes.byref(pointer), CHARS_UTF8, SEPARATED_IPA) or b""
            for word_phonemes in clause.decode().split():
                count += sum(bool(phoneme.strip()) for phoneme in word_phonemes.split("_"))
        return count

    def _receive(self, samples: Any, num_samples: int, events: Any) -> int:
        """Keep a chunk of samples and its events, as the callback of the synthesis; 0 continues it."""
        if samples and num_samples > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * num_samples))
        index = 0
        # The list ends with an event of type 0.
        while events[index].type != 0:
            event = events[index]
            name = _phoneme_name(event) if event.type == PHONEME_EVENT else ""
            self._events.append(Event(event.type, event.text_position, event.sample, name))
            index += 1
        return 0


def _phoneme_name(event: _Event) -> str:
    # A name of eight bytes fills the field and has no terminator of its own.
    name = ctypes.string_at(ctypes.addressof(event) + _Event.id.offset, 8)
    return name.split(b"\0")[0].decode(errors="ignore")


@cache
def _languages() -> tuple[str, ...]:
    files = Path(espeakng_loader.get_data_path(), "lang").rglob("*")
    return tuple(sorted(path.name.lower() for path in files if path.is_file()))


@cache
def _variants() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in Path(espeakng_loader.get_data_path(), "voices", "!v").iterdir()))
