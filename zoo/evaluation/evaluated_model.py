"""A language model together with the tokenizer, vocoder and tokens that evaluations of it need."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.merged_streams import Tokens
from zoo.tokens.vocabulary import Vocabulary

# Waveform (num_samples,) of speech tokens.
Synthesize = Callable[[Tokens], Tensor]


@dataclass(frozen=True)
class EvaluatedModel:
    """A language model and what evaluations of it may need.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text and units.
        tokenizer: Speech tokenizer; None where only text is scored.
        vocoder: Vocoder; None where no generated speech is judged.
        sample_rate: Sample rate of the vocoder, in Hz.
        tokens: Folder filled by a tokens stage: its train split is counted by the unigram baseline; None for none.
    """

    network: PreTrainedModel
    vocabulary: Vocabulary
    tokenizer: SpeechTokenizer | None
    vocoder: Synthesize | None = None
    sample_rate: int = 16000
    tokens: Path | None = None
