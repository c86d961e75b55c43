"""Language models of equal budget, several for each tokenizer variant, evaluated on the same held-out data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.comparison.language_model_scores import (
    EvaluationData,
    LanguageModelScores,
    SentimentJudge,
    score_language_model,
)
from zoo.evaluation.generation.sentiment_preservation import make_speech_judge, make_text_judge
from zoo.evaluation.judges.classifiers import StyleJudge, WordsClassifier
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.evaluation.suites.sentiment_suite import EMOTION_TO_SENTIMENT, SentimentItem, load_sentiment_suite
from zoo.evaluation.suites.speech_text_pairs import make_pair_contrasts
from zoo.files import read_json
from zoo.language.speech_text_model import load_language_model
from zoo.processes import map_in_processes
from zoo.speech.style_units import StyleUnits
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.merged_streams import Tokens
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.vocoder import Vocoder


@dataclass(frozen=True)
class LanguageModelVariant:
    """A speech tokenizer and the language models that were trained on its tokens.

    Args:
        tokenizer: Folder of the speech tokenizer.
        tokens: Folder written by a tokens stage with this tokenizer.
        models: ``model`` folders of the language models, one for each training seed, in the order of the seeds.
        without_interleaving: ``model`` folders of language models trained without interleaved documents, in the
            same order of seeds; empty if there are none.
        vocoder: Folder of a vocoder of the tokenizer's units, which synthesizes generated speech for the judge.
            If None, continuations in speech are not evaluated.
    """

    tokenizer: Path
    tokens: Path
    models: tuple[Path, ...]
    without_interleaving: tuple[Path, ...] = ()
    vocoder: Path | None = None

    def require_match(self) -> None:
        """Check that models and tokens were made with the tokenizer of the variant.

        Raises:
            ContractError: If the contract of a model or of the tokens differs from that of the tokenizer.
        """
        for folder in [*self.models, *self.without_interleaving, self.tokens]:
            require_match(self.tokenizer, folder)


@dataclass(frozen=True)
class EvaluationSuites:
    """Files of the suites that language models are evaluated on.

    Args:
        cloze: Table of contrasts. If None, the contrasts are held-out utterances and their transcripts.
        sentiment: Table of the sentiment suite. If None, sentiment preservation is not measured.
        sentiment_words: JSON of words by sentiment, which classify generated text. If None, continuations in
            text are not evaluated.
    """

    cloze: Path | None = None
    sentiment: Path | None = None
    sentiment_words: Path | None = None


def load_evaluation_data(
    variant: LanguageModelVariant,
    suites: EvaluationSuites,
    judge: Path | None = None,
    split: str = "dev",
    limit: int | None = None,
) -> EvaluationData:
    """Load the held-out data of a variant, encoded by its tokenizer.

    Args:
        variant: Folders of the variant.
        suites: Files of the suites.
        judge: Folder of a style extractor with a classifier, which judges generated speech. If None, continuations in
            speech are not judged.
        split: Split of the tokens.
        limit: Largest number of items of a suite; all if None.
    """
    tokenizer = load_tokenizer(variant.tokenizer)
    vocabulary = Vocabulary.load(variant.models[0])
    table = TokenTable(variant.tokens, split)
    if suites.cloze:
        contrasts = load_contrasts(suites.cloze, tokenizer, vocabulary, limit)
    else:
        contrasts = make_pair_contrasts(table, limit=limit)
    shots: list[SentimentItem] = []
    tested: list[SentimentItem] = []
    if suites.sentiment:
        shots, tested = load_sentiment_suite(suites.sentiment, tokenizer, vocabulary, limit)
    judges: dict[str, SentimentJudge] = {}
    if suites.sentiment_words:
        words = read_json(suites.sentiment_words)
        judges["T"] = make_text_judge(vocabulary, WordsClassifier(words))
    if judge and variant.vocoder:
        style = StyleJudge(StyleUnits.load(judge), EMOTION_TO_SENTIMENT)
        judges["S"] = speech_judge(vocabulary, Vocoder.load(variant.vocoder), style)
    return EvaluationData(table, contrasts, shots, tested, judges)


def speech_judge(vocabulary: Vocabulary, vocoder: Vocoder, style: StyleJudge) -> SentimentJudge:
    """Return a judge of generated units, synthesized by a vocoder; units that it cannot synthesize count as silence."""
    judge = make_speech_judge(vocabulary, vocoder, vocoder.sample_rate, style)

    def sentiment(ids: np.ndarray) -> str:
        return judge(ids if _can_synthesize(vocoder, vocabulary.tokens(ids)) else ids[:0])

    return sentiment


def _can_synthesize(vocoder: Vocoder, tokens: Tokens) -> bool:
    """Whether each stream has a unit or a substitute; a hardly trained language model may leave a stream out."""
    return all(len(tokens.of(stream.prefix)) or stream.prefix in vocoder.missing for stream in vocoder.streams)


@dataclass(frozen=True)
class _Job:
    """One model to score; ``number`` is its index within its variant, and the seed of its continuations."""

    name: str
    number: int
    model: Path
    data: EvaluationData


@dataclass(frozen=True)
class LanguageModelComparison:
    """Scores of all language models.

    Args:
        scores: Scores of the models of each variant, in the order of the seeds; the baseline is the first variant.
        without_interleaving: Scores of the models trained without interleaved documents, for variants that have any.
        own_continuations: Hits (1, items) of the speakers' own continuations, by variant and modality.
    """

    scores: dict[str, list[LanguageModelScores]]
    without_interleaving: dict[str, list[LanguageModelScores]]
    own_continuations: dict[str, dict[str, np.ndarray]]

    def by_name(self) -> dict[str, list[LanguageModelScores]]:
        """Return all scores by name; models trained without interleaving follow those of their variant."""
        named = {}
        for name, scores in self.scores.items():
            named[name] = scores
            if name in self.without_interleaving:
                named[f"{name}, without interleaving"] = self.without_interleaving[name]
        return named


def score_language_models(
    variants: Mapping[str, LanguageModelVariant],
    suites: EvaluationSuites,
    judge: Path | None = None,
    split: str = "dev",
    limit: int | None = None,
    num_processes: int = 1,
) -> LanguageModelComparison:
    """Score the language models of all variants in parallel processes.

    Args:
        variants: Tokenizers and their language models by name, the baseline first.
        suites: Files of the suites.
        judge: Folder of a style extractor with a classifier, which judges generated speech. If None, continuations in
            speech are not judged.
        split: Split of the tokens.
        limit: Largest number of items of a suite; all if None.
        num_processes: Number of models that are scored in parallel.

    Raises:
        ContractError: If models or tokens of a variant were made with another tokenizer.
    """
    jobs = []
    ablations = []
    continuations = {}
    for name, variant in variants.items():
        variant.require_match()
        data = load_evaluation_data(variant, suites, judge, split, limit)
        continuations[name] = data.own_continuations()
        jobs += [_Job(name, number, model, data) for number, model in enumerate(variant.models)]
        for number, model in enumerate(variant.without_interleaving):
            ablations.append(_Job(name, number, model, data.without_sentiment()))
    scores = _run([*jobs, *ablations], num_processes)
    return LanguageModelComparison(
        _by_name(jobs, scores[: len(jobs)]), _by_name(ablations, scores[len(jobs) :]), continuations
    )


def _run(jobs: Sequence[_Job], num_processes: int) -> list[LanguageModelScores]:
    """Score the models; those with most judges take longest and start first, so that all processes end together."""
    order = sorted(range(len(jobs)), key=lambda number: -len(jobs[number].data.judges))
    results = map_in_processes(partial(_score_job, jobs), order, num_processes)
    scores = dict(zip(order, tqdm(results, "language models", len(jobs), unit="model"), strict=True))
    return [scores[number] for number in range(len(jobs))]


def _score_job(jobs: Sequence[_Job], number: int) -> LanguageModelScores:
    job = jobs[number]
    network, vocabulary = load_language_model(job.model)
    return score_language_model(network, vocabulary, job.data, job.number)


def _by_name(jobs: Sequence[_Job], scores: Sequence[LanguageModelScores]) -> dict[str, list[LanguageModelScores]]:
    by_name: dict[str, list[LanguageModelScores]] = {}
    for job, score in zip(jobs, scores, strict=True):
        by_name.setdefault(job.name, []).append(score)
    return by_name
