"""Speech of a prepared corpus, as the stages that measure something on it read it."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import Utterance
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import load_utterances


def read_speech(corpus: Path, split: str, sample_rate: int, title: str) -> Iterator[tuple[Utterance, Tensor]]:
    """Yield each utterance of a split that can be read, with its waveform (N,).

    Args:
        corpus: Folder filled by a corpus stage.
        split: Split of the corpus.
        sample_rate: Sample rate of the waveforms, in Hz.
        title: Title of the progress bar.
    """
    for loaded in load_utterances(read_cuts(corpus, split), sample_rate, Tally(), title):
        yield loaded.utterance, loaded.waveform
