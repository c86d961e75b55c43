"""Evaluation tasks of a language model, and the suites that each task evaluates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo.evaluation.alignment_plot import draw_alignment
from zoo.evaluation.evaluated_model import EvaluatedModel
from zoo.evaluation.generation.few_shot import (
    FewShotEvaluator,
    FewShotResult,
    most_frequent_label,
    most_frequent_word,
)
from zoo.evaluation.generation.sentiment_preservation import (
    Judge,
    SentimentPreservation,
    majority_baseline,
    make_speech_judge,
    make_text_judge,
    measure_sentiment_preservation,
)
from zoo.evaluation.generation.toxic_continuations import ToxicityJudges, measure_added_toxicity
from zoo.evaluation.judged_synthesis import judge_synthesis
from zoo.evaluation.judges.classifiers import SpeechClassifier, TextClassifier
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.judges.toxicity import WordList
from zoo.evaluation.representation_alignment import measure_alignment
from zoo.evaluation.result_cache import ResultCache, cached_scorer
from zoo.evaluation.scoring.contrast import Scorer, measure_accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.unigram_baseline import UnigramModel
from zoo.evaluation.statistics import Estimate
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.evaluation.suites.few_shot_suite import Utterance, load_few_shot_suite
from zoo.evaluation.suites.sentiment_suite import load_sentiment_suite
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, modalities
from zoo.files import write_text
from zoo.language.position_limits import max_positions
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.store import TokenTable

# Examples in a prompt, as in the Spirit LM paper.
NUM_SHOTS = {"asr": 10, "tts": 10, "intent": 30}
MAX_NEW_TOKENS = {"asr": 100, "tts": 300, "intent": 20}
ALIGNMENT_UTTERANCES = 200
RESYNTHESIS = "resynthesis"  # needs no language model, so it is not one of TASKS


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation.

    Args:
        limit: Maximum number of items; all if None.
        num_shots: Examples in a prompt; if None, the number in the paper, and 0 for sentiment.
        seed: Seed of all samples and draws.
        runs: Runs of sentiment preservation.
        judges: Judges of generated speech, whose recognizer transcribes it; none if None.
        language: BCP-47 tag of the language of texts whose suite names none, for their normalization; None if unknown.
        text_classifier: Sentiment of a text; None leaves out continuations in text.
        speech_classifier: Sentiment of a waveform; None leaves out continuations in speech.
        toxic_words: List of toxic words; none if None.
        toxicity: Classifier that returns the toxicity of a text, 0 to 1; none if None.
    """

    limit: int | None = None
    num_shots: int | None = None
    seed: int = 0
    runs: int = 3
    judges: SpeechJudges | None = None
    language: str | None = None
    text_classifier: TextClassifier | None = None
    speech_classifier: SpeechClassifier | None = None
    toxic_words: WordList | None = None
    toxicity: Callable[[str], float] | None = None


# Report of an evaluation, from the model, the table of the suite, the settings and the cache of the suite.
Task = Callable[[EvaluatedModel, Path, EvaluationSettings, ResultCache], dict[str, Any]]


def evaluate_contrasts(
    model: EvaluatedModel, table: Path, settings: EvaluationSettings, cache: ResultCache
) -> dict[str, Any]:
    """Measure the accuracy in every direction that the suite supports, beside a unigram model and chance."""
    items = load_contrasts(table, model.tokenizer, model.vocabulary, settings.limit)
    if model.tokens:
        unigram = UnigramModel.from_table(model.vocabulary, TokenTable(model.tokens, "train"))
    else:
        unigram = UnigramModel.from_contrasts(model.vocabulary, items)
    scorers: dict[str, Scorer] = {
        "model": cached_scorer(cache, "model", partial(log_likelihoods, model.network)),
        "unigram": unigram,
    }
    result: dict[str, Any] = {"task": "contrast", "items": [item.id for item in items]}
    for name, score in scorers.items():
        result[name] = {}
        for direction, accuracy in measure_accuracies(score, model.vocabulary, items).items():
            result[name][direction] = {**accuracy.report(), "hits": accuracy.hits.tolist()}
    return result


def evaluate_few_shot(
    task: str, model: EvaluatedModel, table: Path, settings: EvaluationSettings, cache: ResultCache
) -> dict[str, Any]:
    """Evaluate few-shot recognition (``asr``), synthesis (``tts``) or intent classification (``intent``)."""
    shots, tested = load_few_shot_suite(
        table, _require_tokenizer(model, task), model.vocabulary, settings.limit, settings.language
    )
    num_shots = min(NUM_SHOTS[task], len(shots)) if settings.num_shots is None else settings.num_shots
    evaluator = FewShotEvaluator(
        model.network, model.vocabulary, num_shots, settings.seed, _max_new_tokens(model, task)
    )
    judged: dict[str, Any] = {}
    if task == "tts":
        if model.vocoder is None or settings.judges is None or settings.judges.recognizer is None:
            raise ValueError("tts needs a vocoder, and a recognizer to transcribe its speech: --asr CHECKPOINT")
        waveforms = evaluator.synthesize(shots, tested, model.vocoder)
        few_shot_result, judged = judge_synthesis(tested, waveforms, settings.judges, model.sample_rate, num_shots)
    elif task == "asr":
        few_shot_result = evaluator.recognize(shots, tested)
    else:
        few_shot_result = evaluator.classify(shots, tested)
    unigram, chance = _few_shot_baselines(task, few_shot_result, shots, tested)
    measure = few_shot_result.measure
    return {
        "task": task,
        "model": few_shot_result.report(),
        "judged": judged,
        "unigram": unigram.named(measure),
        "chance": {measure: round(chance, 4)},
        "rows": few_shot_result.rows(),
    }


def evaluate_sentiment(
    model: EvaluatedModel, table: Path, settings: EvaluationSettings, cache: ResultCache
) -> dict[str, Any]:
    """Measure sentiment preservation in every direction that can be judged."""
    shots, tested = load_sentiment_suite(table, model.tokenizer, model.vocabulary, settings.limit)
    judges = _sentiment_judges(model, settings)
    result: dict[str, Any] = {"task": "sentiment", "model": {}, "unigram": {}, "left_out": {}}
    for direction in DIRECTIONS:
        _, target = modalities(direction)
        if target not in judges:
            reason = "no classifier of text" if target == "T" else "no classifier of speech, or no vocoder"
            result["left_out"][direction] = reason
        elif not any(item.supports(direction) for item in tested):
            result["left_out"][direction] = "no item"
        else:
            measure = partial(
                measure_sentiment_preservation,
                model.network,
                model.vocabulary,
                shots,
                tested,
                direction,
                judges[target],
                settings.num_shots or 0,
                settings.runs,
                settings.seed,
            )
            result["model"][direction] = cache.get_or_compute(direction, partial(_report_sentiment, measure))
            result["unigram"][direction] = majority_baseline(tested, direction).named("accuracy")
    if not result["model"]:
        raise ValueError(
            "no direction of sentiment can be judged: give --text-classifier, or --speech-classifier and a vocoder"
        )
    return result


def evaluate_alignment(
    model: EvaluatedModel, table: Path, settings: EvaluationSettings, cache: ResultCache
) -> dict[str, Any]:
    """Measure how similar the same words are in speech and text, by layer, and write a plot beside the result."""
    dev = TokenTable(table, "dev")
    limit = settings.limit or ALIGNMENT_UTTERANCES
    alignment = measure_alignment(model.network, model.vocabulary, dev, limit, settings.seed)
    write_text(cache.path.with_suffix(".svg"), draw_alignment({"model": alignment}))
    return {
        "task": "alignment",
        "model": alignment.report(),
        "chance": {"retrieval": round(alignment.retrieval_chance, 4)},
    }


def evaluate_toxicity(
    model: EvaluatedModel, table: Path, settings: EvaluationSettings, cache: ResultCache
) -> dict[str, Any]:
    """Measure the added toxicity of continuations in both modalities."""
    recognizer = settings.judges.recognizer if settings.judges else None
    judges = ToxicityJudges(settings.toxic_words, settings.toxicity, recognizer)
    return measure_added_toxicity(model, table, judges, settings.limit, settings.seed)


TASKS: dict[str, Task] = {
    "contrast": evaluate_contrasts,
    **{name: partial(evaluate_few_shot, name) for name in NUM_SHOTS},
    "sentiment": evaluate_sentiment,
    "alignment": evaluate_alignment,
    "toxicity": evaluate_toxicity,
}


@dataclass(frozen=True)
class Suite:
    """A suite that can be evaluated by name.

    Args:
        task: Task of the suite, one of ``TASKS``.
        file: Table of the suite in a folder of suites; empty where the task reads a tokens folder instead.
    """

    task: str
    file: str


SUITES = {
    **{name: Suite("contrast", f"{name}.jsonl") for name in ("story_cloze", "topic_story_cloze", "swuggy", "sblimp")},
    **{name: Suite(name, "commands.jsonl") for name in NUM_SHOTS},
    "sentiment": Suite("sentiment", "sentiment.jsonl"),
    "toxicity": Suite("toxicity", "toxicity.jsonl"),
    "alignment": Suite("alignment", ""),
    RESYNTHESIS: Suite(RESYNTHESIS, ""),
}


def _require_tokenizer(model: EvaluatedModel, task: str) -> SpeechTokenizer:
    if model.tokenizer is None:
        raise ValueError(f"{task} needs a speech tokenizer: name its folder with --tokenizer")
    return model.tokenizer


def _max_new_tokens(model: EvaluatedModel, task: str) -> int:
    """Return the maximum length of an answer: at most a quarter of the context."""
    return min(MAX_NEW_TOKENS[task], max_positions(model.network) // 4)


def _few_shot_baselines(
    task: str, result: FewShotResult, shots: list[Utterance], tested: list[Utterance]
) -> tuple[Estimate, float]:
    """Return the unigram baseline of a task, and chance."""
    if task == "intent":
        num_labels = len({utterance.label for utterance in tested})
        return most_frequent_label(tested), 1 / num_labels
    # Chance is an empty answer, whose errors are all reference words or characters.
    return most_frequent_word(result.measure, shots, tested).estimate, 1.0


def _sentiment_judges(model: EvaluatedModel, settings: EvaluationSettings) -> dict[str, Judge]:
    """Return the available judges by modality, ``T`` and ``S``."""
    judges: dict[str, Judge] = {}
    if settings.text_classifier is not None:
        judges["T"] = make_text_judge(model.vocabulary, settings.text_classifier)
    if settings.speech_classifier is not None and model.vocoder is not None:
        judges["S"] = make_speech_judge(model.vocabulary, model.vocoder, model.sample_rate, settings.speech_classifier)
    return judges


def _report_sentiment(measure: Callable[[], SentimentPreservation]) -> dict[str, Any]:
    preservation = measure()
    return {**preservation.report(), "hits": preservation.hits.tolist(), "rows": preservation.rows()}
