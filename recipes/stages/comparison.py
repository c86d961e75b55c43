"""Tokenizer variants measured side by side; each stage leaves ``rows.json``, which the report gathers."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from datamodules.vocoder import VocoderDataModule
from zoo.comparison.language_models import (
    Answers,
    EvaluationData,
    EvaluationSuites,
    LanguageModelVariant,
    alignment_rows,
    answer,
    interleaving_rows,
    language_rows,
    layers,
)
from zoo.comparison.resynthesis import Example, ResynthesisMetrics, resynthesize, write_examples
from zoo.comparison.rows import Row
from zoo.comparison.unit_measures import Figures, measure_tokenizer
from zoo.comparison.unit_rows import spoken_rows, unit_rows
from zoo.corpora.preparation import read_cuts
from zoo.evaluation.generation.sentiment_preservation import load_sentiment_suite, own_continuations, spoken, written
from zoo.evaluation.generation.stsp import EMOTION_TO_SENTIMENT
from zoo.evaluation.judges.pretrained import PretrainedRecognizer, StyleJudge, WordsClassifier
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.evaluation.suites.speech_text_pairs import paired_items
from zoo.files import write_text
from zoo.language.speech_text_model import load_language_model
from zoo.processes import map_in_processes
from zoo.speech.augmentation import Augmentation
from zoo.speech.f0 import F0Extractor
from zoo.speech.style_units import StyleUnits
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import load_utterances
from zoo.tokens.contract import require_match
from zoo.tokens.rows import TokenRow
from zoo.tokens.store import TokenTable
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.vocoder import Vocoder

ROWS, WITHOUT = "rows.json", ", without interleaving"


def measure_tokenizers(
    out: Path,
    corpus: Path,
    tokenizers: dict[str, list[Path]],
    augmentations: dict[str, Augmentation],
    splits: tuple[str, ...] = ("dev",),
    limit: int | None = None,
    seed: int = 0,
    num_processes: int = 1,
) -> dict[str, str]:
    """Measure what the units of each tokenizer cost and keep.

    Args:
        out: Gets ``rows.json`` and ``units.json``.
        corpus: Folder filled by a corpus stage; figures that need phone times, styles or several speakers are left out where it has none.
        tokenizers: Folders by name, the baseline first; of each as many as it was trained with seeds, in the same order.
        augmentations: That the units should not hear, by name.
        splits: Of the corpus, one after another.
        limit: Most utterances; all if None.
        seed: Of draws and bootstraps.
        num_processes: That listen at once.
    """
    figures: dict[str, list[Figures]] = {}
    for name, folders in tokenizers.items():
        figures[name] = []
        for number, folder in enumerate(folders):
            tokenizer = load_tokenizer(folder)
            title = f"units of {name}, {number + 1}"
            cuts = chain.from_iterable(
                load_utterances(read_cuts(corpus, split), tokenizer.sample_rate, Tally(), title) for split in splits
            )
            heard = ((loaded.utterance, loaded.waveform) for loaded in cuts)
            figures[name].append(measure_tokenizer(tokenizer, islice(heard, limit), augmentations, seed, num_processes))
    write_text(
        out / "units.json",
        json.dumps({name: [one.report() for one in of_seeds] for name, of_seeds in figures.items()}, indent=2) + "\n",
    )
    left_out = {
        f"{what}, {name}": why
        for name, of_seeds in figures.items()
        for one in of_seeds
        for what, why in one.left_out.items()
    }
    utterances = len(next(iter(figures.values()))[0].samples["tokens_per_second"].items)
    return write_rows(
        out, unit_rows(figures, seed), {"left_out": left_out, "utterances": utterances, "splits": ", ".join(splits)}
    )


def measure_resynthesis(
    out: Path,
    tokenizers: dict[str, Path],
    vocoders: dict[str, Path],
    data: dict[str, VocoderDataModule],
    f0: F0Extractor,
    judge: Path | None = None,
    asr: str | None = None,
    num_examples: int = 3,
    unseen_split: str | None = None,
    seed: int = 0,
) -> dict[str, str]:
    """Speak utterances that training kept for validation again from their raw units, and compare them with themselves.

    Args:
        out: Gets ``rows.json``, and examples to look at and to listen to.
        tokenizers: Folders by name, the baseline first.
        vocoders: Likewise.
        data: As each vocoder was trained on; all kept the same utterances.
        f0: Hears the melody.
        judge: Folder of a style extractor with a classifier; None leaves the style out.
        asr: Name or folder of a transformers recognizer; None leaves the word error rate out.
        num_examples: Number of utterances that are written as examples.
        unseen_split: Split of the tokens whose speakers nobody was trained on, to be spoken in the vocoder's default voice instead of those
            that training kept; a voice of another register wants ``zoo.speech.f0.CenteredF0`` as ``f0``.
        seed: Of the bootstraps.

    Raises:
        ValueError: Where the vocoders kept different utterances.
    """
    rows = {}
    for name, module in data.items():
        require_match(tokenizers[name], vocoders[name])
        rows[name] = list(TokenTable(module.rows.folder, unseen_split)) if unseen_split else _kept(module)
    kept = {name: [row.id for row in some] for name, some in rows.items()}
    baseline, *others = kept
    for name in others:
        if kept[name] != kept[baseline]:
            raise ValueError(
                f"the vocoders of {baseline} and {name} kept different utterances: give their data the same held_out, segment_units and seed"
            )
    style = StyleJudge(StyleUnits.load(judge)) if judge else None
    values: dict[str, dict[str, np.ndarray]] = {}
    examples: list[Example] = []
    for name in data:
        tokenizer, vocoder = load_tokenizer(tokenizers[name]), Vocoder.load(vocoders[name])
        listener = ResynthesisMetrics(
            tokenizer, f0, style, PretrainedRecognizer(asr, vocoder.sample_rate) if asr else None
        )
        values[name], made = resynthesize(rows[name], vocoder, listener, num_examples, name)
        examples = [before | after for before, after in zip(examples, made)] if examples else made
    write_examples(out, examples)
    heard = next(iter(values.values()))
    notes = {
        "utterances": len(kept[baseline]),
        "voices": "unseen, spoken in the default voice" if unseen_split else "trained",
    }
    if "style_accuracy_of_original" in heard:  # none of the utterances may have a style
        notes["style_accuracy_of_the_originals"] = round(float(np.nanmean(heard["style_accuracy_of_original"])), 4)
    return write_rows(out, spoken_rows(values, seed, unseen_split is not None), notes)


def _kept(data: VocoderDataModule) -> list[TokenRow]:
    """What training kept for validation."""
    data.setup("fit")
    return [data.rows.table[int(row)] for row in data.validation]


def measure_language_models(
    out: Path,
    variants: dict[str, LanguageModelVariant],
    suites: EvaluationSuites | None = None,
    judge: Path | None = None,
    split: str = "dev",
    limit: int | None = None,
    seed: int = 0,
    num_processes: int = 1,
) -> dict[str, str]:
    """Evaluate language models of equal budget: bits of held-out speech, cloze, sentiment preservation, alignment.

    Args:
        out: Gets ``rows.json``, the layers' alignment among its notes.
        variants: Tokenizers and their language models by name, the baseline first.
        suites: Suites to evaluate on; None scores held-out speech against transcripts alone.
        judge: Folder of a style extractor with a classifier, which judges generated speech. None leaves
            continuations in speech out.
        split: Split of the tokens that is evaluated on.
        limit: Largest number of items of a suite; all if None.
        seed: Seed of the bootstraps.
        num_processes: Number of models that are evaluated at once.
    """
    suites = suites or EvaluationSuites()
    asked: dict[str, list[tuple[int, Path, EvaluationData]]] = {}
    owned: dict[str, dict[str, np.ndarray]] = {}
    for name, variant in variants.items():
        style = StyleJudge(StyleUnits.load(judge), EMOTION_TO_SENTIMENT) if judge and variant.vocoder else None
        for folder in [*variant.models, *variant.without_interleaving, variant.tokens]:
            require_match(variant.tokenizer, folder)
        speech, vocabulary = load_tokenizer(variant.tokenizer), Vocabulary.load(variant.models[0])
        table = TokenTable(variant.tokens, split)
        contrasts = (
            load_contrasts(suites.cloze, speech, vocabulary, limit)
            if suites.cloze
            else paired_items(table, limit=limit)
        )
        shots, tested = (
            load_sentiment_suite(suites.sentiment, speech, vocabulary, limit) if suites.sentiment else ([], [])
        )
        judges = _judges(vocabulary, variant.vocoder, style, suites.sentiment_words)
        asked[name] = [
            (number, folder, EvaluationData(table, contrasts, shots, tested, judges))
            for number, folder in enumerate(variant.models)
        ]
        if variant.without_interleaving:
            asked[name + WITHOUT] = [
                (number, folder, EvaluationData(table, contrasts))
                for number, folder in enumerate(variant.without_interleaving)
            ]
        owned[name] = {to: own_continuations(tested, to, one) for to, one in judges.items()} if tested else {}
    shown = _answers(asked, num_processes)
    answers = {name: shown[name] for name in variants}
    rows = language_rows(answers, owned, seed) + alignment_rows(answers, seed)
    for name in answers:
        rows += interleaving_rows(name, shown[name + WITHOUT], answers[name], seed) if name + WITHOUT in shown else []
    return write_rows(
        out, rows, {"layers": layers(shown, seed), "models": {name: len(found) for name, found in shown.items()}}
    )


def _answers(asked: dict[str, list[tuple[int, Path, EvaluationData]]], num_processes: int) -> dict[str, list[Answers]]:
    """Of all models by name, those that are asked most first, so that no process is left waiting for another at the end."""
    order = sorted(
        ((name, number) for name, models in asked.items() for number in range(len(models))),
        key=lambda one: -len(asked[one[0]][0][2].judges),
    )
    done = map_in_processes(partial(_answer, asked), order, num_processes)
    found = dict(zip(order, tqdm(done, "language models", len(order), unit="model"), strict=True))
    return {name: [found[name, number] for number in range(len(models))] for name, models in asked.items()}


def _answer(asked: dict[str, list[tuple[int, Path, EvaluationData]]], which: tuple[str, int]) -> Answers:
    number, folder, wanted = asked[which[0]][which[1]]
    return answer(*load_language_model(folder), wanted, number)


def _judges(
    vocabulary: Vocabulary, vocoder: Path | None, style: StyleJudge | None, words: Path | None
) -> dict[str, Any]:
    judges: dict[str, Any] = (
        {"T": written(vocabulary, WordsClassifier(json.loads(words.read_text(encoding="utf-8"))))} if words else {}
    )
    if vocoder is None or style is None:
        return judges
    voice = Vocoder.load(vocoder)
    heard = spoken(vocabulary, voice, voice.sample_rate, style)
    return judges | {"S": lambda ids: heard(ids if _can_be_spoken(vocabulary.tokens(ids), voice) else ids[:0])}


def _can_be_spoken(tokens: Tokens, vocoder: Vocoder) -> bool:
    """Whether each stream has a unit, or one that stands in: a model of little training may leave one out, and is heard as silence."""
    return all(len(tokens.of(stream.prefix)) or stream.prefix in vocoder.missing for stream in vocoder.streams)


def write_rows(out: Path, rows: Sequence[Row], notes: Mapping[str, Any]) -> dict[str, str]:
    """Write ``rows.json``, and return a line for each row."""
    told = [row.report() for row in rows]
    write_text(out / ROWS, json.dumps({"rows": told, "notes": notes}, indent=2) + "\n")
    return {row.measure: ", ".join(f"{name} {one}" for name, one in row.values.items()) for row in rows}
