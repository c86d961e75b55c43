"""Evaluations of trained language models."""

import json
from functools import partial
from pathlib import Path

from zoo.evaluation.generation.transcription import transcribe
from zoo.evaluation.scoring.contrast import SPEECH_TO_TEXT, TEXT_TO_SPEECH, Contrast, accuracies, accuracy
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.unigram_baseline import Unigram
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.evaluation.suites.speech_text_pairs import paired_items
from zoo.files import write_text
from zoo.language.speech_text_model import load_language_model
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.store import TokenTable


def evaluate_cloze(
    out: Path,
    suite: Path,
    tokenizer: Path,
    models: dict[str, Path],
    tokens: Path | None = None,
    limit: int | None = None,
) -> dict[str, str]:
    """Score a suite of contrasts in every direction that it serves, beside a unigram model.

    Args:
        out: Gets ``cloze.json``, by model and direction.
        suite: Table of contrasts with text and audio.
        tokenizer: Folder of the speech tokenizer of all models.
        models: ``model`` folders of language models, by name.
        tokens: Folder filled by a tokens stage, on whose train split the unigram model is counted; on the suite itself if None.
        limit: Most items; all if None.
    """
    speech, scores, items, vocabulary = load_tokenizer(tokenizer), {}, [], None
    for name, folder in models.items():
        require_match(tokenizer, folder)
        network, vocabulary = load_language_model(folder)
        items = load_contrasts(suite, speech, vocabulary, limit)
        found = accuracies(partial(log_likelihoods, network, title=f"score {name}"), vocabulary, items)
        scores[name] = {direction: one.report() for direction, one in found.items()}
    unigram = (
        Unigram.of_table(vocabulary, TokenTable(tokens, "train")) if tokens else Unigram.of_items(vocabulary, items)
    )
    scores["unigram"] = {direction: one.report() for direction, one in accuracies(unigram, vocabulary, items).items()}
    write_text(out / "cloze.json", json.dumps(scores, indent=2) + "\n")
    return {f"cloze, {name}": _line(score) for name, score in scores.items()}


def evaluate_pairs(
    out: Path, tokens: Path, model: Path, split: str = "dev", limit: int | None = None
) -> dict[str, str]:
    """Score speech against transcripts in both directions, and transcribe greedily, on held-out utterances.

    Args:
        out: Gets ``cloze.json``, ``transcription.json`` and ``transcripts.tsv``.
        tokens: Folder filled by a tokens stage.
        model: ``model`` folder of a language model trained on them.
        split: Of the tokens.
        limit: Most utterances in the contrasts; all if None.
    """
    require_match(tokens, model)
    network, vocabulary = load_language_model(model)
    table = TokenTable(tokens, split)
    items: list[Contrast] = paired_items(table, limit=limit)
    score = {way: accuracy(network, vocabulary, items, way).report() for way in (SPEECH_TO_TEXT, TEXT_TO_SPEECH)}
    written = transcribe(network, vocabulary, table)
    write_text(out / "cloze.json", json.dumps({"model": score}, indent=2) + "\n")
    write_text(
        out / "transcripts.tsv", "".join("\t".join(row) + "\n" for row in [("id", "text", "transcript"), *written.rows])
    )
    write_text(out / "transcription.json", json.dumps(written.error_rate.named("word_error_rate"), indent=2) + "\n")
    return {
        "held-out pairs": _line(score),
        "word error rate": str(written.error_rate),
        "transcripts": str(out / "transcripts.tsv"),
    }


def _line(score: dict[str, dict]) -> str:
    return ", ".join(
        f"{way} {one['accuracy']:.2f} ({one['interval'][0]:.2f} to {one['interval'][1]:.2f})"
        for way, one in score.items()
    )
