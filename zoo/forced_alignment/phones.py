"""Word and phone times of English by PocketSphinx (Huggins-Daines et al. 2006); needs the extra ``phones``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.corpora.utterance import Interval
from zoo.files import is_special
from zoo.forced_alignment.aligner import Alignment
from zoo.optional_packages import require_package

FRAME_RATE = 100  # frames per second
# Scores are logarithms to the base 1.0001, divided by 1024, relative to the best state of each frame.
NATS_PER_SCORE = 1024 * math.log(1.0001)
MIN_PHONE_SECONDS = 0.03  # three states of a frame each
NO_PHONES = ("SIL",)
# Beams wide enough to reach the last word of mumbled speech.
BEAMS = {"beam": 1e-160, "pbeam": 1e-160, "wbeam": 1e-140}


@dataclass(frozen=True)
class _Word:
    """A word that PocketSphinx has aligned.

    Args:
        start: Start in seconds.
        end: End in seconds.
        confidence: Confidence, 0 to 1.
        phones: (phone, start, end) of each phone in seconds.
    """

    start: float
    end: float
    confidence: float
    phones: tuple[Interval, ...]


class PocketsphinxAligner:
    """Aligns English words and phones by the acoustic model and the dictionary that PocketSphinx carries.

    Phones are those of the CMU dictionary, without stress. The confidence of a word is the mean likelihood, over frames
    and geometrically, of its states relative to the best state of each frame.

    Args:
        dictionary: File of further pronunciations, a word and its phones a line, such as ``zoo Z UW``.

    Raises:
        ValueError: PocketSphinx is not installed, or the dictionary is of another form.
    """

    sample_rate = 16000

    def __init__(self, dictionary: Path | None = None) -> None:
        require_package("pocketsphinx", "PocketsphinxAligner", "phones", "name another aligner")
        self.pronunciations = {} if dictionary is None else _read_dictionary(Path(dictionary))
        self.name = f"pocketsphinx {sorted(self.pronunciations.items())}"

    @cached_property
    def _decoder(self) -> Any:
        # Made when it is first needed, since it cannot be sent to another process.
        from pocketsphinx import Decoder

        # Cepstral means of the utterance itself, so that times do not depend on earlier utterances; and no search for
        # the best path in the lattice, which drops the condition that the last word is reached.
        decoder = Decoder(lm=None, loglevel="FATAL", bestpath=False, cmn="batch", dither=False, **BEAMS)
        for word, phones in self.pronunciations.items():
            if decoder.lookup_word(word) is None:
                decoder.add_word(word, phones, True)
        return decoder

    def align(self, waveform: Tensor, words: Sequence[str], language: str = "und") -> Alignment:
        """Return the times of each word and of its phones; see ``Aligner.align``.

        Raises:
            ValueError: A word is not in the dictionary, the language is not English, or the words do not fit the audio.
        """
        if language.split("-")[0].lower() not in ("en", "und"):
            raise ValueError(f"language {language!r}; PocketSphinx has an English model only")
        if not words:
            raise ValueError("no words to align")
        entries = self._align_entries(waveform, [self._dictionary_form(word) for word in words])
        duration = len(waveform) / self.sample_rate
        if len(entries) != len(words):
            raise ValueError(f"PocketSphinx finds {len(entries)} of {len(words)} words in {duration:.2f} s")
        intervals = []
        confidences = []
        phonemes: list[Interval] = []
        for word, entry in zip(words, entries, strict=True):
            intervals.append(_clipped(word, entry.start, entry.end, duration))
            confidences.append(entry.confidence)
            phonemes += [_clipped(*phone, duration) for phone in entry.phones]
        return Alignment(tuple(intervals), tuple(confidences), tuple(phonemes))

    def _dictionary_form(self, word: str) -> str:
        """Return a word as the dictionary has it: lower case, without punctuation.

        Raises:
            ValueError: The dictionary does not have it.
        """
        bare = word.lower().replace("’", "'").strip(".,;:!?\"'()[]-–—“”„…")
        for form in (bare, f"'{bare}", f"{bare}'", bare.replace("-", ""), bare.replace(".", "")):
            if form and " " not in form and self._decoder.lookup_word(form) is not None:
                return form
        raise ValueError(f"{word!r} is not in the pronouncing dictionary; add it by dictionary=FILE, or spell it out")

    def _align_entries(self, waveform: Tensor, words: Sequence[str]) -> list[_Word]:
        """Find the words, then their phones, and return the entries of the words."""
        num_phones = sum(len(self._decoder.lookup_word(word).split()) for word in words)
        duration = len(waveform) / self.sample_rate
        if num_phones * MIN_PHONE_SECONDS > duration:
            raise ValueError(f"{num_phones} phones do not fit into {duration:.2f} s of audio")
        samples = (waveform.cpu().clamp(-1, 1) * 32767).to(torch.int16).numpy().tobytes()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._run(samples)
            if self._decoder.hyp() is None:
                raise RuntimeError("the last word is not reached")
            self._decoder.set_alignment()
            self._run(samples)
            # Its entries point into the alignment, which must outlive them.
            alignment = self._decoder.get_alignment()
            entries = [_to_word(entry) for entry in alignment if not entry.name.startswith(("<", "[", "+"))]
        except RuntimeError as error:
            # A decoder whose utterance was cut short cannot begin another one.
            del self.__dict__["_decoder"]
            reason = f"PocketSphinx finds no path through {len(words)} words ({error})"
            raise ValueError(reason) from error
        return entries

    def _run(self, samples: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()


def _to_word(entry: Any) -> _Word:
    """Return a copy of an entry of PocketSphinx's alignment."""
    phones = []
    for phone in entry:
        if phone.name not in NO_PHONES:
            start = phone.start / FRAME_RATE
            phones.append((str(phone.name), start, start + phone.duration / FRAME_RATE))
    confidence = math.exp(NATS_PER_SCORE * entry.score / max(entry.duration, 1))
    start = entry.start / FRAME_RATE
    return _Word(start, start + entry.duration / FRAME_RATE, round(min(confidence, 1.0), 4), tuple(phones))


def _clipped(label: str, start: float, end: float, duration: float) -> Interval:
    return label, round(start, 3), round(min(end, duration), 3)


def _read_dictionary(path: Path) -> dict[str, str]:
    """Read a word and its phones from each line.

    Raises:
        ValueError: A line has no phones, or the path is no text file.
        FileNotFoundError: There is no such file.
    """
    if is_special(path):
        raise ValueError(f"dictionary: {path} is not a regular file")
    pronunciations = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error}); save it again") from error
    for number, line in enumerate(lines, 1):
        word, _, phones = line.partition("#")[0].strip().partition(" ")
        if word and not phones.strip():
            raise ValueError(f"{path}:{number}: want a word and its phones, such as 'zoo Z UW', got {line!r}")
        if word:
            pronunciations[word.lower()] = " ".join(phones.split())
    return pronunciations
