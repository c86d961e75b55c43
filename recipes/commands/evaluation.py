"""What ``zoo evaluate`` does: parts of a run are loaded when a suite needs them, results kept beside it."""

import argparse
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.evaluation.generation.stsp import EMOTION_TO_SENTIMENT
from zoo.evaluation.harness import evaluate_text
from zoo.evaluation.judges.pretrained import (
    PretrainedRecognizer,
    PretrainedSpeechClassifier,
    PretrainedTextClassifier,
    SpeechClassifier,
    StyleJudge,
    TextClassifier,
    WordsClassifier,
)
from zoo.evaluation.judges.toxicity import WordList
from zoo.evaluation.result_cache import ResultCache, fingerprint, suite_fingerprint
from zoo.evaluation.tasks import SUITES, TASKS, Settings, Subject
from zoo.language.speech_text_model import load_language_model
from zoo.speech.style_units import CONFIG as STYLE
from zoo.speech.style_units import StyleUnits
from zoo.suggestions import suggest
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import FILE, require_match
from zoo.vocoder.vocoder import Vocoder

SETTINGS = (
    "limit",
    "shots",
    "seed",
    "runs",
    "asr",
    "text_classifier",
    "speech_classifier",
    "toxicity_classifier",
    "precision",
)


class Evaluation:
    """One model, and the suites that are asked for.

    Args:
        args: Of the command line.

    Raises:
        FileNotFoundError: Where the model is not there.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, run = args, args.model
        if not run.is_dir():
            raise FileNotFoundError(f"{run}: no such folder; `zoo run quickstart` makes runs/quickstart")
        self.is_run = not (run / "config.json").is_file()
        self.model = args.language_model or (run / "language_model" / "model" if self.is_run else run)
        self.tokenizer = args.tokenizer or self._of_run("tokenizer/tokenizer")
        self.vocoder = args.vocoder or self._of_run("vocoder/vocoder")
        self.tokens = args.tokens or self._of_run("tokens")
        self.suites = run / "corpus" / "demo" / "suites"
        self.out = args.out or run / "evaluations"

    def offer(self) -> str:
        """The suites that can be named."""
        there = [name for name, (_, file) in SUITES.items() if not file or (self.suites / file).is_file()]
        return f"here are {', '.join(there)}; or a table of your own: --table FILE"

    def suite(self, name: str) -> None:
        """Evaluate one suite, unless its result is there, and print it."""
        task, table = self._locate(name)
        settings = {key: getattr(self.args, key) for key in SETTINGS}
        words = self._toxic_words() if task == "toxicity" else None
        key = {
            "model": self._model_fingerprint,
            "task": task,
            "settings": settings,
            "toxic_words": fingerprint(words) if words else None,
            "suite": suite_fingerprint(table) if table.is_file() else fingerprint(table),
            **self._parts(task),
        }
        memory = ResultCache(self.out / f"{name}.json", key)
        there = memory.result
        result = (
            there
            if there is not None
            else memory.finish(TASKS[task](self._subject, table, self._settings(task, words), memory))
        )
        print(f"{name}{' (as evaluated before)' if there is not None else ''}: {memory.path}")
        print(*summary(result), sep="\n")

    def harness(self, tasks: list[str]) -> None:
        """Text suites by others, on the model's folder as it stands."""
        key = {"model": self._model_fingerprint, "tasks": tasks, "limit": self.args.limit, "shots": self.args.shots}
        memory = ResultCache(self.out / "harness.json", key)
        result = memory.result
        if result is None:
            result = memory.finish(evaluate_text(self.model, tasks, self.args.limit, self.args.shots))
        print(f"lm-evaluation-harness: {memory.path}")
        for task, figures in result.items():
            print(
                f"  {task}: "
                + ", ".join(f"{name} {value:.4f}" for name, value in figures.items() if isinstance(value, float))
            )

    def _locate(self, name: str) -> tuple[str, Path]:
        """Task and table of a suite by its name; the table of alignment is the folder of the tokens."""
        task, file = SUITES.get(name, ("contrast", ""))
        task = self.args.task or task
        if task not in TASKS:
            raise ValueError(f"--task {task}: {suggest(task, TASKS)}")
        if task == "alignment":
            if self.tokens is None:
                raise ValueError(
                    "alignment needs tokenized utterances with word times: --tokens FOLDER, of a tokens stage"
                )
            return task, self.tokens
        if self.args.table is None and name not in SUITES:
            raise ValueError(f"--suite {name}: no such suite; {self.offer()}")
        table = self.args.table or self.suites / file
        if not table.is_file():
            made = (
                " (the corpus stage makes it where its DemoCorpus has num_suite above 0)"
                if self.args.table is None
                else ""
            )
            raise FileNotFoundError(f"no suite at {table}{made}; {self.offer()}")
        return task, table

    def _of_run(self, place: str) -> Path | None:
        folder = self.args.model / place
        return folder if self.is_run and folder.is_dir() else None

    @cached_property
    def _model_fingerprint(self) -> str:
        return fingerprint(self.model)

    def _parts(self, task: str) -> dict[str, str | None]:
        """Fingerprints of what beside the model a task depends on."""
        speaking = {"vocoder": self.vocoder} if task in ("tts", "sentiment", "toxicity") else {}
        counting = {"tokens": self.tokens} if task == "contrast" else {}
        return {
            name: folder and fingerprint(folder)
            for name, folder in {"tokenizer": self.tokenizer, **speaking, **counting}.items()
        }

    @cached_property
    def _subject(self) -> Subject:
        if not (self.model / "vocabulary.json").is_file():
            raise FileNotFoundError(
                f"no vocabulary.json in {self.model}: run the stage that trains the model, or name another folder with --language-model"
            )
        for part in (self.tokenizer, self.vocoder, self.tokens):
            if part is not None and (part / FILE).is_file() and (self.model / FILE).is_file():
                require_match(part, self.model)
        network, vocabulary = load_language_model(self.model)
        network = network.bfloat16() if self.args.precision == "bf16-true" else network
        voice = Vocoder.load(self.vocoder).to(self.args.device) if self.vocoder else None
        hears = load_tokenizer(self.tokenizer).to(self.args.device) if self.tokenizer else None
        return Subject(
            network.to(self.args.device), vocabulary, hears, voice, voice.sample_rate if voice else 16000, self.tokens
        )

    def _settings(self, task: str, words: Path | None) -> Settings:
        """ResynthesisJudges are loaded for the tasks that they judge."""
        args = self.args
        judged, speaks = task in ("sentiment", "toxicity", "tts"), self._subject.sample_rate
        toxicity = (
            PretrainedTextClassifier(args.toxicity_classifier)
            if task == "toxicity" and args.toxicity_classifier
            else None
        )
        return Settings(
            args.limit,
            args.shots,
            args.seed,
            args.runs,
            transcriber=PretrainedRecognizer(args.asr, speaks) if judged and args.asr else None,
            text_classifier=self._text_classifier() if task == "sentiment" else None,
            speech_classifier=self._speech_classifier() if task == "sentiment" else None,
            toxic_words=WordList.load(words) if words else None,
            toxicity=(lambda text: toxicity.score(text, "toxic")) if toxicity else None,
        )

    def _toxic_words(self) -> Path | None:
        own = self.suites / "toxic_words.txt"
        return self.args.toxic_words or (own if own.is_file() else None)

    def _text_classifier(self) -> TextClassifier | None:
        named, own = self.args.text_classifier, self.suites / "sentiment_words.json"
        if named is None and not own.is_file():
            return None
        words = Path(named) if named and named.endswith(".json") else None if named else own
        return (
            WordsClassifier(json.loads(words.read_text(encoding="utf-8"))) if words else PretrainedTextClassifier(named)
        )

    def _speech_classifier(self) -> SpeechClassifier | None:
        named = self.args.speech_classifier
        if named is None:
            return None
        if (Path(named) / STYLE).is_file():
            return StyleJudge(StyleUnits.load(Path(named)), EMOTION_TO_SENTIMENT)
        return PretrainedSpeechClassifier(named, EMOTION_TO_SENTIMENT)


def summary(result: Mapping[str, Any]) -> list[str]:
    """Lines of a result, one a figure with its interval, the baselines below."""
    lines = []
    for who in ("model", "unigram"):
        found = result.get(who, {})
        for name, one in found.items() if not _figure(found) else [("", found)]:
            for label, figure in (
                ((name, one), *((f"{name}, {kind}", inner) for kind, inner in one.items() if isinstance(inner, dict)))
                if isinstance(one, dict)
                else ()
            ):
                measure = _figure(figure)
                if measure:
                    interval = (
                        f" ({figure['interval'][0]:.3f} to {figure['interval'][1]:.3f}; n {figure['n']})"
                        if "interval" in figure
                        else ""
                    )
                    chance = f"; chance {figure['chance']:.3f}" if "chance" in figure else ""
                    lines.append(f"  {who:<8} {label:<16} {measure} {figure[measure]:.3f}{interval}{chance}")
    for number, layer in enumerate(result.get("model", {}).get("layers", [])):
        lines.append(
            f"  layer {number:<3} similarity {layer['similarity']:.3f}, of other words {layer['other_words']['similarity']:.3f}, "
            f"retrieval {layer['retrieval']['accuracy']:.3f}"
        )
    lines += [f"  chance   {name} {value:.3f}" for name, value in result.get("chance", {}).items()]
    return lines + [f"  left out {way}: {why}" for way, why in result.get("left_out", {}).items()]


def _figure(found: Mapping[str, Any]) -> str | None:
    """Name of the figure of an estimate as it was reported: its first entry, where that is a number."""
    first = next(iter(found.items()), ("", None))
    return first[0] if isinstance(first[1], float | int) else None
