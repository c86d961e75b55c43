"""Sentiment preservation (STSP): whether generated continuations keep the sentiment of their prompts, over runs."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from zoo.evaluation.evaluated_model import Synthesize
from zoo.evaluation.generation.continuations import generate_continuations
from zoo.evaluation.generation.official_stsp import draw_shots
from zoo.evaluation.judges.classifiers import SpeechClassifier, TextClassifier
from zoo.evaluation.statistics import Estimate, mean
from zoo.evaluation.suites.sentiment_suite import SENTIMENTS, SentimentItem
from zoo.evaluation.suites.text_and_speech import MODALITY_NAMES, modalities, prompt_ids
from zoo.language.generation import Sampling
from zoo.tokens.vocabulary import Vocabulary

# Maximum length of a continuation, as in section 5 of the Spirit LM paper.
NEW_TOKENS = {"T->T": 50, "S->T": 50, "T->S": 200, "S->S": 300}

# Sentiment of the ids (N,) of a continuation.
Judge = Callable[[np.ndarray], str]


@dataclass(frozen=True)
class JudgedContinuation:
    """A continuation and the sentiment it was judged to have.

    Args:
        id: Name of the item.
        sentiment: Sentiment of the item.
        judgment: Sentiment of the continuation.
        content: Text or string of units of the continuation.
    """

    id: str
    sentiment: str
    judgment: str
    content: str


@dataclass(frozen=True)
class SentimentPreservation:
    """Sentiment preservation in one direction.

    Args:
        accuracy: Mean accuracy over runs; the interval is a bootstrap over items.
        runs: Accuracy of each run.
        hits: Whether the sentiment was kept, (runs, items).
        continuations: Judged continuations of the first run.
        num_shots: Examples in each prompt.
    """

    accuracy: Estimate
    runs: list[float]
    hits: np.ndarray = field(repr=False)
    continuations: list[JudgedContinuation] = field(repr=False)
    num_shots: int

    def report(self) -> dict[str, Any]:
        """Return the accuracy with its interval, as written to reports."""
        return {
            **self.accuracy.named("accuracy"),
            "runs": [round(accuracy, 4) for accuracy in self.runs],
            "shots": self.num_shots,
            "chance": round(1 / len(SENTIMENTS), 4),
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """Return name, sentiment, judgment and content of each continuation of the first run, as written to reports."""
        return [astuple(continuation) for continuation in self.continuations]


def sentiment_prompt(
    vocabulary: Vocabulary, shots: Sequence[SentimentItem], tested: SentimentItem, direction: str
) -> np.ndarray:
    """Return the ids (N,) of the examples, each with its reference continuation, and then of the tested prompt.

    Args:
        vocabulary: Vocabulary of the network.
        shots: Examples; each needs a reference continuation in the target modality.
        tested: Tested item.
        direction: One of ``DIRECTIONS``.
    """
    _, target = modalities(direction)
    segments = []
    for shot in shots:
        if shot.continuation is None:
            raise ValueError(f"item {shot.id} has no reference continuation: it cannot be an example")
        # Only the beginning of the complete prompt has a begin token.
        segments += [prompt_ids(vocabulary, shot.prompt, direction)[1:], shot.continuation.ids(target)]
    tested_ids = prompt_ids(vocabulary, tested.prompt, direction)[1:]
    return np.concatenate([[vocabulary.bos], *segments, tested_ids]).astype(np.int64)


def measure_sentiment_preservation(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    shots: Sequence[SentimentItem],
    tested: Sequence[SentimentItem],
    direction: str,
    judge: Judge,
    num_shots: int = 0,
    runs: int = 3,
    seed: int = 0,
) -> SentimentPreservation:
    """Measure one direction, sampling with temperature 0.8 and top-p 0.95.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text and units.
        shots: Items for examples, drawn for each run, as many of each sentiment.
        tested: Items to test; those that do not support the direction are left out.
        direction: One of ``DIRECTIONS``.
        judge: Sentiment of a continuation, such as ``make_text_judge`` or ``make_speech_judge`` return.
        num_shots: Examples in each prompt: 0, or a multiple of 3.
        runs: Number of runs, each with other samples and examples.
        seed: Seed of the first run; each later run increments it.

    Raises:
        ValueError: If no item supports the direction, a sentiment has too few examples, or a prompt fills the
            context of the model.
    """
    examples = [item for item in shots if item.can_be_example(direction)]
    items = [item for item in tested if item.supports(direction)]
    if not items:
        raise ValueError(f"no item of the suite is meant for {direction}")
    hits: list[list[bool]] = []
    first_run: list[JudgedContinuation] = []
    num_drawn = 0
    for run in range(runs):
        drawn = _draw_examples(examples, num_shots, seed + run)
        num_drawn = len(drawn)
        continuations = _generate_run(network, vocabulary, drawn, items, direction, seed, run)
        judged = _judge_continuations(vocabulary, items, continuations, judge)
        hits.append([continuation.judgment == continuation.sentiment for continuation in judged])
        if run == 0:
            first_run = judged
    matrix = np.array(hits, dtype=float)  # (runs, items)
    return SentimentPreservation(
        accuracy=mean(matrix.mean(0)),
        runs=matrix.mean(1).tolist(),
        hits=matrix,
        continuations=first_run,
        num_shots=num_drawn,
    )


def _draw_examples(examples: Sequence[SentimentItem], num_shots: int, seed: int) -> list[SentimentItem]:
    sentiments = [item.sentiment for item in examples]
    return [examples[index] for index in draw_shots(sentiments, num_shots, np.random.RandomState(seed))]


def _judge_continuations(
    vocabulary: Vocabulary, items: Sequence[SentimentItem], continuations: Sequence[np.ndarray], judge: Judge
) -> list[JudgedContinuation]:
    """Judge the continuation of each item."""
    judged = []
    for item, ids in zip(items, continuations, strict=True):
        judged.append(JudgedContinuation(item.id, item.sentiment, judge(ids), _format_ids(vocabulary, ids)))
    return judged


def _generate_run(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    examples: Sequence[SentimentItem],
    items: Sequence[SentimentItem],
    direction: str,
    seed: int,
    run: int,
) -> list[np.ndarray]:
    """Generate the continuations of one run."""
    source, target = modalities(direction)
    # A continuation ends where the next example would begin.
    next_marker = vocabulary.text_marker if source == "T" else vocabulary.speech_marker
    return generate_continuations(
        network,
        vocabulary,
        [sentiment_prompt(vocabulary, examples, item, direction) for item in items],
        MODALITY_NAMES[target],
        Sampling(NEW_TOKENS[direction], temperature=0.8, top_p=0.95, seed=seed + run),
        [next_marker] if examples else [],
        f"{direction}, run {run + 1}",
    )


def make_text_judge(vocabulary: Vocabulary, classifier: TextClassifier) -> Judge:
    """Return a judge of text ids (N,)."""

    def judge(ids: np.ndarray) -> str:
        return classifier(vocabulary.text.decode(ids.tolist()))

    return judge


def make_speech_judge(
    vocabulary: Vocabulary, vocoder: Synthesize, sample_rate: int, classifier: SpeechClassifier
) -> Judge:
    """Return a judge of speech ids (N,), which are synthesized first; a continuation without units is neutral.

    Args:
        vocabulary: Vocabulary of the ids.
        vocoder: Vocoder of the speech tokens.
        sample_rate: Sample rate of the vocoder, in Hz.
        classifier: Sentiment of a waveform.
    """

    def judge(ids: np.ndarray) -> str:
        tokens = vocabulary.tokens(ids)
        return classifier(vocoder(tokens), sample_rate) if len(tokens) else "neutral"

    return judge


def judge_references(tested: Sequence[SentimentItem], modality: str, judge: Judge) -> np.ndarray:
    """Judge the reference continuations: an upper bound for models, and at chance where the judge is uninformative.

    Args:
        tested: Items; those without a reference continuation in the modality are left out.
        modality: Modality of the continuations, ``T`` or ``S``.
        judge: Sentiment of a continuation; speech is synthesized from its units first.

    Returns:
        Whether each judgment is the sentiment of the item, (1, items).
    """
    hits = []
    for item in tested:
        is_target = any(modalities(direction)[1] == modality for direction in item.directions)
        if item.continuation is not None and item.continuation.has(modality) and is_target:
            hits.append(judge(item.continuation.ids(modality)) == item.sentiment)
    return np.array([hits], dtype=float)


def majority_baseline(tested: Sequence[SentimentItem], direction: str) -> Estimate:
    """Return the accuracy of always answering the most frequent sentiment of the items that support a direction."""
    sentiments = [item.sentiment for item in tested if item.supports(direction)]
    most_frequent = max(SENTIMENTS, key=sentiments.count)
    return mean(np.array([sentiment == most_frequent for sentiment in sentiments], dtype=float))


def _format_ids(vocabulary: Vocabulary, ids: np.ndarray) -> str:
    """Return ids as a string of units where there are any, otherwise as text."""
    speech = vocabulary.tokens(ids)
    return str(speech) if len(speech) else vocabulary.text.decode(ids.tolist())
