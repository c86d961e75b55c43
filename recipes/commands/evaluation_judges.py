"""Judges of generated text and speech, as named by the options of ``zoo evaluate``."""

import argparse
from collections.abc import Callable
from pathlib import Path

from zoo.evaluation.judges.classifiers import (
    VADER,
    PretrainedSpeechClassifier,
    PretrainedTextClassifier,
    SpeechClassifier,
    StyleJudge,
    TextClassifier,
    VaderClassifier,
    WordsClassifier,
)
from zoo.evaluation.judges.recognizers import Decoding
from zoo.evaluation.judges.speech_judges import SpeechJudges, installed_judges
from zoo.evaluation.judges.toxicity import WordList
from zoo.evaluation.suites.sentiment_suite import EMOTION_TO_SENTIMENT
from zoo.evaluation.tasks import EvaluationSettings
from zoo.files import read_json
from zoo.speech.style_units import CONFIG as STYLE
from zoo.speech.style_units import StyleUnits

TRANSCRIBED_TASKS = ("toxicity", "tts")


class EvaluationJudges:
    """Loads the judges that a task needs.

    Args:
        args: Arguments of the command line.
        suites: Folder of suites, whose word lists are used where no judge is named.
    """

    def __init__(self, args: argparse.Namespace, suites: Path) -> None:
        self.args = args
        self.suites = suites

    @property
    def toxic_words(self) -> Path | None:
        """File of toxic words: the named one, else that of the suites; None if there is neither."""
        suite_words = self.suites / "toxic_words.txt"
        return self.args.toxic_words or (suite_words if suite_words.is_file() else None)

    def settings(self, task: str) -> EvaluationSettings:
        """Return the settings of a task, by its name, with the judges that it needs."""
        args = self.args
        is_sentiment = task == "sentiment"
        toxic_words = self.toxic_words if task == "toxicity" else None
        return EvaluationSettings(
            limit=args.limit,
            num_shots=args.shots,
            seed=args.seed,
            runs=args.runs,
            judges=self.of_speech() if task in TRANSCRIBED_TASKS else None,
            language=args.language,
            text_classifier=self._text_classifier() if is_sentiment else None,
            speech_classifier=self._speech_classifier() if is_sentiment else None,
            toxic_words=WordList.load(toxic_words) if toxic_words else None,
            toxicity=self._toxicity() if task == "toxicity" else None,
        )

    def of_speech(self) -> SpeechJudges:
        """Return the named recognizer, with the speaker encoder and DNSMOS that are named or installed."""
        args = self.args
        decoding = Decoding(args.asr_beams, args.asr_task)
        return installed_judges(args.asr, args.language, decoding, args.speaker_encoder, args.device)

    def _toxicity(self) -> Callable[[str], float] | None:
        if not self.args.toxicity_classifier:
            return None
        classifier = PretrainedTextClassifier(self.args.toxicity_classifier)

        def score_toxicity(text: str) -> float:
            return classifier.score(text, "toxic")

        return score_toxicity

    def _text_classifier(self) -> TextClassifier | None:
        """Return the named classifier, or one by the sentiment words of the suites."""
        checkpoint = self.args.text_classifier
        if not checkpoint:
            words = self.suites / "sentiment_words.json"
            return _load_words_classifier(words) if words.is_file() else None
        if checkpoint == VADER:
            return VaderClassifier()
        if checkpoint.endswith(".json"):
            return _load_words_classifier(Path(checkpoint))
        return PretrainedTextClassifier(checkpoint)

    def _speech_classifier(self) -> SpeechClassifier | None:
        checkpoint = self.args.speech_classifier
        if checkpoint is None:
            return None
        if (Path(checkpoint) / STYLE).is_file():
            return StyleJudge(StyleUnits.load(Path(checkpoint)), EMOTION_TO_SENTIMENT)
        return PretrainedSpeechClassifier(checkpoint, EMOTION_TO_SENTIMENT)


def _load_words_classifier(path: Path) -> WordsClassifier:
    return WordsClassifier(read_json(path))
