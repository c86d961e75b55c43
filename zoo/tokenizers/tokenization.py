"""Tokenize utterances into rows: they are encoded in batches of similar lengths, and unreadable ones are listed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lhotse.cut import Cut
from torch import Tensor
from tqdm import tqdm

from zoo.audio import AudioError, is_constant
from zoo.corpora.chunks import load_chunks
from zoo.corpora.utterance import Utterance, audio_file, audio_name, load_waveform, to_utterance
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokens.merged_streams import Tokens, merge
from zoo.tokens.schema import TokenRow
from zoo.tokens.vocabulary import Vocabulary

BATCH_SECONDS = 30.0
MIN_SILENCE_SECONDS = 0.1
BUFFERED_BATCHES = 16  # batches of speech that are read before they are sorted by length


@dataclass(frozen=True)
class LoadedUtterance:
    """An utterance and its audio.

    Args:
        utterance: Labels of the utterance.
        waveform: Audio of the utterance, (num_samples,).
    """

    utterance: Utterance
    waveform: Tensor


def load_utterances(cuts: Iterable[Cut], sample_rate: int, tally: Tally, title: str) -> Iterator[LoadedUtterance]:
    """Yield each utterance with its waveform, with a progress bar; unreadable utterances are left out.

    Args:
        cuts: Cuts with one supervision each.
        sample_rate: Sample rate of the waveforms, in Hz.
        tally: Counter to which unreadable utterances are added.
        title: Title of the progress bar.
    """
    for cut in tqdm(cuts, desc=title, unit="utt", mininterval=1.0):
        try:
            yield LoadedUtterance(to_utterance(cut), load_waveform(cut, sample_rate))
        except AudioError as error:
            tally.skip(cut.id, error)


def encode_recording(cut: Cut, tokenizer: SpeechTokenizer) -> dict[str, np.ndarray]:
    """Return the raw units (T,) of a recording by prefix, with one chunk of audio in memory at a time.

    Args:
        cut: Recording of any length.
        tokenizer: Speech tokenizer; the units equal those that it makes of the whole waveform.

    Raises:
        AudioError: The audio cannot be read.
    """
    units_of_chunks: dict[str, list[np.ndarray]] = {stream.prefix: [] for stream in tokenizer.streams}
    for chunk in load_chunks(cut, tokenizer.sample_rate, tokenizer.chunk_seconds):
        for prefix, units in tokenizer.encode(chunk).items():
            units_of_chunks[prefix].append(units)
    return {prefix: np.concatenate(chunks) for prefix, chunks in units_of_chunks.items()}


def tokenize_cuts(
    cuts: Iterable[Cut],
    tokenizer: SpeechTokenizer,
    vocabulary: Vocabulary,
    tally: Tally,
    speeds: Sequence[float] = (1.0,),
    batch_seconds: float = BATCH_SECONDS,
) -> Iterator[TokenRow]:
    """Yield one row for each utterance and speed, in order, after the last utterance has been encoded.

    Args:
        cuts: Utterances of one job, whose units are all held in memory.
        tokenizer: Speech tokenizer with the streams of the vocabulary.
        vocabulary: Ids of text and units.
        tally: Counter to which utterances and rows are added.
        speeds: Speeds at which each utterance is read. A speed of 1.1 is ten percent faster and higher, which adds
            voices to a corpus of few speakers. Only rows at speed 1 name their audio file.
        batch_seconds: Seconds of speech that are encoded at once; a longer chunk is a batch by itself. The rows do not
            depend on it.
    """
    encoder = _BatchEncoder(tokenizer, batch_seconds)
    encoded = []
    for cut in cuts:
        try:
            utterance = to_utterance(cut)
            encoded += [encoder.add(utterance, cut, speed) for speed in speeds]
            tally.utterances += 1
        except AudioError as error:
            tally.skip(cut.id, error)
    encoder.flush()
    for speech in encoded:
        row = _to_row(speech, tokenizer, vocabulary)
        tally.add(row)
        yield row


@dataclass
class _EncodedSpeech:
    """One utterance at one speed.

    Args:
        utterance: Labels of the utterance.
        cut: Audio of the utterance.
        speed: Speed at which the audio is read.
        num_samples: Samples read so far, after the change of speed.
        units: Units of each chunk by prefix; empty until the chunk is encoded.
    """

    utterance: Utterance
    cut: Cut
    speed: float
    num_samples: int = 0
    units: list[dict[str, np.ndarray]] = field(default_factory=list)


@dataclass(frozen=True)
class _Chunk:
    """A chunk of audio that waits to be encoded.

    Args:
        waveform: Samples of the chunk, (num_samples,).
        speech: Utterance that the chunk is part of.
        index: Index of the chunk among those of the utterance.
    """

    waveform: Tensor
    speech: _EncodedSpeech
    index: int

    def __len__(self) -> int:
        return len(self.waveform)


class _BatchEncoder:
    """Collects chunks of audio until there are enough to be sorted by length and encoded in batches.

    Args:
        tokenizer: Encodes the chunks.
        batch_seconds: Largest duration of a batch, in seconds, unless it is a single chunk.
    """

    def __init__(self, tokenizer: SpeechTokenizer, batch_seconds: float) -> None:
        self.tokenizer = tokenizer
        self.batch_samples = batch_seconds * tokenizer.sample_rate
        self.buffer: list[_Chunk] = []
        self.num_samples = 0

    def add(self, utterance: Utterance, cut: Cut, speed: float) -> _EncodedSpeech:
        """Read an utterance; its units are complete after the next ``flush``.

        Raises:
            AudioError: The audio cannot be read, or all its samples are equal.
        """
        speech = _EncodedSpeech(utterance, cut, speed)
        is_silent = True
        for waveform in load_chunks(cut, self.tokenizer.sample_rate, self.tokenizer.chunk_seconds, speed):
            is_silent = is_silent and is_constant(waveform)
            self.buffer.append(_Chunk(waveform, speech, len(speech.units)))
            speech.units.append({})
            speech.num_samples += len(waveform)
            self.num_samples += len(waveform)
            if self.num_samples >= BUFFERED_BATCHES * self.batch_samples:
                self.flush()
        if is_silent and speech.num_samples > MIN_SILENCE_SECONDS * self.tokenizer.sample_rate:
            raise AudioError(f"{audio_name(cut)}: all samples are equal, as in digital silence")
        return speech

    def flush(self) -> None:
        """Encode all chunks in the buffer."""
        # Chunks of similar lengths are encoded together, since a batch is padded to its longest chunk.
        self.buffer.sort(key=len)
        batch: list[_Chunk] = []
        for chunk in self.buffer:
            if batch and sum(map(len, batch)) + len(chunk) > self.batch_samples:
                self._encode(batch)
                batch = []
            batch.append(chunk)
        self._encode(batch)
        self.buffer = []
        self.num_samples = 0

    def _encode(self, batch: list[_Chunk]) -> None:
        encoded = self.tokenizer.encode_batch([chunk.waveform for chunk in batch])
        for chunk, units in zip(batch, encoded, strict=True):
            chunk.speech.units[chunk.index] = units


def _to_row(speech: _EncodedSpeech, tokenizer: SpeechTokenizer, vocabulary: Vocabulary) -> TokenRow:
    """Join the units of an utterance's chunks, and align them and its text to its words."""
    utterance = speech.utterance
    is_plain = speech.speed == 1.0
    units = {}
    for stream in tokenizer.streams:
        units[stream.prefix] = np.concatenate([chunk_units[stream.prefix] for chunk_units in speech.units])
    tokens = merge(units, tokenizer.streams)
    text = text_of_words(utterance)
    word_ids = vocabulary.text.encode_words(text)
    file = audio_file(speech.cut) if is_plain else None
    return TokenRow(
        id=utterance.id if is_plain else f"{utterance.id}@{speech.speed:g}",
        audio=file or "",
        start=speech.cut.start,
        duration=speech.num_samples / tokenizer.sample_rate,
        text=utterance.text,
        language=utterance.language,
        speaker=utterance.speaker,
        style=utterance.style,
        units=units,
        text_ids=np.array([token for ids in word_ids for token in ids], dtype=np.int32),
        speech_ids=vocabulary.speech_ids(tokens),
        speech_times=tokens.times(),
        **_alignment(utterance, word_ids, tokens, speech.speed),
    )


def text_of_words(utterance: Utterance) -> list[str]:
    """Return the words to encode: those of the text, or the timed words if their numbers differ."""
    text = utterance.text.split()
    if utterance.words is None or len(text) == len(utterance.words):
        return text
    return [word for word, _, _ in utterance.words]


def _alignment(utterance: Utterance, word_ids: list[list[int]], tokens: Tokens, speed: float) -> dict[str, Any]:
    """Return the columns of a row that align its words, empty if the words have no times.

    The tokens from the start of a word to the start of the next word belong to the word. Tokens before the first and
    after the last word belong to these.

    Args:
        utterance: Labels of the utterance, with times at speed 1.
        word_ids: Text ids of each word.
        tokens: Speech tokens with their times.
        speed: Speed at which the audio was read.
    """
    words = utterance.words
    if not words:
        return {}
    confidences = utterance.word_confidences
    starts = np.array([start for _, start, _ in words]) / speed
    # The tolerance keeps the first token of a word despite rounding errors.
    first_tokens = np.searchsorted(tokens.times(), starts - 1e-6)
    first_tokens[0] = 0
    return {
        "words": [word for word, _, _ in words],
        "word_ends": np.array([end for _, _, end in words]) / speed,
        "word_text": np.cumsum([0, *map(len, word_ids)]),
        "word_speech": np.append(first_tokens, len(tokens)),
        "word_confidences": None if confidences is None else np.array(confidences, dtype=np.float32),
    }
