"""A new language for a trained model: how well its tokens fit, and what adaptation has brought and cost."""

import json
import logging
from pathlib import Path
from typing import Any

from safetensors import safe_open

from zoo.evaluation.adaptation import LanguageData
from zoo.evaluation.scoring.bits import UNITS, bits
from zoo.evaluation.scoring.contrast import SPEECH_TO_TEXT, TEXT_TO_SPEECH, accuracies
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.evaluation.suites.speech_text_pairs import paired_items
from zoo.evaluation.tokenizer_check import coverage_warnings, measure_coverage
from zoo.files import write_text
from zoo.language.adapters import is_adapter
from zoo.language.speech_text_model import load_language_model
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

log = logging.getLogger(__name__)


def check_tokenizer(out: Path, new: Path, old: Path, vocabulary: Path, split: str = "train") -> dict[str, str]:
    """Compare the tokens of a new language with those of the old one, and warn where they fit badly.

    Args:
        out: Gets ``tokenizer_check.json``.
        new: Folder filled by a tokens stage, of the new language.
        old: Likewise, of the language that the model knows.
        vocabulary: Folder of the vocabulary of both.
        split: Of both.
    """
    require_match(new, old)
    numbers = Vocabulary.load(vocabulary)
    fits = {name: measure_coverage(numbers, TokenTable(folder, split)) for name, folder in (("new", new), ("old", old))}
    warnings = coverage_warnings(fits["new"], fits["old"])
    for warning in warnings:
        log.warning(warning)
    write_text(
        out / "tokenizer_check.json",
        json.dumps({**{name: one.report() for name, one in fits.items()}, "warnings": warnings}, indent=2) + "\n",
    )
    shown = {
        "units": ", ".join(f"{name} {one.unit_entropy:.2f} bits" for name, one in fits.items()),
        "text": ", ".join(f"{name} {one.text_tokens_per_word:.1f} tokens a word" for name, one in fits.items()),
    }
    return shown | {f"warning {number}": warning for number, warning in enumerate(warnings, 1)}


def compare_languages(
    out: Path,
    base: Path,
    models: dict[str, Path],
    new: LanguageData,
    old: LanguageData,
    tokenizer_check: Path,
    row_length: int,
    tokenizer: Path | None = None,
    split: str = "dev",
    limit: int | None = None,
    synthetic: bool = False,
) -> dict[str, str]:
    """Score a model before and after adaptation on the new and the old language; write ``report.json`` and ``report.md``.

    Args:
        out: Gets the report.
        base: ``model`` folder of the model before.
        models: ``model`` folders of those after, by what was done.
        new: Held-out data of the new language.
        old: Held-out data of the language that the base model was trained on.
        tokenizer_check: Folder filled by ``check_tokenizer``.
        row_length: Ids in a row of training: how far back an utterance in a row of its language sees.
        tokenizer: Folder of the speech tokenizer, for suites.
        split: Of the tokens.
        limit: Most utterances or items of each language; all if None.
        synthetic: Whether a machine spoke the corpora; said in the report.

    Raises:
        ValueError: Where both languages have one name, or suites come without a tokenizer.
    """
    if new.name == old.name:
        raise ValueError(f"new.name={new.name} and old.name={old.name}: give the two languages different names")
    if tokenizer is None and (new.suite or old.suite):
        raise ValueError("a suite needs the speech tokenizer: give tokenizer too")
    report: dict[str, Any] = {
        "synthetic_speech": synthetic,
        "split": split,
        "new": new.name,
        "old": old.name,
        "tokenizer_check": json.loads((tokenizer_check / "tokenizer_check.json").read_text()),
        "models": {},
    }
    held_out = {new.name: new, old.name: old}
    for name, folder in {"before": base, **models}.items():
        scores = {
            language: _scores(folder, data, row_length, tokenizer, split, limit) for language, data in held_out.items()
        }
        report["models"][name] = scores | ({} if name == "before" else {"cost": _cost(folder)})
    for name in models:
        report["models"][name]["change"] = {
            language: _change(report["models"]["before"][language], report["models"][name][language])
            for language in held_out
        }
    write_text(out / "report.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "report.md", _markdown(report))
    return {"report": str(out / "report.md")} | {
        name: _summary(report["models"][name], new.name, old.name) for name in models
    }


def _scores(
    folder: Path,
    data: LanguageData,
    row_length: int,
    tokenizer: Path | None,
    split: str,
    limit: int | None,
) -> dict[str, Any]:
    require_match(data.tokens, folder)
    network, vocabulary = load_language_model(folder)
    table = TokenTable(data.tokens, split)
    scores: dict[str, Any] = {
        "bits": {kind: one.report() for kind, one in bits(network, vocabulary, table, limit, row_length).items()}
    }
    wanted = {"pairs": (paired_items(table, limit=limit), (SPEECH_TO_TEXT, TEXT_TO_SPEECH))}
    if data.suite is not None and tokenizer is not None:
        wanted["cloze"] = (
            load_contrasts(data.suite, load_tokenizer(tokenizer), vocabulary, limit),
            ("T->T", "S->S", SPEECH_TO_TEXT, TEXT_TO_SPEECH),
        )
    for name, (items, ways) in wanted.items():
        found = accuracies(lambda flat: log_likelihoods(network, flat, title=name), vocabulary, items, ways)
        scores[name] = {way: one.report() for way, one in found.items()}
    return scores


def _change(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """Relative change of the bits of each kind."""
    return {kind: round(after["bits"][kind]["bits"] / before["bits"][kind]["bits"] - 1, 4) for kind in before["bits"]}


def _cost(folder: Path) -> dict[str, float]:
    """Size of what is saved, parameters that learn, and the time that the engine has noted for the stage."""
    weights = sorted(folder.glob("*.safetensors"))
    record = folder.parent / "stage.json"
    seconds = json.loads(record.read_text())["seconds"] if record.is_file() else float("nan")
    return {
        "saved_mib": round(sum(path.stat().st_size for path in weights) / 2**20, 3),
        "trainable_parameters": sum(map(_parameters, weights)),
        "adapter": is_adapter(folder),
        "seconds": seconds,
    }


def _parameters(path: Path) -> int:
    with safe_open(path, "pt") as tensors:
        shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]
    total = 0
    for shape in shapes:
        count = 1
        for size in shape:
            count *= size
        total += count
    return total


def _summary(model: dict[str, Any], new: str, old: str) -> str:
    change = model["change"]
    return ", ".join(
        f"{language} {kind} {change[language][kind]:+.1%}"
        for language in (new, old)
        for kind in ("speech", "text")
        if kind in change[language]
    )


def _markdown(report: dict[str, Any]) -> str:
    new, old, models = report["new"], report["old"], report["models"]
    rows = [["measure", *models]]
    for language in (new, old):
        for kind, unit in UNITS.items():
            if kind in models["before"][language]["bits"]:
                rows.append(
                    [f"{language}: {kind}, {unit}", *(_bits_cell(model, language, kind) for model in models.values())]
                )
        for name in ("pairs", "cloze"):
            for way in models["before"][language].get(name, {}):
                rows.append(
                    [
                        f"{language}: {name} {way}",
                        *(f"{model[language][name][way]['accuracy']:.2f}" for model in models.values()),
                    ]
                )
    costs = [
        ("parameters saved", "trainable_parameters", "{:,}"),
        ("size, MiB", "saved_mib", "{:.2f}"),
        ("time, s", "seconds", "{:.0f}"),
    ]
    rows += [
        [label, *(form.format(model["cost"][key]) if "cost" in model else "" for model in models.values())]
        for label, key, form in costs
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    table = "\n".join([lines[0], "|" + "-|" * len(rows[0]), *lines[1:]])
    kind = "speech made by a synthesizer" if report["synthetic_speech"] else "recorded speech"
    check = report["tokenizer_check"]
    fits = "\n".join(
        f"- {name}: {', '.join(f'{key} {value}' for key, value in check[name].items())}" for name in ("new", "old")
    )
    warnings = "".join(f"- **Warning**: {warning}.\n" for warning in check["warnings"])
    return (
        f"# {new} for a model of {old}\n\nHeld-out {kind} ({report['split']}). In brackets the change against before; less is better for bits. "
        f"Chance is 0.50 for pairs and cloze.\n\n{table}\n\n## How the tokens fit\n\n{fits}\n{warnings}"
    )


def _bits_cell(model: dict[str, Any], language: str, kind: str) -> str:
    change = f" ({model['change'][language][kind]:+.1%})" if "change" in model else ""
    return f"{model[language]['bits'][kind]['bits']:.2f}{change}"
