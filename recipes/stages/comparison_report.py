"""What the stages of a comparison found, as one page, one table of numbers, and TensorBoard."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from recipes.stages.comparison import ROWS
from zoo.comparison.claims import verdicts
from zoo.comparison.page import render
from zoo.comparison.resynthesis import EXAMPLES
from zoo.files import write_text


def write_comparison(
    out: Path, run: Path, corpus: Path, title: str, measured: dict[str, Path], notes: dict[str, str] = {}
) -> dict[str, str]:
    """Gather rows into ``report.html``, ``report.json`` and TensorBoard, and hold the claims of the paper against them.

    Args:
        out: Gets a copy of both files, and TensorBoard ``logs/``.
        run: Gets ``report.html`` and ``report.json``.
        corpus: Folder filled by a corpus stage; it tells whether a machine spoke.
        title: Of the page.
        measured: Folders filled by the stages that measure, by what they measure.
        notes: What a reader has to know, by what it is about.
    """
    found = {name: json.loads((folder / ROWS).read_text()) for name, folder in measured.items()}
    rows = [row for one in found.values() for row in one["rows"]]
    layers = next((one["notes"]["layers"] for one in found.values() if "layers" in one["notes"]), {})
    told = {name: _shown(one["notes"]) for name, one in found.items()}
    report = {
        "title": title,
        "synthetic_speech": json.loads((corpus / "corpus.json").read_text())["synthetic"],
        "claims": verdicts(rows),
        "rows": rows,
        "layers": layers,
        "notes": {**notes, **{name: text for name, text in told.items() if text}},
        "seconds": _seconds(measured),
    }
    folder = next((one for one in measured.values() if (one / EXAMPLES).is_file()), None)
    page = render(report, json.loads((folder / EXAMPLES).read_text()) if folder else [], folder)
    for place in (out, run):
        write_text(place / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        write_text(place / "report.html", page)
    with SummaryWriter(str(out / "logs")) as logs:
        for name, value in scalars(rows).items():
            logs.add_scalar(name, value)
    return {
        **{
            claim[
                "claim"
            ]: f"{claim['verdict']} ({claim['difference']:+.3f}, {claim['interval'][0]:+.3f} to {claim['interval'][1]:+.3f})"
            for claim in report["claims"]
        },
        "report": str(run / "report.html"),
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


def scalars(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures and differences of rows under the names that TensorBoard shows."""
    plain = lambda name: name.replace(" ", "_").replace(",", "").replace("->", "_to_")
    values = {f"{plain(name)}/{plain(row['key'])}": one["value"] for row in rows for name, one in row["values"].items()}
    return values | {
        f"{plain(name)}_difference/{plain(row['key'])}": one["value"]
        for row in rows
        for name, one in row["differences"].items()
    }


def _shown(notes: Mapping[str, Any]) -> str:
    """Notes as a line of text; pictures are shown elsewhere."""
    parts = []
    for name, value in notes.items():
        if name != "layers" and value not in ({}, []):
            told = "; ".join(f"{key}: {each}" for key, each in value.items()) if isinstance(value, dict) else value
            parts.append(f"{name.replace('_', ' ')} {told}")
    return ", ".join(parts)


def _seconds(measured: Mapping[str, Path]) -> dict[str, float]:
    """Of each finished stage beside those that measured, as the engine has noted it."""
    records = [
        json.loads(path.read_text())
        for folder in sorted({one.parent for one in measured.values()})
        for path in sorted(folder.glob("*/stage.json"))
    ]
    return {
        record["stage"]: record["seconds"]
        for record in sorted(records, key=lambda record: record["started"])
        if record["state"] == "done"
    }
