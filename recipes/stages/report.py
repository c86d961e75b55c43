"""One report of a run, for people and for programs."""

import json
from pathlib import Path
from typing import Any

from zoo.files import write_text

DIRECTIONS = ("T->T", "S->S", "S->T", "T->S")
VOCODER = {"mel_distance": "mel distance", "unit_edit_distance": "unit edit distance"}


def write_report(out: Path, run: Path, stages: dict[str, Path], synthetic: bool) -> dict[str, str]:
    """Gather the figures of a run into ``report.json`` and ``report.md``.

    Args:
        out: Gets a copy of both.
        run: Gets ``report.json`` and ``report.md``.
        stages: Folders by what they hold: tokens, language_model, cloze; optionally without_interleaving, transcription,
            vocoder, samples, corpus.
        synthetic: Whether a machine spoke the corpus; said wherever its figures stand.
    """
    report = {"synthetic_speech": synthetic, **_figures(stages), **_costs(stages)}
    text = _markdown(report, stages)
    for folder in (out, run):
        write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
        write_text(folder / "report.md", text)
    return {"report": str(run / "report.md"), "figures": str(run / "report.json")}


def _figures(stages: dict[str, Path]) -> dict[str, Any]:
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
        heard = _read(stages["vocoder"] / "metrics.json")
        figures |= {f"vocoder_{name}": round(heard[f"val/{name}"], 4) for name in VOCODER if f"val/{name}" in heard}
    tokens = _read(stages["tokens"] / "tokens.json")
    figures["tokens_per_second"] = tokens["dev"]["tokens_per_second"]
    figures["tokens"] = tokens
    return figures


def _losses(folder: Path) -> dict[str, float]:
    metrics = _read(folder / "metrics.json")
    return {kind: round(metrics[f"val/{kind}_loss"], 4) for kind in ("text", "speech")}


def _costs(stages: dict[str, Path]) -> dict[str, Any]:
    """Seconds and memory, as the engine has noted them in each stage's folder and in those beside it."""
    folders = sorted({folder.parent for folder in stages.values()})
    records = [_read(path) for folder in folders for path in folder.glob("*/stage.json")]
    done = sorted((record for record in records if record["state"] == "done"), key=lambda record: record["started"])
    return {
        "seconds": {record["stage"]: record["seconds"] for record in done},
        "peak_memory_gib": max((round(record["peak_memory_gib"], 3) for record in done), default=0.0),
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def _markdown(report: dict[str, Any], stages: dict[str, Path]) -> str:
    speech = "speech made by a synthesizer" if report["synthetic_speech"] else "recorded speech"
    rows = [("measure", "value", "95% interval", "items")]
    for name, title in (("cloze", "accuracy"), ("cloze_without_interleaving", "accuracy without interleaving")):
        for way in DIRECTIONS:
            if way in report.get(name, {}):
                rows.append((f"{title}, {way}", *_estimate(report[name][way], "accuracy")))
    if "word_error_rate" in report:
        rows.append(("word error rate", *_estimate(report["word_error_rate"], "word_error_rate")))
    rows += [
        (f"held-out {kind} loss, nats per token", f"{value:.3f}", "", "") for kind, value in report["loss"].items()
    ]
    rows.append(("speech tokens per second, held out", f"{report['tokens_per_second']:.2f}", "", ""))
    rows += [
        (f"vocoder, held-out {title}", f"{report[f'vocoder_{name}']:.3f}", "", "")
        for name, title in VOCODER.items()
        if f"vocoder_{name}" in report
    ]
    costs = [("stage", "seconds"), *((name, f"{seconds:.0f}") for name, seconds in report["seconds"].items())]
    audio = (
        f"\nListen to {stages['samples']}/*.wav; samples.json beside them tells what is said.\n"
        if "samples" in stages
        else ""
    )
    return (
        f"# Report\n\nAll figures are on {speech}; speakers held out from training. Chance is 0.50 for accuracies.\n\n{_table(rows)}\n{audio}\n"
        f"{_table(costs)}\n\nPeak memory {report['peak_memory_gib']:.1f} GiB.\n"
    )


def _estimate(entry: dict[str, Any], name: str) -> tuple[str, str, str]:
    low, high = entry["interval"]
    return f"{entry[name]:.3f}", f"{low:.3f} to {high:.3f}", str(entry["n"])


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "-|" * len(rows[0]), *lines[1:]])
