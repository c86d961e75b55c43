"""Adaptation to a new language: how well the tokenizer covers it, and what adaptation changes and costs."""

import json
import logging
import math
from pathlib import Path
from typing import Any

from recipes.stages.stage_records import seconds_of
from zoo.evaluation.adaptation import (
    BEFORE,
    AdaptationScorer,
    LanguageData,
    adaptation_markdown,
    relative_changes,
    saved_size,
    summary_line,
)
from zoo.evaluation.tokenizer_check import coverage_warnings, measure_coverage
from zoo.files import read_json, write_text
from zoo.ranges import RowLength, Size
from zoo.tokens.contract import require_match
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

CHECK = "tokenizer_check.json"

log = logging.getLogger(__name__)


def check_tokenizer(out: Path, new: Path, old: Path, vocabulary: Path, split: str = "train") -> dict[str, str]:
    """Compare the tokens of a new language with those of the old one, and warn where the tokenizer covers it badly.

    Args:
        out: Output folder of ``tokenizer_check.json``.
        new: Folder written by a tokens stage, of the new language.
        old: Folder written by a tokens stage, of the language that the model was trained on.
        vocabulary: Folder of the vocabulary of both.
        split: Split of both.
    """
    require_match(new, old)
    loaded = Vocabulary.load(vocabulary)
    coverage = {
        "new": measure_coverage(loaded, TokenTable(new, split)),
        "old": measure_coverage(loaded, TokenTable(old, split)),
    }
    warnings = coverage_warnings(coverage["new"], coverage["old"])
    for warning in warnings:
        log.warning(warning)
    report: dict[str, Any] = {name: figures.report() for name, figures in coverage.items()}
    report["warnings"] = warnings
    write_text(out / CHECK, json.dumps(report, indent=2) + "\n")
    lines = {
        "units": ", ".join(f"{name} {figures.unit_entropy:.2f} bits" for name, figures in coverage.items()),
        "text": ", ".join(
            f"{name} {figures.text_tokens_per_word:.1f} tokens per word" for name, figures in coverage.items()
        ),
    }
    return lines | {f"warning {number}": warning for number, warning in enumerate(warnings, 1)}


def compare_languages(
    out: Path,
    base: Path,
    models: dict[str, Path],
    new: LanguageData,
    old: LanguageData,
    tokenizer_check: Path,
    row_length: RowLength,
    tokenizer: Path | None = None,
    split: str = "dev",
    limit: Size | None = None,
    synthetic: bool = False,
) -> dict[str, str]:
    """Score a model before and after adaptation on the new and the old language.

    Args:
        out: Output folder of ``report.json`` and ``report.md``.
        base: ``model`` folder of the model before adaptation.
        models: ``model`` folders of the adapted models, by kind of adaptation.
        new: Held-out data of the new language.
        old: Held-out data of the language that the base model was trained on.
        tokenizer_check: Folder written by ``check_tokenizer``.
        row_length: Number of ids in a training row, which limits the context of an utterance in a row of its language.
        tokenizer: Folder of the speech tokenizer, which suites need.
        split: Split of the tokens.
        limit: Largest number of utterances or items of each language; all if None.
        synthetic: Whether the corpora were made by a synthesizer, which the report says.

    Raises:
        ValueError: If both languages have one name, or suites come without a tokenizer.
    """
    if new.name == old.name:
        raise ValueError(f"new.name={new.name} and old.name={old.name}: give the two languages different names")
    if tokenizer is None and (new.suite or old.suite):
        raise ValueError("a suite needs the speech tokenizer: give tokenizer too")
    scorer = AdaptationScorer(row_length, tokenizer, split, limit)
    languages = (new, old)
    before = {language.name: scorer.score(base, language) for language in languages}
    adapted: dict[str, dict[str, Any]] = {}
    for name, folder in models.items():
        after = {language.name: scorer.score(folder, language) for language in languages}
        seconds = seconds_of(folder)
        cost = {**saved_size(folder), "seconds": math.nan if seconds is None else seconds}
        change = {
            language.name: relative_changes(before[language.name], after[language.name]) for language in languages
        }
        adapted[name] = {**after, "cost": cost, "change": change}
    report = {
        "synthetic_speech": synthetic,
        "split": split,
        "new": new.name,
        "old": old.name,
        "tokenizer_check": read_json(tokenizer_check / CHECK),
        "models": {BEFORE: before, **adapted},
    }
    write_text(out / "report.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "report.md", adaptation_markdown(report))
    lines = {name: summary_line(model, (new.name, old.name)) for name, model in adapted.items()}
    return {"report": str(out / "report.md"), **lines}
