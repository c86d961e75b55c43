"""Comparison of tokenizer variants; each stage writes ``measures.json``, which the report gathers."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from datamodules.vocoder import VocoderDataModule
from recipes.stages.held_out_speech import read_speech
from recipes.stages.vocoder_utterances import training_utterances
from zoo.comparison.held_out_pairs import ItemFigures, PairVariant, pair_measures, score_pairs
from zoo.comparison.language_model_measures import language_model_measures, margins_by_layer
from zoo.comparison.language_models import EvaluationSuites, LanguageModelVariant, score_language_models
from zoo.comparison.measures import Measure
from zoo.comparison.report_content import LAYERS
from zoo.comparison.resynthesis_examples import write_examples
from zoo.comparison.resynthesis_measures import (
    VariantResynthesis,
    join_examples,
    judge_anchors,
    mean_score,
    require_same_utterances,
    resynthesis_measures,
    resynthesize_variant,
)
from zoo.comparison.tokenizer_measures import tokenizer_measures
from zoo.comparison.tokenizers import TokenizerScores, measure_tokenizer
from zoo.comparison.vocoders import griffin_lim_synthesizer
from zoo.evaluation.judged_resynthesis import read_blocks
from zoo.evaluation.judges.classifiers import StyleJudge
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.resynthesis import STYLE_ACCURACY_OF_ORIGINAL, ResynthesisMetrics
from zoo.evaluation.statistics import ItemScores
from zoo.files import write_text
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.ranges import NumProcesses, OptionalSize, Seed, Size
from zoo.speech.augmentation import Augmentation
from zoo.speech.f0 import F0Extractor
from zoo.speech.style_units import StyleUnits
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import TokenTable
from zoo.vocoder.vocoder import Vocoder

MEASURES = "measures.json"


def measure_tokenizers(
    out: Path,
    corpus: Path,
    tokenizers: dict[str, list[Path]],
    augmentations: dict[str, Augmentation],
    splits: tuple[str, ...] = ("dev",),
    limit: Size | None = None,
    seed: Seed = 0,
    num_processes: NumProcesses = 1,
) -> dict[str, str]:
    """Measure the rates, robustness and phonetic, speaker and style information of the units of each tokenizer.

    Args:
        out: Output folder of ``measures.json`` and ``units.json``.
        corpus: Folder written by a corpus stage. Measures that need phone times, styles or several speakers are left
            out if the corpus lacks them.
        tokenizers: Folders by name, the baseline first; for each name one folder per seed, in the same order of seeds.
        augmentations: Augmentations by name that the robustness of the units is measured under.
        splits: Splits of the corpus whose utterances are encoded.
        limit: Largest number of utterances; all if None.
        seed: Seed of the augmentations and the bootstraps.
        num_processes: Number of processes that encode in parallel.
    """
    scores: dict[str, list[TokenizerScores]] = {}
    for name, folders in tokenizers.items():
        scores[name] = []
        for number, folder in enumerate(folders, 1):
            tokenizer = load_tokenizer(folder)
            title = f"units of {name}, {number}"
            speech = chain.from_iterable(read_speech(corpus, split, tokenizer.sample_rate, title) for split in splits)
            limited = islice(speech, limit)
            scores[name].append(measure_tokenizer(tokenizer, limited, augmentations, seed, num_processes))
    reports = {name: [of_seed.report() for of_seed in of_seeds] for name, of_seeds in scores.items()}
    write_text(out / "units.json", json.dumps(reports, indent=2) + "\n")
    left_out = {}
    for name, of_seeds in scores.items():
        for of_seed in of_seeds:
            left_out |= {f"{what}, {name}": reason for what, reason in of_seed.left_out.items()}
    first = next(iter(scores.values()))[0]
    utterances = len(first.statistics["tokens_per_second"].items)
    notes = {"left_out": left_out, "utterances": utterances, "splits": ", ".join(splits)}
    return write_measures(out, tokenizer_measures(scores, seed), notes)


def measure_resynthesis(
    out: Path,
    tokenizers: dict[str, Path],
    vocoders: dict[str, Path],
    data: dict[str, VocoderDataModule],
    f0: F0Extractor,
    judge: Path | None = None,
    judges: SpeechJudges | None = None,
    num_examples: OptionalSize = 3,
    unseen_split: str | None = None,
    seed: Seed = 0,
) -> dict[str, str]:
    """Resynthesize utterances held out from vocoder training, and compare them with the recordings.

    Args:
        out: Output folder of ``measures.json`` and of examples: audio, F0 contours and tokens.
        tokenizers: Folders by name, the baseline first.
        vocoders: Folders of the vocoders by name.
        data: Training data of each vocoder, by name; all must hold out the same utterances.
        f0: F0 extractor for the F0 errors.
        judge: Folder of a style extractor with a classifier. None leaves the style accuracy out.
        judges: Judges of the recordings, the resynthesis and Griffin-Lim on the units of the baseline. None leaves
            their measures out.
        num_examples: Number of utterances that are written as examples.
        unseen_split: Split of the tokens whose speakers were excluded from all training. Its utterances are
            resynthesized, in the vocoder's default voice, instead of the held-out ones. Use ``CenteredF0`` as ``f0``,
            since the default voice has another mean F0. None resynthesizes the held-out utterances.
        seed: Seed of the bootstraps.

    Raises:
        ValueError: If the vocoders held out different utterances.
    """
    rows = _rows_by_variant(tokenizers, vocoders, data, unseen_split)
    require_same_utterances(rows)
    style = StyleJudge(StyleUnits.load(judge)) if judge else None
    results: dict[str, VariantResynthesis] = {}
    for name, of_variant in rows.items():
        vocoder = Vocoder.load(vocoders[name])
        tokenizer = load_tokenizer(tokenizers[name])
        metrics = ResynthesisMetrics(tokenizer, {"f0": F0Errors(f0)}, style)
        blocks = read_blocks(of_variant, tokenizer.sample_rate, f"resynthesis by {name}")
        results[name] = resynthesize_variant(name, blocks, vocoder, metrics, f0, num_examples, judges)
    write_examples(out, join_examples(list(results.values())))
    scores = {name: result.scores for name, result in results.items()}
    baseline = next(iter(scores.values()))
    if judges is not None:
        name = next(iter(rows))
        scores |= _judge_anchors(rows[name], data[name], tokenizers[name], judges)
    notes: dict[str, Any] = {
        "utterances": len(next(iter(rows.values()))),
        "speakers": "unseen, resynthesized in the default voice" if unseen_split else "of the vocoders' training data",
    }
    if judges is not None and judges.absent():
        notes["not_measured"] = judges.absent()
    if STYLE_ACCURACY_OF_ORIGINAL in baseline:  # absent if no utterance has a style
        accuracy = mean_score(baseline, STYLE_ACCURACY_OF_ORIGINAL)
        notes["style_accuracy_of_the_originals"] = round(accuracy, 4)
    return write_measures(out, resynthesis_measures(scores, seed, unseen_split is not None), notes)


def _rows_by_variant(
    tokenizers: Mapping[str, Path],
    vocoders: Mapping[str, Path],
    data: Mapping[str, VocoderDataModule],
    unseen_split: str | None,
) -> dict[str, list[TokenRow]]:
    """Return the utterances that each variant resynthesizes, in the order of the tokenizers."""
    rows = {}
    for name in tokenizers:
        if name in data:
            require_match(tokenizers[name], vocoders[name])
            module = data[name]
            rows[name] = list(TokenTable(module.rows.folder, unseen_split)) if unseen_split else _held_out(module)
    return rows


def _judge_anchors(
    rows: Sequence[TokenRow], data: VocoderDataModule, tokenizer: Path, judges: SpeechJudges
) -> dict[str, dict[str, ItemScores]]:
    """Judge the recordings, and Griffin-Lim from the mean spectra of the units of a tokenizer."""
    data.setup("fit")
    sample_rate = data.rows.sample_rate
    stream = load_tokenizer(tokenizer).streams[0]
    griffin_lim = griffin_lim_synthesizer(training_utterances(data), stream, sample_rate)
    blocks = read_blocks(rows, sample_rate, "originals and Griffin-Lim")
    return judge_anchors(blocks, judges, griffin_lim, sample_rate)


def _held_out(data: VocoderDataModule) -> list[TokenRow]:
    """Return the utterances that the data holds out from training."""
    data.setup("fit")
    return [data.rows.table[int(row)] for row in data.validation]


def measure_language_models(
    out: Path,
    variants: dict[str, LanguageModelVariant],
    suites: EvaluationSuites | None = None,
    judge: Path | None = None,
    split: str = "dev",
    limit: Size | None = None,
    seed: Seed = 0,
    num_processes: NumProcesses = 1,
) -> dict[str, str]:
    """Evaluate language models of equal budget: bits of held-out speech, cloze, sentiment preservation, alignment.

    Args:
        out: Output folder of ``measures.json``, whose notes contain the margins by layer.
        variants: Tokenizers and their language models by name, the baseline first.
        suites: Files of the cloze and the sentiment suite. With None, the contrasts are an utterance's own transcript
            and that of another, and sentiment is left out. Bits and alignment, which needs word times, are always
            measured.
        judge: Folder of a style extractor with a classifier, which judges generated speech. None leaves
            continuations in speech out.
        split: Split of the tokens that is evaluated on.
        limit: Largest number of items of a suite; all if None. Bits are those of the whole split.
        seed: Seed of the bootstraps.
        num_processes: Number of models that are evaluated in parallel.
    """
    comparison = score_language_models(variants, suites or EvaluationSuites(), judge, split, limit, num_processes)
    counts = {name: len(scores) for name, scores in comparison.by_name().items()}
    notes = {LAYERS: margins_by_layer(comparison, seed), "models": counts}
    return write_measures(out, language_model_measures(comparison, seed), notes)


def measure_pairs(
    out: Path,
    variants: dict[str, PairVariant],
    split: str = "dev",
    limit: Size | None = None,
    num_beams: Size = 1,
    seed: Seed = 0,
) -> dict[str, str]:
    """Score language models on held-out utterances and their transcripts: bits, contrasts and word errors.

    Args:
        out: Output folder of ``measures.json``.
        variants: Language models and their held-out tokens by name, the baseline first. Contrasts and word errors are
            paired by utterance, so all tokens must be of the same corpus.
        split: Split of the tokens.
        limit: Largest number of utterances; all if None.
        num_beams: Number of beams of a second transcription; 1 leaves it out.
        seed: Seed of the bootstraps.
    """
    scores: dict[str, list[dict[str, ItemFigures]]] = {}
    for name, variant in variants.items():
        scores[name] = [score_pairs(model, variant, split, limit, num_beams) for model in variant.models]
    counts = {name: len(of_variant) for name, of_variant in scores.items()}
    return write_measures(out, pair_measures(scores, seed), {"models": counts})


def write_measures(out: Path, measures: Sequence[Measure], notes: Mapping[str, Any]) -> dict[str, str]:
    """Write ``measures.json``, and return a line for each measure."""
    reports = [measure.report() for measure in measures]
    write_text(out / MEASURES, json.dumps({"measures": reports, "notes": notes}, indent=2) + "\n")
    lines = {}
    for measure in measures:
        lines[measure.title] = ", ".join(f"{name} {estimate}" for name, estimate in measure.values.items())
    return lines
