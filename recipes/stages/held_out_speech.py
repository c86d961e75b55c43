"""Reader of the held-out speech that evaluation stages measure on."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import Utterance
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import load_utterances


def read_speech(corpus: Path, split: str, sample_rate: int, title: str) -> Iterator[tuple[Utterance, Tensor]]:
    """Yield each readable utterance of a split with its waveform (N,).

    Args:
        corpus: Folder written by a corpus stage.
        split: Split of the corpus.
        sample_rate: Sample rate of the waveforms, in Hz.
        title: Title of the progress bar.
    """
    for loaded in load_utterances(read_cuts(corpus, split), sample_rate, Tally(), title):
        yield loaded.utterance, loaded.waveform
