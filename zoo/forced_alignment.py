"""Words to times, where a corpus has none: forced alignment by a CTC network."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from lhotse.cut import Cut
from lhotse.supervision import AlignmentItem
from torch import Tensor, nn
from torchaudio.functional import forced_align
from torchaudio.pipelines import MMS_FA

from zoo.corpora.source import BadItem, Items, Source
from zoo.corpora.utterance import Interval, load_waveform, to_utterance

BLANK, ANYTHING = "-", "*"
ALONE = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'"}


class Aligner(Protocol):
    """Finds the times of words."""

    sample_rate: int

    def align(self, samples: Tensor, words: Sequence[str]) -> list[Interval]:
        """Return (word, start, end) in seconds of each word of a waveform (num_samples,).

        Raises:
            ValueError: Where the words cannot be written in the aligner's letters, or are too many for the audio.
        """
        ...


class CTCAligner:
    """Viterbi alignment of letters under a CTC network (Kürzinger et al. 2020, Pratap et al. 2023).

    Args:
        network: Maps a waveform (1, num_samples) to logits (1, T, letters) and whatever else.
        letters: Index of each; ``-`` is the blank, and ``*``, where there is one, stands for anything.
        sample_rate: In Hz.
    """

    def __init__(self, network: nn.Module, letters: Mapping[str, int], sample_rate: int = 16000) -> None:
        self.network, self.letters, self.sample_rate = network.eval(), dict(letters), sample_rate

    @torch.inference_mode()
    def align(self, samples: Tensor, words: Sequence[str]) -> list[Interval]:
        spelled = [[self.letters[letter] for letter in self.spell(word)] for word in words]
        emission = self.network(samples.unsqueeze(0))[0].log_softmax(-1)  # (1, T, letters)
        target = torch.tensor([[letter for word in spelled for letter in word]], dtype=torch.int32)
        repeats = int((target[0, 1:] == target[0, :-1]).sum())
        if not words or emission.shape[1] < target.shape[1] + repeats:
            raise ValueError(
                f"{target.shape[1]} letters do not fit into {len(samples) / self.sample_rate:.2f} s of audio"
            )
        path = forced_align(emission.float(), target, blank=self.letters[BLANK])[0][0].tolist()
        starts, ends = _letters(path, self.letters[BLANK])
        seconds, first, found = len(samples) / self.sample_rate / emission.shape[1], 0, []
        for word, letters in zip(words, spelled):
            last = first + len(letters) - 1
            found.append((word, round(starts[first] * seconds, 3), round((ends[last] + 1) * seconds, 3)))
            first = last + 1
        return found

    def spell(self, word: str) -> str:
        """Letters of the network for a word: lower case, without accents; ``*`` for a word that has none of them.

        Raises:
            ValueError: Where the network has no ``*`` for such a word.
        """
        plain = "".join(ALONE.get(letter, letter) for letter in word.lower())
        spelled = "".join(
            letter
            for letter in unicodedata.normalize("NFKD", plain)
            if letter in self.letters and letter not in (BLANK, ANYTHING)
        )
        if spelled:
            return spelled
        if ANYTHING in self.letters:
            return ANYTHING
        raise ValueError(
            f"{word!r} has no letter that this aligner knows: write the text in Latin letters, as uroman does"
        )


def _letters(path: list[int], blank: int) -> tuple[list[int], list[int]]:
    """First and last frame of each letter of a CTC path (T,)."""
    starts, ends, before = [], [], blank
    for frame, letter in enumerate(path):
        if letter != blank and letter != before:
            starts.append(frame)
            ends.append(frame)
        elif letter != blank:
            ends[-1] = frame
        before = letter
    return starts, ends


def mms_aligner(weights: Path) -> CTCAligner:
    """The multilingual aligner of MMS, for text in Latin letters of over a thousand languages.

    Args:
        weights: Its ``model.pt``, as torchaudio's ``MMS_FA`` bundle names it (CC BY-NC 4.0).

    Raises:
        FileNotFoundError: Where the file is not there.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(
            f"{weights}: no weights of the MMS aligner; get the file that torchaudio.pipelines.MMS_FA names, or train without interleaved rows"
        )
    where = {"model_dir": str(Path(weights).parent), "file_name": Path(weights).name, "weights_only": True}
    network = MMS_FA.get_model(with_star=True, dl_kwargs=where)
    return CTCAligner(network, MMS_FA.get_dict(star=ANYTHING), int(MMS_FA.sample_rate))


@dataclass(frozen=True)
class Aligned:
    """A corpus whose utterances get word times where they have none; those that cannot be aligned stay without.

    Args:
        source: The corpus.
        aligner: Finds the times.
    """

    source: Source
    aligner: Aligner

    @property
    def synthetic(self) -> bool:
        return self.source.synthetic

    def splits(self, folder: Path) -> dict[str, Items]:
        """The splits of the source, aligned one utterance at a time."""
        return {
            name: Items(lambda items=items: self._aligned(items)) for name, items in self.source.splits(folder).items()
        }

    def _aligned(self, items: Items) -> Iterator[Cut | BadItem]:
        for item in items:
            if not isinstance(item, BadItem):
                self._align(item)
            yield item

    def _align(self, cut: Cut) -> None:
        labels = to_utterance(cut)
        if labels.words is not None or not labels.text.split():
            return
        try:
            words = self.aligner.align(load_waveform(cut, self.aligner.sample_rate), labels.text.split())
        except ValueError:  # unreadable audio is told by whoever reads it next
            return
        items = [AlignmentItem(word, start, round(end - start, 8)) for word, start, end in words]
        cut.supervisions[0].alignment = {**(cut.supervisions[0].alignment or {}), "word": items}
