"""Every evaluation of a language model by name: what it needs, and what it reports."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from zoo.evaluation.generation.few_shot import FewShot, load_utterances, most_frequent_label, most_frequent_word
from zoo.evaluation.generation.sentiment_preservation import (
    load_sentiment_suite,
    majority_baseline,
    measure_sentiment_preservation,
    spoken,
    written,
)
from zoo.evaluation.generation.toxic_continuations import toxic_continuations
from zoo.evaluation.judges.pretrained import SpeechClassifier, TextClassifier
from zoo.evaluation.judges.toxicity import WordList
from zoo.evaluation.representation_alignment import alignment_plot, measure_alignment
from zoo.evaluation.result_cache import ResultCache, cached_scorer
from zoo.evaluation.scoring.contrast import DIRECTIONS, accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.unigram_baseline import Unigram
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.files import write_text
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.store import TokenTable
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary

# Examples in a prompt, of the paper.
SHOTS = {"asr": 10, "tts": 10, "intent": 30}


@dataclass(frozen=True)
class Subject:
    """A language model with what evaluations of it may need.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        tokenizer: Hears; None where only text is scored.
        speaks: A vocoder; None where no speech is judged.
        sample_rate: Of the vocoder, in Hz.
        tokens: Folder of a tokens stage: its train split is counted by the unigram model, its dev split is aligned; None for none.
    """

    network: PreTrainedModel
    vocabulary: Vocabulary
    tokenizer: SpeechTokenizer | None
    speaks: Callable[[Tokens], Tensor] | None = None
    sample_rate: int = 16000
    tokens: Path | None = None


@dataclass(frozen=True)
class Settings:
    """How an evaluation is run.

    Args:
        limit: Most items; all if None.
        shots: Examples in a prompt; those of the paper if None, and 0 for sentiment.
        seed: Of every draw.
        runs: Of sentiment preservation.
        transcriber: What hears the speech that was made; None where there is none.
        text_classifier: Of sentiment.
        speech_classifier: Of sentiment.
        toxic_words: A list.
        toxicity: Score of a text; None leaves the list alone.
    """

    limit: int | None = None
    shots: int | None = None
    seed: int = 0
    runs: int = 3
    transcriber: Callable[[Tensor], str] | None = None
    text_classifier: TextClassifier | None = None
    speech_classifier: SpeechClassifier | None = None
    toxic_words: WordList | None = None
    toxicity: Callable[[str], float] | None = None


Task = Callable[[Subject, Path, Settings, ResultCache], dict[str, Any]]


def contrast(subject: Subject, table: Path, settings: Settings, memory: ResultCache) -> dict[str, Any]:
    """Accuracy in every direction that the suite serves, beside a unigram model and chance."""
    items = load_contrasts(table, subject.tokenizer, subject.vocabulary, settings.limit)
    unigram = (
        Unigram.of_table(subject.vocabulary, TokenTable(subject.tokens, "train"))
        if subject.tokens
        else Unigram.of_items(subject.vocabulary, items)
    )
    result: dict[str, Any] = {"task": "contrast", "items": [item.id for item in items]}
    for name, score in (
        ("model", cached_scorer(memory, "model", partial(log_likelihoods, subject.network))),
        ("unigram", unigram),
    ):
        found = accuracies(score, subject.vocabulary, items)
        result[name] = {way: {**one.report(), "hits": one.hits.tolist()} for way, one in found.items()}
    return result


def few_shot(name: str, subject: Subject, table: Path, settings: Settings, memory: ResultCache) -> dict[str, Any]:
    """Recognition, synthesis or intents from examples."""
    shots, asked = load_utterances(table, _hearing(subject, name), subject.vocabulary, settings.limit)
    number = min(SHOTS[name], len(shots)) if settings.shots is None else settings.shots
    model = FewShot(subject.network, subject.vocabulary, number, settings.seed, _most_tokens(subject, name))
    if name == "tts":
        if subject.speaks is None or settings.transcriber is None:
            raise ValueError("tts needs a vocoder, and a recognizer that hears it: --asr CHECKPOINT")
        answers = model.synthesize(shots, asked, subject.speaks, settings.transcriber)
    else:
        answers = model.recognize(shots, asked) if name == "asr" else model.classify(shots, asked)
    if name == "intent":
        unigram, chance = most_frequent_label(asked), 1 / len({one.label for one in asked})
    else:
        unigram, chance = most_frequent_word(answers.measure, shots, asked).estimate, 1.0  # an empty answer
    baselines = {"unigram": unigram.named(answers.measure), "chance": {answers.measure: round(chance, 4)}}
    return {"task": name, "model": answers.report(), **baselines, "rows": answers.rows}


def sentiment(subject: Subject, table: Path, settings: Settings, memory: ResultCache) -> dict[str, Any]:
    """Sentiment preservation in every direction that can be judged."""
    shots, asked = load_sentiment_suite(table, subject.tokenizer, subject.vocabulary, settings.limit)
    judges = {
        "T": settings.text_classifier and written(subject.vocabulary, settings.text_classifier),
        "S": settings.speech_classifier
        and subject.speaks
        and spoken(subject.vocabulary, subject.speaks, subject.sample_rate, settings.speech_classifier),
    }
    result: dict[str, Any] = {"task": "sentiment", "model": {}, "unigram": {}, "left_out": {}}
    for way in DIRECTIONS:
        if not judges[way[-1]]:
            result["left_out"][way] = (
                "no classifier of text" if way[-1] == "T" else "no classifier of speech, or no vocoder"
            )
        elif not any(way in one.directions and one.prompt.of(way[0]) is not None for one in asked):
            result["left_out"][way] = "no item"
        else:
            run = partial(
                measure_sentiment_preservation,
                subject.network,
                subject.vocabulary,
                shots,
                asked,
                way,
                judges[way[-1]],
                settings.shots or 0,
                settings.runs,
                settings.seed,
            )
            result["model"][way] = memory.part(
                way, lambda: (lambda one: {**one.report(), "hits": one.hits.tolist(), "rows": one.rows})(run())
            )
            result["unigram"][way] = majority_baseline(asked, way).named("accuracy")
    if not result["model"]:
        raise ValueError(
            "no direction of sentiment can be judged: give --text-classifier, or --speech-classifier and a vocoder"
        )
    return result


def alignment(subject: Subject, table: Path, settings: Settings, memory: ResultCache) -> dict[str, Any]:
    """Similarity of the same words in speech and text, layer by layer; ``alignment.svg`` beside the result."""
    found = measure_alignment(
        subject.network, subject.vocabulary, TokenTable(table, "dev"), settings.limit or 200, settings.seed
    )
    write_text(memory.path.with_suffix(".svg"), alignment_plot({"model": found}))
    return {"task": "alignment", "model": found.report(), "chance": {"retrieval": round(found.retrieval_chance, 4)}}


def toxicity(subject: Subject, table: Path, settings: Settings, memory: ResultCache) -> dict[str, Any]:
    """Added toxicity of continuations in both modalities."""
    return toxic_continuations(
        subject.network,
        subject.vocabulary,
        subject.tokenizer,
        table,
        settings.toxic_words,
        settings.toxicity,
        subject.speaks,
        settings.transcriber,
        settings.limit,
        settings.seed,
    )


TASKS: dict[str, Task] = {
    "contrast": contrast,
    **{name: partial(few_shot, name) for name in SHOTS},
    "sentiment": sentiment,
    "alignment": alignment,
    "toxicity": toxicity,
}
# Suites by name: their task, and the file of their table in a folder of suites.
SUITES = {
    **{name: ("contrast", f"{name}.jsonl") for name in ("story_cloze", "topic_story_cloze", "swuggy", "sblimp")},
    **{name: (name, "commands.jsonl") for name in SHOTS},
    "sentiment": ("sentiment", "sentiment.jsonl"),
    "toxicity": ("toxicity", "toxicity.jsonl"),
    "alignment": ("alignment", ""),
}


def _hearing(subject: Subject, name: str) -> SpeechTokenizer:
    if subject.tokenizer is None:
        raise ValueError(f"{name} needs a speech tokenizer: name its folder with --tokenizer")
    return subject.tokenizer


def _most_tokens(subject: Subject, name: str) -> int:
    """New tokens of an answer: fewer where the whole context is small."""
    return min({"asr": 100, "tts": 300, "intent": 20}[name], subject.network.config.max_position_embeddings // 4)
