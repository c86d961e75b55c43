"""Forced alignment by a CTC network, which adds word times to a corpus without them."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from lhotse.cut import Cut
from torch import Tensor, nn
from torchaudio.functional import forced_align
from torchaudio.pipelines import MMS_FA

from zoo.corpora.source import BadItem, Items, Source
from zoo.corpora.utterance import Interval, load_waveform, to_alignment, to_utterance

BLANK = "-"
STAR = "*"  # wildcard letter that matches any sound
# Letters that Unicode does not decompose into a plain letter and an accent.
PLAIN_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'"}


class Aligner(Protocol):
    """Interface of aligners, which find the start and end of each word of a transcript in speech.

    Attributes:
        sample_rate: Sample rate of the input waveforms in Hz.
    """

    sample_rate: int

    def align(self, waveform: Tensor, words: Sequence[str]) -> list[Interval]:
        """Return (word, start, end) of each word in seconds.

        Args:
            waveform: Speech, (num_samples,).
            words: Words of the transcript, in order.

        Raises:
            ValueError: If a word cannot be spelled in the aligner's letters, or there are too many letters for the
                length of the audio.
        """
        ...


class CTCAligner:
    """Viterbi alignment of letters under a CTC network (Kürzinger et al. 2020, Pratap et al. 2023).

    Args:
        network: Network that maps a waveform (1, num_samples) to a tuple whose first element is the logits (1, T,
            num_letters).
        letters: Index of each letter; ``-`` is the blank, and ``*``, if there is one, matches any sound.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(self, network: nn.Module, letters: Mapping[str, int], sample_rate: int = 16000) -> None:
        self.network = network.eval()
        self.letters = dict(letters)
        self.sample_rate = sample_rate

    @torch.inference_mode()
    def align(self, waveform: Tensor, words: Sequence[str]) -> list[Interval]:
        spellings = [self.spell(word) for word in words]
        target = torch.tensor([[self.letters[letter] for letter in "".join(spellings)]], dtype=torch.int32)  # (1, L)
        log_probs = self.network(waveform.unsqueeze(0))[0].log_softmax(-1)  # (1, T, num_letters)
        num_frames = log_probs.shape[1]
        seconds = len(waveform) / self.sample_rate
        # CTC needs a blank between equal letters.
        num_repeats = int((target[0, 1:] == target[0, :-1]).sum())
        if not words or num_frames < target.shape[1] + num_repeats:
            raise ValueError(f"{target.shape[1]} letters do not fit into {seconds:.2f} s of audio")
        path = forced_align(log_probs.float(), target, blank=self.letters[BLANK])[0][0].tolist()
        spans = _letter_spans(path, self.letters[BLANK])
        frame_seconds = seconds / num_frames
        intervals = []
        first = 0  # index of the first letter of the word
        for word, spelling in zip(words, spellings, strict=True):
            last = first + len(spelling) - 1
            start = round(spans[first].start * frame_seconds, 3)
            end = round((spans[last].end + 1) * frame_seconds, 3)
            intervals.append((word, start, end))
            first = last + 1
        return intervals

    def spell(self, word: str) -> str:
        """Return the spelling of a word in the network's letters: lower case and without accents.

        The spelling is ``*`` for a word without any letter of the network.

        Raises:
            ValueError: If the word has no letter of the network, and the network has no ``*``.
        """
        plain = "".join(PLAIN_LETTERS.get(letter, letter) for letter in word.lower())
        # NFKD separates letters from their accents, which the network does not know.
        decomposed = unicodedata.normalize("NFKD", plain)
        known = self.letters.keys() - {BLANK, STAR}
        spelling = "".join(letter for letter in decomposed if letter in known)
        if spelling:
            return spelling
        if STAR in self.letters:
            return STAR
        raise ValueError(
            f"{word!r} has no letter that this aligner knows: write the text in Latin letters, as uroman does"
        )


@dataclass
class _LetterSpan:
    """First and last frame of a letter."""

    start: int
    end: int


def _letter_spans(path: list[int], blank: int) -> list[_LetterSpan]:
    """Return the frames of each letter of a CTC path (T,)."""
    spans: list[_LetterSpan] = []
    previous = blank
    for frame, letter in enumerate(path):
        if letter != blank and letter != previous:
            spans.append(_LetterSpan(frame, frame))
        elif letter != blank:
            spans[-1].end = frame
        previous = letter
    return spans


def mms_aligner(weights: Path) -> CTCAligner:
    """Load the multilingual aligner of MMS (Pratap et al. 2023), for over a thousand languages in Latin letters.

    Args:
        weights: The file ``model.pt`` that torchaudio's ``MMS_FA`` bundle downloads (CC BY-NC 4.0).

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"{weights}: no weights of the MMS aligner; get the file that torchaudio.pipelines.MMS_FA names, "
            "or train without interleaved data"
        )
    location = {"model_dir": str(Path(weights).parent), "file_name": Path(weights).name, "weights_only": True}
    network = MMS_FA.get_model(with_star=True, dl_kwargs=location)
    return CTCAligner(network, MMS_FA.get_dict(star=STAR), int(MMS_FA.sample_rate))


@dataclass(frozen=True)
class Aligned:
    """A corpus whose utterances without word times are aligned; utterances that cannot be aligned get none.

    Args:
        source: The corpus to align.
        aligner: Aligner that finds the word times.
    """

    source: Source
    aligner: Aligner

    @property
    def synthetic(self) -> bool:
        return self.source.synthetic

    @property
    def description(self) -> str:
        return f"{self.source.description}; words aligned"

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits of the source, which are aligned one utterance at a time."""
        splits = self.source.splits(folder)
        return {name: Items(partial(self._aligned_items, items)) for name, items in splits.items()}

    def _aligned_items(self, items: Items) -> Iterator[Cut | BadItem]:
        for item in items:
            if not isinstance(item, BadItem):
                self._align(item)
            yield item

    def _align(self, cut: Cut) -> None:
        """Add word times to the supervision of a cut."""
        utterance = to_utterance(cut)
        words = utterance.text.split()
        if utterance.words is not None or not words:
            return
        try:
            intervals = self.aligner.align(load_waveform(cut, self.aligner.sample_rate), words)
        except ValueError:  # unreadable audio is reported by whatever reads it next
            return
        supervision = cut.supervisions[0]
        supervision.alignment = {**(supervision.alignment or {}), "word": to_alignment(intervals)}
