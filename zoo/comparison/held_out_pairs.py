"""Language models on held-out utterances and their transcripts: bits, contrasts and word errors, with differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from zoo.comparison.measures import LANGUAGE, MODELS, Measure, MeasureInfo, crossed_measure
from zoo.evaluation.generation.transcription import Transcription, transcribe
from zoo.evaluation.scoring.bits import SPEECH, TEXT, measure_bits
from zoo.evaluation.scoring.contrast import measure_accuracies
from zoo.evaluation.scoring.error_rates import word_errors
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.suites.speech_text_pairs import make_pair_contrasts
from zoo.evaluation.suites.text_and_speech import SPEECH_TO_TEXT, TEXT_TO_SPEECH
from zoo.language.speech_text_model import load_language_model
from zoo.tokens.contract import require_match
from zoo.tokens.store import TokenTable

OTHER_TEXT = "other text"
GREEDY, BEAMS = "word_error_rate", "word_error_rate_beams"
DIRECTIONS = (SPEECH_TO_TEXT, TEXT_TO_SPEECH)


def _pair_info(direction: str, by_pmi: bool) -> MeasureInfo:
    key = f"pairs_{direction}_pmi" if by_pmi else f"pairs_{direction}"
    title = f"accuracy on pairs{' by pointwise mutual information' if by_pmi else ''}, {direction}"
    return MeasureInfo(key, LANGUAGE, title, "higher", 0.5, MODELS)


INFOS = {
    GREEDY: MeasureInfo(GREEDY, LANGUAGE, "word error rate of greedy transcription", "lower", trained=MODELS),
    BEAMS: MeasureInfo(BEAMS, LANGUAGE, "word error rate of transcription by beam search", "lower", trained=MODELS),
    **{direction: _pair_info(direction, False) for direction in DIRECTIONS},
    **{f"{direction} by PMI": _pair_info(direction, True) for direction in DIRECTIONS},
    SPEECH: MeasureInfo("bits_speech", LANGUAGE, "bits per second of held-out speech", trained=MODELS),
    TEXT: MeasureInfo("bits_text", LANGUAGE, "bits per character of held-out transcripts", "lower", trained=MODELS),
    OTHER_TEXT: MeasureInfo(
        "bits_other_text", LANGUAGE, "bits per character of other held-out text", "lower", trained=MODELS
    ),
}


@dataclass(frozen=True)
class PairVariant:
    """Language models that were trained alike but for the seed, and the held-out tokens to score them on.

    Args:
        tokens: Folder written by a tokens stage, with the tokenizer of the models.
        models: ``model`` folders, one for each seed, in the order of the seeds.
        texts: Folder written by a texts stage with the vocabulary of the models, for bits of other text. None leaves
            them out.
    """

    tokens: Path
    models: tuple[Path, ...]
    texts: Path | None = None


@dataclass(frozen=True)
class ItemFigures:
    """One figure of one model, item by item; the figure of all items is a ratio of sums.

    Args:
        ids: Names of the items, (n,).
        values: Bits, hits or word errors of each item, (n,).
        sizes: Seconds, characters or words of each item, (n,); ones for a mean.
    """

    ids: tuple[str, ...]
    values: np.ndarray
    sizes: np.ndarray

    def of(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return values and sizes of the items of these names."""
        places = {name: place for place, name in enumerate(self.ids)}
        order = [places[name] for name in ids]
        return self.values[order], self.sizes[order]


def score_pairs(
    model: Path, variant: PairVariant, split: str = "dev", limit: int | None = None, num_beams: int = 1
) -> dict[str, ItemFigures]:
    """Score one language model on held-out utterances.

    Args:
        model: ``model`` folder of the variant.
        variant: Folders of the held-out tokens.
        split: Split of the tokens.
        limit: Largest number of utterances; all if None.
        num_beams: Number of beams of a second transcription; 1 leaves it out.

    Returns:
        Figures by the keys of ``INFOS``. Utterances beyond the context of the model have no bits.
    """
    require_match(variant.tokens, model)
    network, vocabulary = load_language_model(model)
    table = TokenTable(variant.tokens, split)
    figures = {}
    for kind, rate in measure_bits(network, vocabulary, table, limit).items():
        if kind in (SPEECH, TEXT):
            figures[kind] = ItemFigures(rate.ids, rate.bits, rate.sizes)
    if variant.texts is not None:
        require_match(variant.texts, model)
        rate = measure_bits(network, vocabulary, TokenTable(variant.texts, split), limit)[TEXT]
        figures[OTHER_TEXT] = ItemFigures(rate.ids, rate.bits, rate.sizes)
    items = make_pair_contrasts(table, limit=limit)
    ids = tuple(item.id for item in items)
    score = partial(log_likelihoods, network, title="pairs")
    for direction, accuracy in measure_accuracies(score, vocabulary, items, DIRECTIONS).items():
        figures[direction] = ItemFigures(ids, accuracy.hits, np.ones(len(ids)))
        figures[f"{direction} by PMI"] = ItemFigures(ids, accuracy.mutual_information_hits, np.ones(len(ids)))
    figures[GREEDY] = _word_errors(transcribe(network, vocabulary, table, limit=limit), table)
    if num_beams > 1:
        figures[BEAMS] = _word_errors(transcribe(network, vocabulary, table, num_beams=num_beams, limit=limit), table)
    return figures


def _word_errors(transcription: Transcription, table: TokenTable) -> ItemFigures:
    """Count the word errors of each transcript, after the normalization of the utterance's language."""
    languages = {row.id: row.language for row in table}
    ids, errors, lengths = [], [], []
    for transcript in transcription.transcripts:
        counted = word_errors(transcript.reference, transcript.hypothesis, languages[transcript.id])
        ids.append(transcript.id)
        errors.append(counted.errors)
        lengths.append(counted.length)
    return ItemFigures(tuple(ids), np.array(errors, dtype=float), np.array(lengths, dtype=float))


def pair_measures(scores: Mapping[str, Sequence[Mapping[str, ItemFigures]]], seed: int = 0) -> list[Measure]:
    """Return the measures that all models have, each over the items that all of them have.

    Args:
        scores: Figures of the models of each variant, as ``score_pairs`` returns them, the baseline first.
        seed: Seed of the bootstraps, which draw models and items.
    """
    models = [model for of_variant in scores.values() for model in of_variant]
    measures = []
    for key, info in INFOS.items():
        if any(key not in model for model in models):
            continue
        shared = sorted(set.intersection(*(set(model[key].ids) for model in models)))
        if not shared:
            continue
        values = {}
        for name, of_variant in scores.items():
            values[name] = np.array([model[key].of(shared)[0] for model in of_variant])
        _, sizes = models[0][key].of(shared)
        measures.append(crossed_measure(info, values, sizes, seed))
    return measures
