"""Word errors of a language model that writes down what it hears."""

from dataclasses import dataclass

import jiwer
import numpy as np
from tqdm import tqdm
from transformers import PreTrainedModel

from zoo.evaluation.statistics import Estimate, ratio
from zoo.language.generation import Sampling, generate
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Transcripts:
    """References beside what was written.

    Args:
        error_rate: Substituted, deleted and inserted words per reference word; the interval is a bootstrap over utterances.
        rows: Name, reference and hypothesis of each utterance.
    """

    error_rate: Estimate
    rows: list[tuple[str, str, str]]


def transcribe(
    network: PreTrainedModel, vocabulary: Vocabulary, table: TokenTable, batch_size: int = 32, extra_tokens: int = 10
) -> Transcripts:
    """Transcribe every utterance greedily, and count the word errors.

    Args:
        network: Trained on speech followed by its text, among other things.
        vocabulary: Of the network.
        table: Tokenized utterances with texts.
        batch_size: Prompts at a time, of about equal length.
        extra_tokens: A transcript may be so much longer than the longest reference.
    """
    rows = sorted(
        (row for row in table if len(row.text_ids) and len(row.speech_ids)), key=lambda row: len(row.speech_ids)
    )
    longest, found = max((len(row.text_ids) for row in rows), default=0), []
    for start in tqdm(range(0, len(rows), batch_size), desc="transcribe", unit="batch", mininterval=1.0):
        batch = rows[start : start + batch_size]
        greedy = Sampling(longest + extra_tokens, temperature=0)
        prompts = [[vocabulary.tokens(row.speech_ids)] for row in batch]
        found += [
            (row.id, row.text, out.text)
            for row, out in zip(batch, generate(network, vocabulary, prompts, "text", greedy))
        ]
    counts = [jiwer.process_words(text, hypothesis) for _, text, hypothesis in found]
    errors = np.array([c.substitutions + c.deletions + c.insertions for c in counts])
    words = np.array([c.substitutions + c.deletions + c.hits for c in counts])
    return Transcripts(ratio(errors, words), sorted(found))
