"""Sentiment preservation of a language model: prompts in, continuations judged, over several runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel

from zoo.evaluation.generation.continuations import continuations
from zoo.evaluation.generation.stsp import SENTIMENTS, draw_shots, sentiment_of
from zoo.evaluation.judges.pretrained import SpeechClassifier, TextClassifier
from zoo.evaluation.scoring.contrast import DIRECTIONS, TextAndSpeech, candidate, given
from zoo.evaluation.statistics import Estimate, mean
from zoo.evaluation.suites.contrast_suite import Parts, read_table
from zoo.language.generation import Sampling
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary

# Of section 5 of the paper.
NEW_TOKENS = {"T->T": 50, "S->T": 50, "T->S": 200, "S->S": 300}


@dataclass(frozen=True)
class SentimentItem:
    """An item of the suite.

    Args:
        id: Its name.
        sentiment: Of both parts.
        prompt: What is given.
        generation: What a speaker went on with; None where it serves as a test only.
        directions: That it is meant for.
    """

    id: str
    sentiment: str
    prompt: TextAndSpeech = field(repr=False)
    generation: TextAndSpeech | None = field(repr=False, default=None)
    directions: tuple[str, ...] = DIRECTIONS


@dataclass(frozen=True)
class SentimentPreservation:
    """Accuracy in one direction.

    Args:
        accuracy: Mean over runs; the interval is a bootstrap over items.
        runs: Accuracy of each run.
        hits: (runs, items).
        rows: Of the first run: name, sentiment, judgment, and the text or the units that were judged.
        shots: Examples in the prompt.
    """

    accuracy: Estimate
    runs: list[float]
    hits: np.ndarray = field(repr=False)
    rows: list[tuple[str, str, str, str]] = field(repr=False)
    shots: int

    def report(self) -> dict[str, Any]:
        return {
            **self.accuracy.named("accuracy"),
            "runs": [round(run, 4) for run in self.runs],
            "shots": self.shots,
            "chance": round(1 / len(SENTIMENTS), 4),
        }


def load_sentiment_suite(
    path: Path, tokenizer: SpeechTokenizer | None, vocabulary: Vocabulary, limit: int | None = None
) -> tuple[list[SentimentItem], list[SentimentItem]]:
    """Read a suite: JSON Lines of ``prompt``, ``sentiment`` or ``emotion``, ``split`` (shots or test), and perhaps ``generation``.

    Args:
        path: The table; audio paths are relative to its folder.
        tokenizer: Of the speech; None for text alone.
        vocabulary: Numbers text and units.
        limit: Most test items; all if None.

    Returns:
        The items that may be shown, and those that are tested.
    """
    parts, found = Parts(path.parent, vocabulary, tokenizer), {"shots": [], "test": []}
    for number, (where, row) in enumerate(read_table(path)):
        if row.get("split") not in found or "prompt" not in row or not ("sentiment" in row or "emotion" in row):
            raise ValueError(f"{where}: want a prompt, a sentiment or emotion, and a split of shots or test")
        sentiment = row["sentiment"] if "sentiment" in row else sentiment_of(row["emotion"])
        if sentiment not in SENTIMENTS:
            raise ValueError(f"{where}: sentiment {sentiment!r}; want one of {', '.join(SENTIMENTS)}")
        if row["split"] == "shots" or limit is None or len(found["test"]) < limit:
            generation = parts.both(row["generation"], where) if "generation" in row else None
            found[row["split"]].append(
                SentimentItem(
                    str(row.get("id", number)),
                    sentiment,
                    parts.both(row["prompt"], where),
                    generation,
                    tuple(row.get("directions", DIRECTIONS)),
                )
            )
    return found["shots"], found["test"]


def sentiment_prompt(
    vocabulary: Vocabulary, shots: Sequence[SentimentItem], asked: SentimentItem, direction: str
) -> np.ndarray:
    """Ids (N,) of the examples, each with its continuation, and then of the input that is tested."""
    parts = []
    for shot in shots:
        shown = candidate(vocabulary, shot.prompt, shot.generation, direction)
        parts += [shown.prompt[1:], shown.continuation]
    return np.concatenate([[vocabulary.bos], *parts, given(vocabulary, asked.prompt, direction)[1:]]).astype(np.int64)


def measure_sentiment_preservation(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    shots: Sequence[SentimentItem],
    asked: Sequence[SentimentItem],
    direction: str,
    judge: Callable[[np.ndarray], str],
    num_shots: int = 0,
    runs: int = 3,
    seed: int = 0,
) -> SentimentPreservation:
    """Test one direction, with temperature 0.8 and top-p 0.95.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        shots: That may be shown; drawn anew in each run, as many of each sentiment.
        asked: That are tested; those not meant for the direction are left out.
        direction: One of ``DIRECTIONS``.
        judge: Sentiment of a continuation (N,), such as ``written`` or ``spoken`` return.
        num_shots: 0, or a multiple of 3.
        runs: Each with other draws.
        seed: Of the first run.

    Raises:
        ValueError: Where nothing is left to test, a sentiment has too few shots, or a prompt leaves too little room.
    """
    shots = [
        one
        for one in shots
        if _serves(one, direction) and one.generation is not None and one.generation.of(direction[-1]) is not None
    ]
    asked = [one for one in asked if _serves(one, direction)]
    if not asked:
        raise ValueError(f"no item of the suite is meant for {direction}")
    to, hits, rows = "text" if direction[-1] == "T" else "speech", [], []
    for run in range(runs):
        chosen = [
            shots[row]
            for row in draw_shots([one.sentiment for one in shots], num_shots, np.random.RandomState(seed + run))
        ]
        prompts = [sentiment_prompt(vocabulary, chosen, one, direction) for one in asked]
        sampling = Sampling(NEW_TOKENS[direction], temperature=0.8, top_p=0.95, seed=seed + run)
        # A continuation ends where the next example would begin.
        stop = [vocabulary.text_marker if direction[0] == "T" else vocabulary.speech_marker] if num_shots else []
        found = continuations(network, vocabulary, prompts, to, sampling, stop, f"{direction}, run {run + 1}")
        judged = [judge(ids) for ids in found]
        hits.append([label == one.sentiment for label, one in zip(judged, asked)])
        rows = rows or [
            (one.id, one.sentiment, label, _shown(vocabulary, ids)) for one, label, ids in zip(asked, judged, found)
        ]
    matrix = np.array(hits, dtype=float)
    return SentimentPreservation(mean(matrix.mean(0)), matrix.mean(1).tolist(), matrix, rows, len(chosen))


def written(vocabulary: Vocabulary, classifier: TextClassifier) -> Callable[[np.ndarray], str]:
    """A judge of ids (N,) of text."""
    return lambda ids: classifier(vocabulary.text.decode(ids.tolist()))


def spoken(
    vocabulary: Vocabulary, speaks: Callable[[Tokens], Tensor], sample_rate: int, classifier: SpeechClassifier
) -> Callable[[np.ndarray], str]:
    """A judge of ids (N,) of units, which are spoken by a vocoder first; silence is neutral."""

    def judge(ids: np.ndarray) -> str:
        tokens = vocabulary.tokens(ids)
        return classifier(speaks(tokens), sample_rate) if len(tokens) else "neutral"

    return judge


def own_continuations(asked: Sequence[SentimentItem], to: str, judge: Callable[[np.ndarray], str]) -> np.ndarray:
    """Hits (1, items) of what the speakers themselves went on with: at chance, the judge tells nothing of a model either.

    Args:
        asked: Those without a continuation of their own in the modality are left out.
        to: Modality, ``T`` or ``S``.
        judge: Sentiment of a continuation (N,); speech is heard as its units tell it.
    """
    there = [
        one
        for one in asked
        if one.generation is not None
        and one.generation.of(to) is not None
        and any(way[-1] == to for way in one.directions)
    ]
    return np.array([[judge(one.generation.of(to)) == one.sentiment for one in there]], dtype=float)


def majority_baseline(asked: Sequence[SentimentItem], direction: str) -> Estimate:
    """What always answering the commonest sentiment would reach."""
    sentiments = [one.sentiment for one in asked if _serves(one, direction)]
    common = max(SENTIMENTS, key=sentiments.count)
    return mean(np.array([one == common for one in sentiments], dtype=float))


def _serves(one: SentimentItem, direction: str) -> bool:
    return direction in one.directions and one.prompt.of(direction[0]) is not None


def _shown(vocabulary: Vocabulary, ids: np.ndarray) -> str:
    speech = vocabulary.tokens(ids)
    return str(speech) if len(speech) else vocabulary.text.decode(ids.tolist())
