"""Evaluations of one model for ``zoo evaluate``: parts of a run are loaded when needed, and results are cached."""

import argparse
from functools import cached_property
from pathlib import Path
from typing import Any

from recipes.commands.evaluation_judges import EvaluationJudges
from recipes.commands.evaluation_summary import summarize
from zoo.evaluation.evaluated_model import EvaluatedModel
from zoo.evaluation.harness import evaluate_text
from zoo.evaluation.judged_resynthesis import evaluate_resynthesis
from zoo.evaluation.result_cache import ResultCache, fingerprint, suite_fingerprint
from zoo.evaluation.tasks import RESYNTHESIS, SUITES, TASKS, Suite
from zoo.language.speech_text_model import load_language_model
from zoo.suggestions import suggest
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import FILE, require_match
from zoo.vocoder.vocoder import Vocoder

# Arguments that a result depends on.
SETTINGS = (
    "limit",
    "shots",
    "seed",
    "runs",
    "asr",
    "asr_beams",
    "asr_task",
    "language",
    "text_classifier",
    "speaker_encoder",
    "speech_classifier",
    "toxicity_classifier",
    "precision",
)
DEFAULT_SAMPLE_RATE = 16000
TASKS_WITH_VOCODER = ("tts", "sentiment", "toxicity", RESYNTHESIS)
JUDGED_TASKS = ("tts", RESYNTHESIS)
# What the tasks that read a tokens folder instead of a table need of it.
NEEDED_TOKENS = {
    "alignment": "tokenized utterances with word times",
    RESYNTHESIS: "tokenized utterances with their audio",
}


class Evaluation:
    """Evaluates one model on suites.

    Args:
        args: Arguments of the command line.

    Raises:
        FileNotFoundError: If the folder of the model or run does not exist.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        run = args.model
        if not run.is_dir():
            raise FileNotFoundError(f"{run}: no such folder; `zoo run quickstart` makes runs/quickstart")
        self.is_run = not (run / "config.json").is_file()
        self.model = args.language_model or (run / "language_model" / "model" if self.is_run else run)
        self.tokenizer = args.tokenizer or self._find_in_run("tokenizer/tokenizer")
        self.vocoder = args.vocoder or self._find_in_run("vocoder/vocoder")
        self.tokens = args.tokens or self._find_in_run("tokens")
        self.suites = run / "corpus" / "demo" / "suites"
        self.out = args.out or run / "evaluations"
        self.judges = EvaluationJudges(args, self.suites)

    def list_suites(self) -> str:
        """Return the suites that can be named, as part of an error message."""
        names = [name for name, suite in SUITES.items() if not suite.file or (self.suites / suite.file).is_file()]
        return f"available suites are {', '.join(names)}; or give a table of your own: --table FILE"

    def evaluate_suite(self, name: str) -> None:
        """Evaluate one suite, unless its result is cached, and print the result."""
        task, table = self._locate(name)
        cache = ResultCache(self.out / f"{name}.json", self._suite_key(task, table))
        cached_result = cache.result
        if cached_result is not None:
            print(f"{name} (as evaluated before): {cache.path}")
            print(*summarize(cached_result), sep="\n")
            return
        if task == RESYNTHESIS:
            result = cache.finish(self._judge_resynthesis(table))
        else:
            settings = self.judges.settings(task)
            result = cache.finish(TASKS[task](self._evaluated_model, table, settings, cache))
        print(f"{name}: {cache.path}")
        print(*summarize(result), sep="\n")

    def evaluate_harness(self, tasks: list[str]) -> None:
        """Evaluate text benchmarks by lm-evaluation-harness on the folder of the model, and print the results."""
        key = {"model": self._model_fingerprint, "tasks": tasks, "limit": self.args.limit, "shots": self.args.shots}
        cache = ResultCache(self.out / "harness.json", key)
        result = cache.result
        if result is None:
            result = cache.finish(evaluate_text(self.model, tasks, self.args.limit, self.args.shots))
        print(f"lm-evaluation-harness: {cache.path}")
        for task, values in result.items():
            numbers = [f"{name} {value:.4f}" for name, value in values.items() if isinstance(value, float)]
            print(f"  {task}: {', '.join(numbers)}")

    def _locate(self, name: str) -> tuple[str, Path]:
        """Return task and table of a suite by its name; the table of alignment is the folder of the tokens."""
        suite = SUITES.get(name, Suite("contrast", ""))
        task = self.args.task or suite.task
        if task not in (*TASKS, RESYNTHESIS):
            raise ValueError(f"--task {task}: {suggest(task, (*TASKS, RESYNTHESIS))}")
        if task in NEEDED_TOKENS:
            if self.tokens is None:
                raise ValueError(f"{task} needs {NEEDED_TOKENS[task]}: --tokens FOLDER, filled by a tokens stage")
            return task, self.tokens
        if self.args.table is None and name not in SUITES:
            raise ValueError(f"--suite {name}: no such suite; {self.list_suites()}")
        table = self.args.table or self.suites / suite.file
        if not table.is_file():
            hint = ""
            if self.args.table is None:
                hint = " (the corpus stage makes it where its DemoCorpus has num_suite above 0)"
            raise FileNotFoundError(f"no suite at {table}{hint}; {self.list_suites()}")
        return task, table

    def _suite_key(self, task: str, table: Path) -> dict[str, object]:
        """Return all that the result of a suite depends on."""
        toxic_words = self.judges.toxic_words if task == "toxicity" else None
        folders = {"tokenizer": self.tokenizer}
        if task in TASKS_WITH_VOCODER:
            folders["vocoder"] = self.vocoder
        if task == "contrast":
            folders["tokens"] = self.tokens
        return {
            "model": None if task == RESYNTHESIS else self._model_fingerprint,
            "task": task,
            "settings": {name: getattr(self.args, name) for name in SETTINGS},
            "absent_judges": sorted(self.judges.of_speech().absent()) if task in JUDGED_TASKS else [],
            "toxic_words": fingerprint(toxic_words) if toxic_words else None,
            "suite": suite_fingerprint(table) if table.is_file() else fingerprint(table),
            **{name: fingerprint(folder) if folder else None for name, folder in folders.items()},
        }

    def _judge_resynthesis(self, tokens: Path) -> dict[str, Any]:
        """Judge the resynthesis of held-out speech, for which no language model is loaded."""
        if self.vocoder is None:
            raise ValueError(f"{RESYNTHESIS} needs a vocoder: name its folder with --vocoder")
        require_match(tokens, self.vocoder)
        vocoder = Vocoder.load(self.vocoder).to(self.args.device)
        return evaluate_resynthesis(vocoder, tokens, self.judges.of_speech(), self.args.limit, self.args.seed)

    def _find_in_run(self, name: str) -> Path | None:
        """Return a folder of the run; None where it does not exist, or the model is not a run."""
        folder = self.args.model / name
        return folder if self.is_run and folder.is_dir() else None

    @cached_property
    def _model_fingerprint(self) -> str:
        return fingerprint(self.model)

    @cached_property
    def _evaluated_model(self) -> EvaluatedModel:
        if not (self.model / "vocabulary.json").is_file():
            raise FileNotFoundError(
                f"no vocabulary.json in {self.model}: run the stage that trains the model, or name another folder "
                "with --language-model"
            )
        for folder in (self.tokenizer, self.vocoder, self.tokens):
            if folder is not None and (folder / FILE).is_file() and (self.model / FILE).is_file():
                require_match(folder, self.model)
        network, vocabulary = load_language_model(self.model)
        if self.args.precision == "bf16-true":
            network = network.bfloat16()
        vocoder = Vocoder.load(self.vocoder).to(self.args.device) if self.vocoder else None
        return EvaluatedModel(
            network=network.to(self.args.device),
            vocabulary=vocabulary,
            tokenizer=load_tokenizer(self.tokenizer).to(self.args.device) if self.tokenizer else None,
            vocoder=vocoder,
            sample_rate=vocoder.sample_rate if vocoder else DEFAULT_SAMPLE_RATE,
            tokens=self.tokens,
        )
