"""Word error rate of a language model that transcribes speech, with no examples in the prompt."""

from dataclasses import astuple, dataclass
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel

from zoo.evaluation.scoring.error_rates import word_error_rate
from zoo.evaluation.statistics import Estimate
from zoo.language.generation import Sampling, generate
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True, order=True)
class Transcript:
    """Transcript of one utterance.

    Args:
        id: Name of the utterance.
        reference: Its text.
        hypothesis: Transcript by the model.
    """

    id: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class Transcription:
    """Transcripts of a corpus and their errors.

    Args:
        error_rate: Word error rate; its interval is a bootstrap over utterances.
        transcripts: Transcript of each utterance, ordered by name.
    """

    error_rate: Estimate
    transcripts: list[Transcript]

    def rows(self) -> list[tuple[Any, ...]]:
        """Return name, reference and hypothesis of each utterance, as written to tables."""
        return [astuple(transcript) for transcript in self.transcripts]


def transcribe(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    table: TokenTable,
    batch_size: int = 32,
    extra_tokens: int = 10,
    num_beams: int = 1,
    limit: int | None = None,
) -> Transcription:
    """Transcribe every utterance that has speech and text, and measure the word error rate.

    Args:
        network: Language model trained, among other things, on speech followed by its text.
        vocabulary: Vocabulary of the network.
        table: Tokenized utterances with texts.
        batch_size: Prompts at a time, of similar length.
        extra_tokens: Tokens by which a transcript may exceed the longest reference.
        num_beams: Number of beams of the beam search; 1 is greedy decoding.
        limit: Largest number of utterances, the first of the table; all if None.
    """
    utterances = [row for row in table if len(row.text_ids) and len(row.speech_ids)][:limit]
    utterances.sort(key=lambda row: len(row.speech_ids))
    longest_reference = max((len(row.text_ids) for row in utterances), default=0)
    decoding = Sampling(longest_reference + extra_tokens, temperature=0, num_beams=num_beams)
    transcripts: list[Transcript] = []
    references: list[str] = []
    hypotheses: list[str] = []
    languages: list[str] = []
    for start in tqdm(range(0, len(utterances), batch_size), desc="transcribe", unit="batch", mininterval=1.0):
        batch = utterances[start : start + batch_size]
        prompts = [[vocabulary.tokens(row.speech_ids)] for row in batch]
        for row, continuation in zip(batch, generate(network, vocabulary, prompts, "text", decoding), strict=True):
            transcripts.append(Transcript(row.id, row.text, continuation.text))
            references.append(row.text)
            hypotheses.append(continuation.text)
            languages.append(row.language)
    # In the order of the batches: the bootstrap depends on the order of utterances.
    error_rate = word_error_rate(references, hypotheses, languages)
    return Transcription(error_rate, sorted(transcripts))
