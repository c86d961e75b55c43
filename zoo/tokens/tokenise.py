"""Corpora to tokens: one utterance at a time, bad ones counted and listed."""
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torchaudio
from lhotse import CutSet
from lhotse.cut import Cut
from torch import Tensor
from tqdm import tqdm

from zoo.audio import AudioError
from zoo.corpora.utterance import Utterance, utterance, waveform
from zoo.files import write_text
from zoo.tokens.store import TokenRow
from zoo.tokens.tokenizers import SpeechTokenizer
from zoo.tokens.units import Tokens, merge
from zoo.tokens.vocabulary import Vocabulary


@dataclass
class Tally:
    """What became of the utterances of one split.

    Args:
        utterances: Tokenised, each counted once whatever the number of speeds.
        seconds: Of speech in them, at all speeds.
        speech_tokens: Deduplicated, in them.
        text_tokens: In their texts.
        empty: Too short for a single unit.
        skipped: Name and reason of each that could not be read.
    """

    utterances: int = 0
    seconds: float = 0.0
    speech_tokens: int = 0
    text_tokens: int = 0
    empty: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def tokens_per_second(self) -> float:
        return self.speech_tokens / max(self.seconds, 1e-9)

    def add(self, row: TokenRow) -> None:
        self.seconds += row.duration
        self.speech_tokens += len(row.speech_ids)
        self.text_tokens += len(row.text_ids)
        self.empty += not len(row.speech_ids)

    def check(self, max_bad_share: float, where: Path) -> None:
        """Raise ValueError where more than that share of the utterances was skipped, or all of them."""
        bad, total = len(self.skipped), len(self.skipped) + self.utterances
        if bad > max_bad_share * total or not self.utterances:
            first = self.skipped[0] if self.skipped else {"id": "none", "reason": "the split is empty"}
            raise ValueError(f"{bad} of {total} utterances could not be read, more than max_bad_share={max_bad_share}; "
                             f"the first: {first['id']}: {first['reason']}; all are listed in {where}")


def readable(cuts: CutSet, sample_rate: int, tally: Tally, title: str) -> Iterator[tuple[Utterance, Cut, Tensor]]:
    """Yield each utterance with its waveform (num_samples,), counting those that cannot be read."""
    for cut in tqdm(cuts, desc=title, unit="utt", mininterval=1.0):
        try:
            yield utterance(cut), cut, waveform(cut, sample_rate)
        except AudioError as error:
            tally.skipped.append({"id": cut.id, "reason": str(error)})


def tokenise(cuts: CutSet, tokenizer: SpeechTokenizer, vocabulary: Vocabulary, tally: Tally, title: str,
             speeds: Sequence[float] = (1.0,)) -> Iterator[TokenRow]:
    """Yield one row for each utterance and speed.

    Args:
        cuts: One split of a corpus.
        tokenizer: Its streams are those of the vocabulary.
        vocabulary: Numbers text and units.
        tally: Counts.
        title: Of the progress bar.
        speeds: 1.1 is ten per cent faster and higher: other voices out of few. Only speed 1 has a place in the audio.
    """
    for spoken, cut, samples in readable(cuts, tokenizer.sample_rate, tally, title):
        tally.utterances += 1
        for speed in speeds:
            row = _row(spoken, cut, samples, speed, tokenizer, vocabulary)
            tally.add(row)
            yield row


def _row(spoken: Utterance, cut: Cut, samples: Tensor, speed: float, tokenizer: SpeechTokenizer, vocabulary: Vocabulary) -> TokenRow:
    rate = tokenizer.sample_rate
    if speed != 1.0:
        samples = torchaudio.functional.resample(samples, round(rate * speed / 100) * 100, rate)
    units = tokenizer.encode(samples)
    tokens = merge(units, tokenizer.streams)
    text, words = aligned_text(spoken, vocabulary)
    pieces = vocabulary.text.encode_words(text)
    source = cut.recording.sources[0] if cut.has_recording and len(cut.recording.sources) == 1 else None
    plain = speed == 1.0 and source is not None and source.type == "file"
    return TokenRow(
        id=spoken.id if speed == 1.0 else f"{spoken.id}@{speed:g}",
        audio=source.source if plain else "", start=cut.start, duration=len(samples) / rate, text=spoken.text,
        language=spoken.language, speaker=spoken.speaker, style=spoken.style, units=units,
        text_ids=np.array([i for piece in pieces for i in piece], dtype=np.int32),
        speech_ids=vocabulary.speech_ids(tokens), speech_times=tokens.time,
        **_alignment(words, pieces, tokens, speed))


def aligned_text(spoken: Utterance, vocabulary: Vocabulary) -> tuple[list[str], list[tuple[str, float, float]] | None]:
    """The words to encode and their times: those of the text, with its punctuation, where it has as many as are timed."""
    text = spoken.text.split()
    if spoken.words is None:
        return text, None
    timed = list(spoken.words)
    return (text if len(text) == len(timed) else [word for word, _, _ in timed]), timed


def _alignment(words: list[tuple[str, float, float]] | None, pieces: list[list[int]], tokens: Tokens, speed: float) -> dict:
    """A word owns the tokens from its start to the start of the next; silence at both ends goes to the outer words."""
    if not words:
        return {}
    starts = np.array([start for _, start, _ in words]) / speed
    in_speech = np.searchsorted(tokens.time, starts - 1e-6)  # a rounding error must not cost a word its first token
    in_speech[0] = 0
    return {"words": [word for word, _, _ in words],
            "word_ends": np.array([end for _, _, end in words]) / speed,
            "word_text": np.cumsum([0, *map(len, pieces)]),
            "word_speech": np.append(in_speech, len(tokens))}


def write_skipped(path: Path, tallies: Iterable[Tally]) -> None:
    """List the utterances that could not be read, one a line."""
    write_text(path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for tally in tallies for item in tally.skipped))
