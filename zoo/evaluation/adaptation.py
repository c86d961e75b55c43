"""Language models before and after adaptation to a new language: scores, their changes, and the cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo.evaluation.scoring.bits import UNITS, measure_bits
from zoo.evaluation.scoring.contrast import measure_accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.suites.contrast_suite import Contrast, load_contrasts
from zoo.evaluation.suites.speech_text_pairs import make_pair_contrasts
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, SPEECH_TO_TEXT, TEXT_TO_SPEECH
from zoo.language.adapter_weights import is_adapter
from zoo.language.speech_text_model import load_language_model
from zoo.reports import markdown_table, speech_kind
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.store import TokenTable
from zoo.weights import read_shapes

BEFORE = "before"
PAIRS, CLOZE = "pairs", "cloze"
COSTS = (
    ("parameters saved", "trainable_parameters", "{:,}"),
    ("size, MiB", "saved_mib", "{:.2f}"),
    ("time, s", "seconds", "{:.0f}"),
)

Scores = dict[str, Any]  # bits and accuracies of one model in one language, as JSON


@dataclass(frozen=True)
class LanguageData:
    """Held-out data of one language.

    Args:
        name: Name of the language, such as its code.
        tokens: Folder filled by a tokens stage.
        suite: Table of cloze items in the language. None scores held-out utterances alone.
    """

    name: str
    tokens: Path
    suite: Path | None = None


@dataclass(frozen=True)
class AdaptationScorer:
    """Scores language models on held-out data.

    Args:
        row_length: Number of ids in a training row, which limits the context of an utterance in a row of its language.
        tokenizer: Folder of the speech tokenizer, which suites need. None leaves suites out.
        split: Split of the tokens.
        limit: Largest number of utterances or items; all if None.
    """

    row_length: int
    tokenizer: Path | None = None
    split: str = "dev"
    limit: int | None = None

    def score(self, model: Path, data: LanguageData) -> Scores:
        """Return bits of speech and text and accuracies of contrasts, as JSON.

        Args:
            model: ``model`` folder of a language model.
            data: Held-out data of one language.

        Raises:
            ContractError: If the tokens are not of the model's tokenizer and vocabulary.
        """
        require_match(data.tokens, model)
        network, vocabulary = load_language_model(model)
        table = TokenTable(data.tokens, self.split)
        needed = measure_bits(network, vocabulary, table, self.limit, self.row_length)
        scores: Scores = {"bits": {kind: estimate.report() for kind, estimate in needed.items()}}
        suites: dict[str, tuple[list[Contrast], tuple[str, ...]]] = {}
        suites[PAIRS] = (make_pair_contrasts(table, limit=self.limit), (SPEECH_TO_TEXT, TEXT_TO_SPEECH))
        if data.suite is not None and self.tokenizer is not None:
            items = load_contrasts(data.suite, load_tokenizer(self.tokenizer), vocabulary, self.limit)
            suites[CLOZE] = (items, DIRECTIONS)
        for name, (items, directions) in suites.items():
            scorer = partial(log_likelihoods, network, title=name)
            by_direction = measure_accuracies(scorer, vocabulary, items, directions)
            scores[name] = {direction: accuracy.report() for direction, accuracy in by_direction.items()}
        return scores


def relative_changes(before: Scores, after: Scores) -> dict[str, float]:
    """Return the relative change of the bits of each kind of content."""
    changes = {}
    for kind in before["bits"]:
        changes[kind] = round(after["bits"][kind]["bits"] / before["bits"][kind]["bits"] - 1, 4)
    return changes


def saved_size(model: Path) -> dict[str, float]:
    """Return the size of the saved weights of a ``model`` folder, which are those that were trained."""
    weights = sorted(model.glob("*.safetensors"))
    return {
        "saved_mib": round(sum(path.stat().st_size for path in weights) / 2**20, 3),
        "trainable_parameters": sum(map(_num_parameters, weights)),
        "adapter": is_adapter(model),
    }


def _num_parameters(path: Path) -> int:
    return sum(math.prod(shape) for shape in read_shapes(path).values())


def summary_line(model: Mapping[str, Any], languages: tuple[str, str]) -> str:
    """Return the relative changes of one adapted model in both languages as a line of text."""
    parts = []
    for language in languages:
        changes = model["change"][language]
        parts += [f"{language} {kind} {changes[kind]:+.1%}" for kind in ("speech", "text") if kind in changes]
    return ", ".join(parts)


def adaptation_markdown(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown.

    Args:
        report: As in ``report.json``.
    """
    models = report["models"]
    rows = [["measure", *models]]
    for language in (report["new"], report["old"]):
        rows += _score_rows(models, language)
    for title, key, form in COSTS:
        costs = [form.format(model["cost"][key]) if "cost" in model else "" for model in models.values()]
        rows.append([title, *costs])
    check = report["tokenizer_check"]
    coverage = []
    for name in ("new", "old"):
        figures = ", ".join(f"{key} {value}" for key, value in check[name].items())
        coverage.append(f"- {name}: {figures}\n")
    warnings = [f"- **Warning**: {warning}.\n" for warning in check["warnings"]]
    return (
        f"# {report['new']} for a model of {report['old']}\n\n"
        f"Held-out {speech_kind(report['synthetic_speech'])} ({report['split']}). In brackets the relative change; "
        "fewer bits are better. Chance is 0.50 for pairs and cloze.\n\n"
        f"{markdown_table(rows)}\n\n## Coverage of the tokenizer\n\n{''.join(coverage)}{''.join(warnings)}"
    )


def _score_rows(models: Mapping[str, Mapping[str, Any]], language: str) -> list[list[str]]:
    """Return the rows of one language: bits of each kind, then accuracies of each direction."""
    before = models[BEFORE][language]
    rows = []
    for kind, unit in UNITS.items():
        if kind in before["bits"]:
            cells = [_bits_cell(model, language, kind) for model in models.values()]
            rows.append([f"{language}: {kind}, {unit}", *cells])
    for name in (PAIRS, CLOZE):
        for direction in before.get(name, {}):
            cells = [f"{model[language][name][direction]['accuracy']:.2f}" for model in models.values()]
            rows.append([f"{language}: {name} {direction}", *cells])
    return rows


def _bits_cell(model: Mapping[str, Any], language: str, kind: str) -> str:
    change = f" ({model['change'][language][kind]:+.1%})" if "change" in model else ""
    return f"{model[language]['bits'][kind]['bits']:.2f}{change}"
