"""Evaluations of trained language models."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from zoo.evaluation.generation.transcription import transcribe
from zoo.evaluation.scoring.contrast import Accuracy, measure_accuracies, measure_accuracy
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.unigram_baseline import UnigramModel
from zoo.evaluation.suites.contrast_suite import Contrast, load_contrasts
from zoo.evaluation.suites.speech_text_pairs import make_pair_contrasts
from zoo.evaluation.suites.text_and_speech import SPEECH_TO_TEXT, TEXT_TO_SPEECH
from zoo.files import write_text
from zoo.language.speech_text_model import load_language_model
from zoo.ranges import NONEMPTY, Size
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


def evaluate_cloze(
    out: Path,
    suite: Path,
    tokenizer: Path,
    models: Annotated[dict[str, Path], NONEMPTY],
    tokens: Path | None = None,
    limit: Size | None = None,
) -> dict[str, str]:
    """Measure accuracies on a suite of contrasts in every direction it supports, with a unigram model as baseline.

    Args:
        out: Output folder of ``cloze.json``, by model and direction.
        suite: Table of contrasts with text and audio.
        tokenizer: Folder of the speech tokenizer of all models.
        models: ``model`` folders of language models, by name; at least one.
        tokens: Folder written by a tokens stage, whose train split the unigram model is estimated on. None estimates it
            on the suite itself.
        limit: Largest number of items; all if None.

    Raises:
        ValueError: If ``models`` is empty.
    """
    if not models:
        raise ValueError("models is empty: name at least one language model")
    speech_tokenizer = load_tokenizer(tokenizer)
    scores = {}
    items: list[Contrast] = []
    for name, folder in models.items():
        require_match(tokenizer, folder)
        network, vocabulary = load_language_model(folder)
        items = load_contrasts(suite, speech_tokenizer, vocabulary, limit)
        score = partial(log_likelihoods, network, title=f"score {name}")
        scores[name] = _report(measure_accuracies(score, vocabulary, items))
    vocabulary = Vocabulary.load(list(models.values())[-1])  # that of the items
    if tokens:
        unigram = UnigramModel.from_table(vocabulary, TokenTable(tokens, "train"))
    else:
        unigram = UnigramModel.from_contrasts(vocabulary, items)
    scores["unigram"] = _report(measure_accuracies(unigram, vocabulary, items))
    write_text(out / "cloze.json", json.dumps(scores, indent=2) + "\n")
    return {f"cloze, {name}": _line(by_direction) for name, by_direction in scores.items()}


def evaluate_pairs(
    out: Path, tokens: Path, model: Path, split: str = "dev", limit: Size | None = None, num_beams: Size = 1
) -> dict[str, str]:
    """Score speech against transcripts in both directions, and transcribe, on held-out utterances.

    Args:
        out: Output folder of ``cloze.json``, ``transcription.json`` and ``transcripts.tsv``.
        tokens: Folder written by a tokens stage.
        model: ``model`` folder of a language model trained on them.
        split: Split of the tokens.
        limit: Largest number of utterances in the contrasts; all if None.
        num_beams: Number of beams of the transcription; 1 is greedy decoding.
    """
    require_match(tokens, model)
    network, vocabulary = load_language_model(model)
    table = TokenTable(tokens, split)
    items: list[Contrast] = make_pair_contrasts(table, limit=limit)
    by_direction = {}
    for direction in (SPEECH_TO_TEXT, TEXT_TO_SPEECH):
        by_direction[direction] = measure_accuracy(network, vocabulary, items, direction).report()
    transcripts = transcribe(network, vocabulary, table, num_beams=num_beams)
    rows = [("id", "text", "transcript"), *transcripts.rows()]
    write_text(out / "cloze.json", json.dumps({"model": by_direction}, indent=2) + "\n")
    write_text(out / "transcripts.tsv", "".join("\t".join(row) + "\n" for row in rows))
    word_error_rate = transcripts.error_rate.named("word_error_rate")
    write_text(out / "transcription.json", json.dumps(word_error_rate, indent=2) + "\n")
    return {
        "held-out pairs": _line(by_direction),
        "word error rate": str(transcripts.error_rate),
        "transcripts": str(out / "transcripts.tsv"),
    }


def _report(by_direction: Mapping[str, Accuracy]) -> dict[str, dict[str, Any]]:
    return {direction: estimate.report() for direction, estimate in by_direction.items()}


def _line(by_direction: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for direction, estimate in by_direction.items():
        low, high = estimate["interval"]
        line = f"{direction} {estimate['accuracy']:.2f} ({low:.2f} to {high:.2f})"
        if "by_pmi" in estimate:
            line += f", by PMI {estimate['by_pmi']['accuracy']:.2f}"
        parts.append(line)
    return ", ".join(parts)
