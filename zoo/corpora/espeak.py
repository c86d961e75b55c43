"""Synthetic speech with word and phoneme times, by espeak-ng through its C interface (``speak_lib.h``)."""

import _ctypes
import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
import torch
from torch import Tensor

from zoo import audio
from zoo.corpora.espeak_word_times import Event, intervals
from zoo.corpora.utterance import Interval
from zoo.suggestions import suggest

SYNCHRONOUS = 2
PHONEME_EVENTS, PHONEMES_AS_IPA, DONT_EXIT = 1, 2, 0x8000
CHARS_UTF8 = 1
PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
LIMITS = {"rate": (80, 450), "volume": (0, 200), "pitch": (0, 99), "range": (0, 99)}
# TextToPhonemes: IPA, with this character between phonemes.
SEPARATED_IPA = 2 | ord("_") << 8
# The library is one per process, and so is its state.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng and how it speaks.

    Args:
        name: Language or accent as espeak-ng files it, perhaps with a variant: ``en-us``, ``en`` (British),
            ``en-gb-scotland+f2``, ``de+m3``.
        pitch: 0 to 99.
        range: Of the pitch, 0 (monotone) to 99.
        rate: Words a minute, 80 to 450.
        volume: 0 to 200; above 100 it clips.
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
    """What was spoken.

    Args:
        waveform: (num_samples,) at 16 kHz.
        words: One (word, start, end) for each word of the text, in seconds.
        phonemes: (IPA symbol with its stress mark, start, end) in seconds.
    """

    waveform: Tensor
    words: tuple[Interval, ...]
    phonemes: tuple[Interval, ...]


class Synthesizer:
    """Speaks text; the same text and voice give the same samples, whatever was spoken before."""

    def speak(self, text: str, voice: Voice) -> Speech:
        """Return the speech of ``text``.

        Args:
            text: Words between white space, each of which gets exactly one interval.
            voice: Who speaks.

        Raises:
            ValueError: The text is blank, or espeak-ng has no such voice.
        """
        if not text.split():
            raise ValueError(f"text: {text!r} has no words to speak")
        with _LOCK, _Library() as library:
            library.choose(voice)
            samples, events = library.synthesize(text)
            counts = [library.count_phonemes(word) for word in text.split()]
            rate = library.sample_rate
        if len(samples) == 0:
            raise ValueError(f"text: voice {voice.name!r} has no sound for {text[:60]!r}")
        wave = audio.resample(torch.from_numpy(samples.astype(np.float32) / 2**15), rate, audio.SAMPLE_RATE)
        words, phonemes = intervals(text, events, counts, len(samples), rate)
        # Resampling overshoots at the peaks.
        return Speech(wave.clamp(-1, 1), words, phonemes)


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

    Its noise generator, its flutter and the phase of its oscillator go on from one utterance to the next and survive
    ``espeak_Terminate``; only a fresh load, of a few milliseconds, makes an utterance independent of those before it.
    """

    def __enter__(self) -> "_Library":
        self._handle = ctypes.CDLL(espeakng_loader.get_library_path())
        options = PHONEME_EVENTS | PHONEMES_AS_IPA | DONT_EXIT
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate: int = self._handle.espeak_Initialize(SYNCHRONOUS, 0, data, options)
        if self.sample_rate <= 0:
            raise RuntimeError(f"espeak-ng cannot start with its data at {espeakng_loader.get_data_path()}")
        # Breath is noise from the C library's generator, which outlives this one.
        self._handle.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self._chunks: list[bytes] = []
        self._events: list[Event] = []
        self._callback = _CALLBACK(self._receive)
        self._handle.espeak_SetSynthCallback(self._callback)
        return self

    def __exit__(self, *exception: object) -> None:
        self._handle.espeak_Terminate()
        _ctypes.dlclose(self._handle._handle)

    def choose(self, voice: Voice) -> None:
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
        """Return the samples (num_samples,) int16 and the events."""
        raw = text.encode() + b"\0"
        self._handle.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 1, 0, CHARS_UTF8, None, None)
        return np.frombuffer(b"".join(self._chunks), np.int16), self._events

    def count_phonemes(self, word: str) -> int:
        """How many phonemes a word has by itself."""
        pointer = ctypes.c_char_p(word.encode())
        self._handle.espeak_TextToPhonemes.restype = ctypes.c_char_p
        count = 0
        while pointer.value is not None:
            clause = self._handle.espeak_TextToPhonemes(ctypes.byref(pointer), CHARS_UTF8, SEPARATED_IPA) or b""
            count += sum(bool(phoneme.strip()) for part in clause.decode().split() for phoneme in part.split("_"))
        return count

    def _receive(self, samples: object, num_samples: int, events: object) -> int:
        if samples and num_samples > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * num_samples))
        i = 0
        while events[i].type != 0:
            event = events[i]
            # A name of eight bytes fills the field and has no terminator of its own.
            name = (
                ctypes.string_at(ctypes.addressof(event) + _Event.id.offset, 8).split(b"\0")[0].decode(errors="ignore")
            )
            self._events.append(Event(event.type, event.text_position, event.sample, name if event.type == 7 else ""))
            i += 1
        return 0


@cache
def _languages() -> tuple[str, ...]:
    files = Path(espeakng_loader.get_data_path(), "lang").rglob("*")
    return tuple(sorted(path.name.lower() for path in files if path.is_file()))


@cache
def _variants() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in Path(espeakng_loader.get_data_path(), "voices", "!v").iterdir()))
