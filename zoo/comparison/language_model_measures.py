"""Measures of language models of tokenizer variants, for a report."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zoo.comparison.language_model_scores import LanguageModelScores
from zoo.comparison.language_models import LanguageModelComparison
from zoo.comparison.measures import (
    ALIGNMENT,
    INTERLEAVING,
    LANGUAGE,
    MODELS,
    VOCODERS,
    Measure,
    MeasureInfo,
    crossed_measure,
)
from zoo.evaluation.statistics import crossed_mean
from zoo.evaluation.suites.sentiment_suite import SENTIMENTS

SENTIMENT_CHANCE = 1 / len(SENTIMENTS)
BITS = MeasureInfo("bits_per_second_of_speech", LANGUAGE, "bits per second of held-out speech", trained=MODELS)
MIDDLE_MARGIN = MeasureInfo(
    "interleaving_alignment", INTERLEAVING, "alignment margin of the middle layers", "higher", trained=MODELS
)
OWN_CONTINUATIONS = (
    (
        "S",
        MeasureInfo(
            "stsp_own_S",
            LANGUAGE,
            "sentiment of the speaker's own continuation, resynthesized, by the judge",
            "higher",
            SENTIMENT_CHANCE,
            VOCODERS,
        ),
    ),
    (
        "T",
        MeasureInfo(
            "stsp_own_T",
            LANGUAGE,
            "sentiment of the speaker's own continuation, by its words",
            "higher",
            SENTIMENT_CHANCE,
        ),
    ),
)
# Similarity of the speech and the text of a word: attribute of ``LayerAlignment``, key and title of the measure.
BY_DEPTH = (
    ("similarities", "similarity_by_depth", "similarity of the same word, as in the paper"),
    ("margins", "alignment_by_depth", "margin of the same word over another"),
)

Scores = Mapping[str, Sequence[LanguageModelScores]]


def language_model_measures(comparison: LanguageModelComparison, seed: int = 0) -> list[Measure]:
    """Return all measures of a comparison of language models.

    Args:
        comparison: Scores of the models of each variant, the baseline first.
        seed: Seed of the bootstraps.
    """
    measures = score_measures(comparison.scores, comparison.own_continuations, seed)
    measures += alignment_measures(comparison.scores, seed)
    for name, scores in comparison.scores.items():
        if name in comparison.without_interleaving:
            measures += interleaving_measures(name, comparison.without_interleaving[name], scores, seed)
    return measures


def score_measures(
    scores: Scores, own_continuations: Mapping[str, Mapping[str, np.ndarray]], seed: int = 0
) -> list[Measure]:
    """Return measures of bits per second, cloze accuracy and sentiment preservation.

    Args:
        scores: Scores of the models of each variant, the baseline first.
        own_continuations: Hits (1, items) of the speakers' own continuations, by variant and modality.
        seed: Seed of the bootstraps.
    """
    first = next(iter(scores.values()))[0]
    measures = []
    ids_of = [set(model.bits) for models in scores.values() for model in models]
    shared = sorted(set.intersection(*ids_of))
    if shared:
        bits = _stack(scores, lambda model: [model.bits[id] for id in shared])
        seconds = np.array([first.seconds[id] for id in shared])
        measures.append(crossed_measure(BITS, bits, seconds, seed))
    for direction in first.cloze:
        info = cloze_info(f"cloze_{direction}", LANGUAGE, direction)
        measures.append(crossed_measure(info, _cloze(scores, direction), seed=seed))
        title = f"cloze accuracy by pointwise mutual information, {direction}"
        info = MeasureInfo(f"cloze_pmi_{direction}", LANGUAGE, title, "higher", 0.5, MODELS)
        hits = _stack(scores, lambda model, key=direction: model.cloze_by_pmi[key])
        measures.append(crossed_measure(info, hits, seed=seed))
    for direction in first.sentiment:
        title = f"sentiment preserved, {direction}"
        info = MeasureInfo(f"stsp_{direction}", LANGUAGE, title, "higher", SENTIMENT_CHANCE, MODELS)
        measures.append(crossed_measure(info, _sentiment(scores, direction), seed=seed))
    for modality, info in OWN_CONTINUATIONS:
        hits = {}
        for name, by_modality in own_continuations.items():
            if modality in by_modality and by_modality[modality].size:
                hits[name] = by_modality[modality]
        if hits:
            measures.append(crossed_measure(info, hits, seed=seed))
    return measures


def interleaving_measures(
    name: str, without: Sequence[LanguageModelScores], interleaved: Sequence[LanguageModelScores], seed: int = 0
) -> list[Measure]:
    """Return measures of one tokenizer's models trained with interleaved documents against those trained without."""
    scores = {f"{name}, without": without, f"{name}, interleaved": interleaved}
    measures = []
    for direction in interleaved[0].cloze:
        info = cloze_info(f"interleaving_{direction}", INTERLEAVING, direction)
        measures.append(crossed_measure(info, _cloze(scores, direction), seed=seed))
    margins = _stack(scores, lambda model: model.by_depth()[1])
    measures.append(crossed_measure(MIDDLE_MARGIN, margins, seed=seed))
    return measures


def cloze_info(key: str, section: str, direction: str) -> MeasureInfo:
    """Return key, section, title and chance level of the cloze accuracy in one direction."""
    return MeasureInfo(key, section, f"cloze accuracy, {direction}", "higher", 0.5, MODELS)


def alignment_measures(scores: Scores, seed: int = 0) -> list[Measure]:
    """Return measures of the similarity of a word's speech and text, at the embedding and in the middle layers."""
    measures = []
    for number, (name, models) in enumerate(scores.items()):
        for figure, key, title in BY_DEPTH:
            # (2, models, words): at the embedding, and in the middle layers.
            embedding, middle = np.stack([model.by_depth(figure) for model in models], axis=1)
            measures.append(
                Measure(
                    key=key + (f"_{name}" if number else ""),
                    section=ALIGNMENT,
                    title=f"{title}, {name}",
                    values={
                        "embedding": crossed_mean(embedding, seed=seed),
                        "middle layers": crossed_mean(middle, seed=seed),
                    },
                    differences={"middle layers": crossed_mean(middle - embedding, seed=seed)},
                    better="higher",
                    seeds=len(models),
                    by_seed={"embedding": embedding.mean(1).tolist(), "middle layers": middle.mean(1).tolist()},
                    trained=MODELS,
                )
            )
    return measures


def margins_by_layer(comparison: LanguageModelComparison, seed: int = 0) -> dict[str, list[dict]]:
    """Return the alignment margin of each layer, averaged over the models of each variant, for a plot."""
    return {name: _margins(models, seed) for name, models in comparison.by_name().items()}


def _margins(models: Sequence[LanguageModelScores], seed: int) -> list[dict]:
    margins = []
    for depth in range(len(models[0].alignment.layers)):
        of_models = np.array([model.alignment.layers[depth].margins for model in models])
        margins.append(crossed_mean(of_models, seed=seed).named("margin"))
    return margins


def _stack(
    scores: Scores, values_of: Callable[[LanguageModelScores], Sequence[float] | np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the values of all models of each variant as an array (models, items)."""
    stacked = {}
    for name, models in scores.items():
        stacked[name] = np.array([values_of(model) for model in models])
    return stacked


def _cloze(scores: Scores, direction: str) -> dict[str, np.ndarray]:
    return _stack(scores, lambda model: model.cloze[direction])


def _sentiment(scores: Scores, direction: str) -> dict[str, np.ndarray]:
    return _stack(scores, lambda model: model.sentiment[direction])
