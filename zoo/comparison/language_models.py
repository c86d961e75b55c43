"""Language models of equal budget, several for each tokenizer: what the tokens are good for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from zoo.comparison.rows import (
    ALIGNMENT,
    INTERLEAVING,
    LANGUAGE,
    MODELS,
    VOCODERS,
    Row,
    crossed_bootstrap,
    crossed_bootstrap_row,
)
from zoo.evaluation.generation.sentiment_preservation import SentimentItem, measure_sentiment_preservation
from zoo.evaluation.generation.stsp import SENTIMENTS
from zoo.evaluation.representation_alignment import Alignment, measure_alignment
from zoo.evaluation.scoring.bits import SPEECH, bits
from zoo.evaluation.scoring.contrast import Contrast, accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class LanguageModelVariant:
    """A speech tokenizer and the language models that were trained on its tokens.

    Args:
        tokenizer: Folder of the speech tokenizer.
        tokens: Folder that a tokens stage filled with this tokenizer.
        models: ``model`` folders of the language models, one for each seed, in the order of the seeds.
        without_interleaving: ``model`` folders of language models trained without interleaved documents, in the
            same order of seeds; empty if there are none.
        vocoder: Folder of a vocoder of the tokenizer's units, which synthesizes generated speech for the judge.
            None leaves continuations in speech out.
    """

    tokenizer: Path
    tokens: Path
    models: tuple[Path, ...]
    without_interleaving: tuple[Path, ...] = ()
    vocoder: Path | None = None


@dataclass(frozen=True)
class EvaluationSuites:
    """Files of the suites that language models are evaluated on.

    Args:
        cloze: Table of contrasts. None scores held-out speech against transcripts.
        sentiment: Table of the sentiment suite. None leaves sentiment preservation out.
        sentiment_words: JSON of words by sentiment, which classify generated text. None leaves continuations in
            text out.
    """

    cloze: Path | None = None
    sentiment: Path | None = None
    sentiment_words: Path | None = None


@dataclass(frozen=True)
class EvaluationData:
    """What the models of one tokenizer are asked.

    Args:
        table: Held-out utterances.
        contrasts: Of a cloze.
        shots: Moods that may be shown.
        sentiment_suite: Moods that are asked; none leaves sentiment preservation out.
        judges: Sentiment of a continuation (N,) by the modality it is in, ``T`` and ``S``.
    """

    table: TokenTable
    contrasts: Sequence[Contrast]
    shots: Sequence[SentimentItem] = ()
    sentiment_suite: Sequence[SentimentItem] = ()
    judges: Mapping[str, Callable[[np.ndarray], str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """What one model gave.

    Args:
        cloze: Hits (items,) by direction.
        sentiment: Hits (items,) by direction.
        bits: Of the speech of each utterance, by name.
        seconds: Likewise.
        alignment: Of its layers.
    """

    cloze: dict[str, np.ndarray]
    sentiment: dict[str, np.ndarray]
    bits: dict[str, float]
    seconds: dict[str, float]
    alignment: Alignment

    def depths(self, figure: str = "margins") -> tuple[np.ndarray, np.ndarray]:
        """Margins, or similarities, of each word at the embedding, and averaged over the layers between it and the last: (words,) twice."""
        layers = [getattr(layer, figure) for layer in self.alignment.layers]
        return layers[0], np.mean(layers[1:-1] or layers[-1:], axis=0)


def answer(network: PreTrainedModel, vocabulary: Vocabulary, asked: EvaluationData, seed: int) -> Answers:
    """Ask one model everything; its continuations are drawn once, with a seed of its own."""
    cloze = accuracies(partial(log_likelihoods, network, title="cloze"), vocabulary, asked.contrasts)
    ways = [f"{first}->{second}" for second in asked.judges for first in "TS"] if asked.sentiment_suite else []
    sentiment = {
        way: measure_sentiment_preservation(
            network, vocabulary, asked.shots, asked.sentiment_suite, way, asked.judges[way[-1]], runs=1, seed=seed
        ).hits[0]
        for way in ways
    }
    speech = bits(network, vocabulary, asked.table)[SPEECH]
    return Answers(
        {way: one.hits for way, one in cloze.items()},
        sentiment,
        dict(zip(speech.ids, speech.needed)),
        dict(zip(speech.ids, speech.sizes)),
        measure_alignment(network, vocabulary, asked.table),
    )


def language_rows(
    answers: Mapping[str, Sequence[Answers]], owned: Mapping[str, Mapping[str, np.ndarray]] = {}, seed: int = 0
) -> list[Row]:
    """Rows of variants by name, the baseline first; several models of each.

    Args:
        answers: What they gave.
        owned: Hits (1, items) of the speakers' own continuations, by variant and modality.
        seed: Of the bootstraps.
    """
    first, rows = next(iter(answers.values()))[0], []
    shared = sorted(set.intersection(*(set(one.bits) for models in answers.values() for one in models)))
    stacked = lambda each: {name: np.array([each(one) for one in models]) for name, models in answers.items()}
    if shared:
        rows.append(
            crossed_bootstrap_row(
                "bits_per_second_of_speech",
                LANGUAGE,
                "bits a second of held-out speech",
                stacked(lambda one: [one.bits[id] for id in shared]),
                np.array([first.seconds[id] for id in shared]),
                "",
                seed=seed,
            )
        )
    rows += [
        crossed_bootstrap_row(
            f"cloze_{way}",
            LANGUAGE,
            f"cloze accuracy, {way}",
            stacked(lambda one: one.cloze[way]),
            chance=0.5,
            seed=seed,
        )
        for way in first.cloze
    ]
    rows += [
        crossed_bootstrap_row(
            f"stsp_{way}",
            LANGUAGE,
            f"sentiment preserved, {way}",
            stacked(lambda one: one.sentiment[way]),
            chance=1 / len(SENTIMENTS),
            seed=seed,
        )
        for way in first.sentiment
    ]
    for to, judged, trained in (("S", "as the judge hears it spoken again", VOCODERS), ("T", "as its words tell", "")):
        hits = {name: found[to] for name, found in owned.items() if to in found and found[to].size}
        rows += (
            [
                crossed_bootstrap_row(
                    f"stsp_own_{to}",
                    LANGUAGE,
                    f"sentiment of the speaker's own continuation, {judged}",
                    hits,
                    chance=1 / len(SENTIMENTS),
                    seed=seed,
                    trained=trained,
                )
            ]
            if hits
            else []
        )
    return rows


def interleaving_rows(name: str, without: Sequence[Answers], with_it: Sequence[Answers], seed: int = 0) -> list[Row]:
    """Rows of the models of one tokenizer, trained without interleaved documents and with them."""
    pairs = {f"{name}, without": without, f"{name}, interleaved": with_it}
    stacked = lambda each: {label: np.array([each(one) for one in models]) for label, models in pairs.items()}
    rows = [
        crossed_bootstrap_row(
            f"interleaving_{way}",
            INTERLEAVING,
            f"cloze accuracy, {way}",
            stacked(lambda one: one.cloze[way]),
            chance=0.5,
            seed=seed,
        )
        for way in with_it[0].cloze
    ]
    return rows + [
        crossed_bootstrap_row(
            "interleaving_alignment",
            INTERLEAVING,
            "alignment margin of the middle layers",
            stacked(lambda one: one.depths()[1]),
            seed=seed,
        )
    ]


def alignment_rows(answers: Mapping[str, Sequence[Answers]], seed: int = 0) -> list[Row]:
    """For each variant how alike a word's speech and text are, and how much more alike than two words', at the embedding and in the middle layers."""
    rows = []
    for number, (name, models) in enumerate(answers.items()):
        for key, figure, measure in (
            ("similarity_by_depth", "similarities", "similarity of the same word, as the paper's"),
            ("alignment_by_depth", "margins", "margin of the same word over another"),
        ):
            outer, middle = (np.array([one.depths(figure)[depth] for one in models]) for depth in (0, 1))
            values = {
                "embedding": crossed_bootstrap(outer, seed=seed),
                "middle layers": crossed_bootstrap(middle, seed=seed),
            }
            rows.append(
                Row(
                    key + (f"_{name}" if number else ""),
                    ALIGNMENT,
                    f"{measure}, {name}",
                    values,
                    {"middle layers": crossed_bootstrap(middle - outer, seed=seed)},
                    "higher",
                    len(models),
                    None,
                    {"embedding": outer.mean(1).tolist(), "middle layers": middle.mean(1).tolist()},
                    MODELS,
                )
            )
    return rows


def layers(answers: Mapping[str, Sequence[Answers]], seed: int = 0) -> dict[str, list[dict]]:
    """Margin of each layer by variant, over all its models, for a plot."""
    return {
        name: [
            crossed_bootstrap(np.array([one.alignment.layers[depth].margins for one in models]), seed=seed).named(
                "margin"
            )
            for depth in range(len(models[0].alignment.layers))
        ]
        for name, models in answers.items()
    }
