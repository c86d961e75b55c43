"""Utterances to rows of tokens: heard in batches of like lengths, bad ones counted and listed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from lhotse.cut import Cut
from torch import Tensor
from tqdm import tqdm

from zoo.audio import AudioError
from zoo.corpora.chunks import load_chunks
from zoo.corpora.utterance import Utterance, load_waveform, to_utterance
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokens.rows import TokenRow
from zoo.tokens.units import Tokens, merge
from zoo.tokens.vocabulary import Vocabulary

BATCH_SECONDS = 30.0
WAITING_BATCHES = 16  # are read before they are sorted by length


def readable(
    cuts: Iterable[Cut], sample_rate: int, tally: Tally, title: str
) -> Iterator[tuple[Utterance, Cut, Tensor]]:
    """Yield each utterance with its waveform (num_samples,), counting those that cannot be read."""
    for cut in tqdm(cuts, desc=title, unit="utt", mininterval=1.0):
        try:
            yield to_utterance(cut), cut, load_waveform(cut, sample_rate)
        except AudioError as error:
            tally.skipped.append({"id": cut.id, "reason": str(error)})


def tokenize_cuts(
    cuts: Iterable[Cut],
    tokenizer: SpeechTokenizer,
    vocabulary: Vocabulary,
    tally: Tally,
    speeds: Sequence[float] = (1.0,),
    batch_seconds: float = BATCH_SECONDS,
) -> Iterator[TokenRow]:
    """Yield one row for each utterance and speed, in order; the units of all are held until the last has been heard.

    Args:
        cuts: As many as one job has.
        tokenizer: Its streams are those of the vocabulary.
        vocabulary: Numbers text and units.
        tally: Counts.
        speeds: 1.1 is ten per cent faster and higher: other voices out of few. Only speed 1 has a place in the audio.
        batch_seconds: Of speech that is encoded at once; a longer piece is a batch of its own. The rows do not depend on it.
    """
    hearing, heard = _BatchEncoder(tokenizer, batch_seconds), []
    for cut in cuts:
        try:
            heard += [hearing.listen(to_utterance(cut), cut, speed) for speed in speeds]
            tally.utterances += 1
        except AudioError as error:
            tally.skipped.append({"id": cut.id, "reason": str(error)})
    hearing.encode_waiting()
    for take in heard:
        row = _row(take, tokenizer, vocabulary)
        tally.add(row)
        yield row


@dataclass
class _EncodedSpeech:
    """One utterance at one speed.

    Args:
        num_samples: Heard so far.
        units: Of each of its pieces.
    """

    spoken: Utterance
    cut: Cut
    speed: float
    num_samples: int = 0
    units: list[dict[str, np.ndarray]] = field(default_factory=list)


class _BatchEncoder:
    """Pieces of audio, collected until there are enough to be sorted by length and encoded in batches."""

    def __init__(self, tokenizer: SpeechTokenizer, batch_seconds: float) -> None:
        self.tokenizer, self.batch_samples = tokenizer, batch_seconds * tokenizer.sample_rate
        self.waiting: list[tuple[Tensor, _EncodedSpeech, int]] = []
        self.num_samples = 0

    def listen(self, spoken: Utterance, cut: Cut, speed: float) -> _EncodedSpeech:
        """Read an utterance; its units are there after the next ``encode_waiting``."""
        take = _EncodedSpeech(spoken, cut, speed)
        for piece in load_chunks(cut, self.tokenizer.sample_rate, self.tokenizer.chunk_seconds, speed):
            self.waiting.append((piece, take, len(take.units)))
            take.units.append({})
            take.num_samples += len(piece)
            self.num_samples += len(piece)
            if self.num_samples >= WAITING_BATCHES * self.batch_samples:
                self.encode_waiting()
        return take

    def encode_waiting(self) -> None:
        self.waiting.sort(key=lambda waiting: len(waiting[0]))
        batch: list[tuple[Tensor, _EncodedSpeech, int]] = []
        for item in self.waiting:
            if batch and sum(len(piece) for piece, _, _ in batch) + len(item[0]) > self.batch_samples:
                self._encode(batch)
                batch = []
            batch.append(item)
        self._encode(batch)
        self.waiting, self.num_samples = [], 0

    def _encode(self, batch: list[tuple[Tensor, _EncodedSpeech, int]]) -> None:
        for (_, take, place), units in zip(
            batch, self.tokenizer.encode_batch([piece for piece, _, _ in batch]), strict=True
        ):
            take.units[place] = units


def _row(take: _EncodedSpeech, tokenizer: SpeechTokenizer, vocabulary: Vocabulary) -> TokenRow:
    spoken, cut, speed = take.spoken, take.cut, take.speed
    units = {
        stream.prefix: np.concatenate([part[stream.prefix] for part in take.units]) for stream in tokenizer.streams
    }
    tokens = merge(units, tokenizer.streams)
    text, words = aligned_text(spoken, vocabulary)
    pieces_of_text = vocabulary.text.encode_words(text)
    source = cut.recording.sources[0] if cut.has_recording and len(cut.recording.sources) == 1 else None
    plain = speed == 1.0 and source is not None and source.type == "file"
    return TokenRow(
        id=spoken.id if speed == 1.0 else f"{spoken.id}@{speed:g}",
        audio=source.source if plain else "",
        start=cut.start,
        duration=take.num_samples / tokenizer.sample_rate,
        text=spoken.text,
        language=spoken.language,
        speaker=spoken.speaker,
        style=spoken.style,
        units=units,
        text_ids=np.array([i for piece in pieces_of_text for i in piece], dtype=np.int32),
        speech_ids=vocabulary.speech_ids(tokens),
        speech_times=tokens.time,
        **_alignment(words, pieces_of_text, tokens, speed),
    )


def aligned_text(spoken: Utterance, vocabulary: Vocabulary) -> tuple[list[str], list[tuple[str, float, float]] | None]:
    """The words to encode and their times: those of the text, with its punctuation, where it has as many as are timed."""
    text = spoken.text.split()
    if spoken.words is None:
        return text, None
    timed = list(spoken.words)
    return (text if len(text) == len(timed) else [word for word, _, _ in timed]), timed


def _alignment(
    words: list[tuple[str, float, float]] | None, pieces: list[list[int]], tokens: Tokens, speed: float
) -> dict:
    """A word owns the tokens from its start to the start of the next; silence at both ends goes to the outer words."""
    if not words:
        return {}
    starts = np.array([start for _, start, _ in words]) / speed
    in_speech = np.searchsorted(tokens.time, starts - 1e-6)  # a rounding error must not cost a word its first token
    in_speech[0] = 0
    return {
        "words": [word for word, _, _ in words],
        "word_ends": np.array([end for _, _, end in words]) / speed,
        "word_text": np.cumsum([0, *map(len, pieces)]),
        "word_speech": np.append(in_speech, len(tokens)),
    }
