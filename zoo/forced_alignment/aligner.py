"""The protocol of aligners, which find when each word of a transcript is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from zoo.corpora.utterance import Interval

MIN_WORD_SECONDS = 0.02  # one frame of the usual networks


@dataclass(frozen=True)
class Alignment:
    """Times of the words of one utterance.

    Args:
        words: (word, start, end) of each word in seconds, in order, without overlaps and within the audio.
        confidences: Confidence in each word, 0 to 1.
        phonemes: (phone, start, end) of each phone in seconds, in order; None if the aligner has no phones.
    """

    words: tuple[Interval, ...]
    confidences: tuple[float, ...]
    phonemes: tuple[Interval, ...] | None = None


class Aligner(Protocol):
    """Interface of aligners, which find the start and end of each word of a transcript in speech.

    Attributes:
        sample_rate: Sample rate of the input waveforms in Hz.
        name: What the times depend on besides speech and words, such as the checkpoint; stored with the times.
    """

    sample_rate: int
    name: str

    def align(self, waveform: Tensor, words: Sequence[str], language: str = "und") -> Alignment:
        """Return the times of each word.

        Args:
            waveform: Speech, (num_samples,).
            words: Words of the transcript, in order.
            language: BCP-47 tag of the language; ``und`` where it is not known.

        Raises:
            ValueError: The words cannot be aligned, such as a word in letters that the aligner does not know.
        """
        ...
