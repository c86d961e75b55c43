"""Sentiment suites: prompts of known sentiment, for sentiment preservation (STSP) of Spirit LM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.evaluation.suites.suite_table import SuiteTokenizer, read_table
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, TextAndSpeech, modalities
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.vocabulary import Vocabulary

SENTIMENTS = ("negative", "neutral", "positive")
# The label maps of the official Spirit LM release.
EMOTION_TO_SENTIMENT = {
    "happy": "positive",
    "amused": "positive",
    "angry": "negative",
    "sad": "negative",
    "default": "neutral",
    "neutral": "neutral",
}
EXPRESSO_EMOTION_TO_SENTIMENT = {
    emotion: EMOTION_TO_SENTIMENT[emotion] for emotion in ("happy", "angry", "sad", "default")
}


@dataclass(frozen=True)
class SentimentItem:
    """A prompt of known sentiment, with an optional reference continuation.

    Args:
        id: Name of the item.
        sentiment: Sentiment of the prompt and of the reference continuation.
        prompt: Content of the prompt.
        continuation: Reference continuation, by the speaker of the prompt; None where the item is only tested.
        directions: Directions that the item is meant for.
    """

    id: str
    sentiment: str
    prompt: TextAndSpeech = field(repr=False)
    continuation: TextAndSpeech | None = field(repr=False, default=None)
    directions: tuple[str, ...] = DIRECTIONS

    def supports(self, direction: str) -> bool:
        """Whether the item is meant for a direction and has a prompt in its source modality."""
        source, _ = modalities(direction)
        return direction in self.directions and self.prompt.has(source)

    def can_be_example(self, direction: str) -> bool:
        """Whether the item can be a few-shot example of a direction: it also needs a reference continuation."""
        _, target = modalities(direction)
        return self.supports(direction) and self.continuation is not None and self.continuation.has(target)


def sentiment_of(emotion: str, sentiments: Mapping[str, str] = EMOTION_TO_SENTIMENT) -> str:
    """Return the sentiment of an emotion.

    Raises:
        ValueError: If the map does not have the emotion.
    """
    if emotion not in sentiments:
        raise ValueError(f"emotion {emotion!r} has no sentiment; the map has {', '.join(sentiments)}")
    return sentiments[emotion]


def load_sentiment_suite(
    path: Path, tokenizer: SpeechTokenizer | None, vocabulary: Vocabulary, limit: int | None = None
) -> tuple[list[SentimentItem], list[SentimentItem]]:
    """Load a suite from JSON Lines of ``prompt``, ``sentiment`` or ``emotion``, ``split`` (``shots`` or ``test``).

    ``generation``, the reference continuation, and ``directions`` are optional.

    Args:
        path: Table of the suite; audio paths are relative to its folder.
        tokenizer: Speech tokenizer; None for text alone.
        vocabulary: Vocabulary of text and units.
        limit: Maximum number of test items; all if None.

    Returns:
        Items for few-shot examples, and items to test.

    Raises:
        FileNotFoundError: If the table does not exist.
        ValueError: If a row is malformed or its sentiment is unknown.
    """
    suite_tokenizer = SuiteTokenizer(path.parent, vocabulary, tokenizer)
    splits: dict[str, list[SentimentItem]] = {"shots": [], "test": []}
    for number, (where, row) in enumerate(read_table(path)):
        sentiment = _read_sentiment(row, where)
        if row["split"] == "test" and limit is not None and len(splits["test"]) >= limit:
            continue
        item = SentimentItem(
            id=str(row.get("id", number)),
            sentiment=sentiment,
            continuation=suite_tokenizer.encode(row["generation"], where) if "generation" in row else None,
            prompt=suite_tokenizer.encode(row["prompt"], where),
            directions=tuple(row.get("directions", DIRECTIONS)),
        )
        splits[row["split"]].append(item)
    return splits["shots"], splits["test"]


def _read_sentiment(row: dict[str, Any], where: str) -> str:
    """Check the keys of a row and return its sentiment."""
    if row.get("split") not in ("shots", "test") or "prompt" not in row or not ("sentiment" in row or "emotion" in row):
        raise ValueError(f"{where}: expected a prompt, a sentiment or emotion, and a split of shots or test")
    sentiment = row["sentiment"] if "sentiment" in row else sentiment_of(row["emotion"])
    if sentiment not in SENTIMENTS:
        raise ValueError(f"{where}: sentiment {sentiment!r}; expected one of {', '.join(SENTIMENTS)}")
    return sentiment
