"""Report of a run, as Markdown and JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipes.stages.stage_records import finished_stages
from zoo.evaluation.suites.text_and_speech import DIRECTIONS
from zoo.files import read_json, write_text
from zoo.reports import markdown_table, speech_kind

VOCODER = {"mel_distance": "mel distance", "unit_edit_distance": "unit edit distance"}
ACCURACIES = {"cloze": "accuracy", "cloze_without_interleaving": "accuracy without interleaving"}


def write_report(out: Path, run: Path, stages: dict[str, Path], synthetic: bool) -> dict[str, str]:
    """Gather the figures of a run into ``report.json`` and ``report.md``.

    Args:
        out: Output folder of a copy of both files.
        run: Folder of the run, which also contains ``report.json`` and ``report.md``.
        stages: Folders of stages by kind of result: tokens, language_model, cloze; optionally without_interleaving,
            transcription, vocoder, samples, corpus.
        synthetic: Whether the report states that the speech is synthesized.
    """
    report = {"synthetic_speech": synthetic, **_figures(stages), **_costs(stages)}
    text = report_markdown(report, stages.get("samples"))
    for folder in (out, run):
        write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
        write_text(folder / "report.md", text)
    return {"report": str(run / "report.md"), "figures": str(run / "report.json")}


def _figures(stages: Mapping[str, Path]) -> dict[str, Any]:
    cloze = _read(stages["cloze"] / "cloze.json")
    figures: dict[str, Any] = {"cloze": cloze.pop("interleaved", None) or cloze.pop("model")}
    if cloze:
        figures["cloze_without_interleaving"] = next(iter(cloze.values()))
    figures["loss"] = _losses(stages["language_model"])
    if "without_interleaving" in stages:
        figures["loss_without_interleaving"] = _losses(stages["without_interleaving"])
    if "transcription" in stages:
        figures["word_error_rate"] = _read(stages["transcription"] / "transcription.json")
    if "vocoder" in stages:
        metrics = _read(stages["vocoder"] / "metrics.json")
        for name in VOCODER:
            if f"val/{name}" in metrics:
                figures[f"vocoder_{name}"] = round(metrics[f"val/{name}"], 4)
    tokens = _read(stages["tokens"] / "tokens.json")
    figures["tokens_per_second"] = tokens["dev"]["tokens_per_second"]
    figures["tokens"] = tokens
    return figures


def _losses(folder: Path) -> dict[str, float]:
    metrics = _read(folder / "metrics.json")
    return {kind: round(metrics[f"val/{kind}_loss"], 4) for kind in ("text", "speech")}


def _costs(stages: Mapping[str, Path]) -> dict[str, Any]:
    """Return seconds and memory of the finished stages of the run."""
    records = finished_stages(stages.values())
    return {
        "seconds": {record["stage"]: record["seconds"] for record in records},
        "peak_memory_gib": max((round(record["peak_memory_gib"], 3) for record in records), default=0.0),
    }


def _read(path: Path) -> Any:
    return read_json(path)


def report_markdown(report: Mapping[str, Any], samples: Path | None = None) -> str:
    """Return a report as Markdown.

    Args:
        report: As in ``report.json``.
        samples: Folder of audio samples; None if there are none.
    """
    costs = [("stage", "seconds"), *((name, f"{seconds:.0f}") for name, seconds in report["seconds"].items())]
    audio = f"\nAudio: {samples}/*.wav; samples.json beside them has the texts.\n" if samples else ""
    return (
        f"# Report\n\nAll figures are on {speech_kind(report['synthetic_speech'])}; speakers held out from training. "
        f"Chance is 0.50 for accuracies.\n\n{markdown_table(_rows(report))}\n{audio}\n"
        f"{markdown_table(costs)}\n\nPeak memory {report['peak_memory_gib']:.1f} GiB.\n"
    )


def _rows(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    rows = [("measure", "value", "95% interval", "items")]
    for name, title in ACCURACIES.items():
        for direction in DIRECTIONS:
            if direction in report.get(name, {}):
                accuracy = report[name][direction]
                rows.append(_estimate_row(f"{title}, {direction}", accuracy, "accuracy"))
                if "by_pmi" in accuracy:
                    rows.append(_estimate_row(f"{title}, {direction}, by PMI", accuracy["by_pmi"], "accuracy"))
    if "word_error_rate" in report:
        rows.append(_estimate_row("word error rate", report["word_error_rate"], "word_error_rate"))
    for kind, value in report["loss"].items():
        rows.append(_plain_row(f"held-out {kind} loss, nats per token", f"{value:.3f}"))
    rows.append(_plain_row("speech tokens per second, held out", f"{report['tokens_per_second']:.2f}"))
    for name, title in VOCODER.items():
        if f"vocoder_{name}" in report:
            rows.append(_plain_row(f"vocoder, held-out {title}", f"{report[f'vocoder_{name}']:.3f}"))
    return rows


def _estimate_row(title: str, estimate: Mapping[str, Any], name: str) -> tuple[str, str, str, str]:
    low, high = estimate["interval"]
    return title, f"{estimate[name]:.3f}", f"{low:.3f} to {high:.3f}", str(estimate["n"])


def _plain_row(title: str, value: str) -> tuple[str, str, str, str]:
    return title, value, "", ""
