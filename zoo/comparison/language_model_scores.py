"""Scores of one language model on held-out data: bits of speech, cloze, sentiment preservation, alignment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from transformers import PreTrainedModel

from zoo.evaluation.generation.sentiment_preservation import judge_references, measure_sentiment_preservation
from zoo.evaluation.representation_alignment import Alignment, measure_alignment
from zoo.evaluation.scoring.bits import SPEECH, measure_bits
from zoo.evaluation.scoring.contrast import measure_accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.suites.contrast_suite import Contrast
from zoo.evaluation.suites.sentiment_suite import SentimentItem
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

SentimentJudge = Callable[[np.ndarray], str]  # ids (N,) of a continuation to its sentiment


@dataclass(frozen=True)
class EvaluationData:
    """Held-out data that the models of one tokenizer are evaluated on.

    Args:
        table: Held-out utterances.
        contrasts: Items of the cloze.
        shots: Items of the sentiment suite that are used as few-shot examples.
        sentiment_suite: Items of the sentiment suite that are tested. If empty, sentiment preservation is not measured.
        judges: Judge of continuations in each modality, ``T`` and ``S``; takes token ids (N,) and returns a sentiment.
    """

    table: TokenTable
    contrasts: Sequence[Contrast]
    shots: Sequence[SentimentItem] = ()
    sentiment_suite: Sequence[SentimentItem] = ()
    judges: Mapping[str, SentimentJudge] = field(default_factory=dict)

    def without_sentiment(self) -> "EvaluationData":
        """Return the data without the sentiment suite."""
        return EvaluationData(self.table, self.contrasts)

    def own_continuations(self) -> dict[str, np.ndarray]:
        """Judge the reference continuations of the speakers themselves; return hits (1, items) by modality."""
        if not self.sentiment_suite:
            return {}
        return {to: judge_references(self.sentiment_suite, to, judge) for to, judge in self.judges.items()}


@dataclass(frozen=True)
class LanguageModelScores:
    """Scores of one language model.

    Args:
        cloze: Hits (items,) of the cloze by mean log-probability, by direction.
        cloze_by_pmi: Hits (items,) of the cloze by pointwise mutual information with the prompt, by direction.
        sentiment: Hits (items,) of sentiment preservation, by direction.
        bits: Number of bits that the model needs for the speech of each utterance, by utterance id.
        seconds: Duration of each utterance in seconds, by utterance id.
        alignment: Alignment of speech and text by layer.
    """

    cloze: dict[str, np.ndarray]
    cloze_by_pmi: dict[str, np.ndarray]
    sentiment: dict[str, np.ndarray]
    bits: dict[str, float]
    seconds: dict[str, float]
    alignment: Alignment

    def by_depth(self, figure: str = "margins") -> tuple[np.ndarray, np.ndarray]:
        """Return the margin of each word at the embedding, and its mean over the middle layers.

        Middle layers are all except the embedding and the last layer; a network without any uses the last layer.

        Args:
            figure: Attribute of ``LayerAlignment``: ``margins`` or ``similarities``.

        Returns:
            Margins, or similarities, at the embedding and in the middle layers, (words,) each.
        """
        layers = [getattr(layer, figure) for layer in self.alignment.layers]
        return layers[0], np.mean(layers[1:-1] or layers[-1:], axis=0)


def score_language_model(
    network: PreTrainedModel, vocabulary: Vocabulary, data: EvaluationData, seed: int
) -> LanguageModelScores:
    """Score one model on all held-out data; ``seed`` is that of the sampled continuations, one for each item."""
    cloze = measure_accuracies(partial(log_likelihoods, network, title="cloze"), vocabulary, data.contrasts)
    sentiment = {}
    if data.sentiment_suite:
        for to, judge in data.judges.items():
            for start in "TS":
                direction = f"{start}->{to}"
                result = measure_sentiment_preservation(
                    network, vocabulary, data.shots, data.sentiment_suite, direction, judge, runs=1, seed=seed
                )
                sentiment[direction] = result.hits[0]
    speech = measure_bits(network, vocabulary, data.table)[SPEECH]
    return LanguageModelScores(
        {direction: accuracy.hits for direction, accuracy in cloze.items()},
        {direction: accuracy.mutual_information_hits for direction, accuracy in cloze.items()},
        sentiment,
        dict(zip(speech.ids, speech.bits, strict=True)),
        dict(zip(speech.ids, speech.sizes, strict=True)),
        measure_alignment(network, vocabulary, data.table),
    )
