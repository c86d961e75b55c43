"""Report of a comparison: one HTML page, the same figures as JSON, and TensorBoard."""

import json
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from recipes.stages.comparison import MEASURES
from recipes.stages.stage_records import finished_stages
from zoo.comparison.html_report import render
from zoo.comparison.report_content import ReportInfo, claim_lines, gather_report, scalars
from zoo.comparison.resynthesis_examples import EXAMPLES
from zoo.files import read_json, write_text


def write_comparison(
    out: Path,
    run: Path,
    corpus: Path,
    title: str,
    measured: dict[str, Path],
    notes: dict[str, str] | None = None,
) -> dict[str, str]:
    """Gather measures into ``report.html``, ``report.json`` and TensorBoard, and test the claims of the paper on them.

    Args:
        out: Output folder of a copy of both files and of TensorBoard ``logs/``.
        run: Folder of the run, which also contains ``report.html`` and ``report.json``.
        corpus: Folder written by a corpus stage, which records whether its speech is synthetic.
        title: Title of the page.
        measured: Folders of the stages whose measures are gathered, by subject.
        notes: Notes for the reader, by subject; none if None.
    """
    stages = {name: read_json(folder / MEASURES) for name, folder in measured.items()}
    synthetic = read_json(corpus / "corpus.json")["synthetic"]
    seconds = {record["stage"]: record["seconds"] for record in finished_stages(measured.values())}
    report = gather_report(ReportInfo(title, synthetic, notes or {}, seconds), stages)
    page = _page(report, measured)
    for folder in (out, run):
        write_text(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        write_text(folder / "report.html", page)
    with SummaryWriter(str(out / "logs")) as logs:
        for name, value in scalars(report["measures"]).items():
            logs.add_scalar(name, value)
    return {
        **claim_lines(report["claims"]),
        "report": str(run / "report.html"),
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


def _page(report: dict, measured: dict[str, Path]) -> str:
    """Render the page with the examples of the first stage that wrote any."""
    for folder in measured.values():
        if (folder / EXAMPLES).is_file():
            return render(report, read_json(folder / EXAMPLES), folder)
    return render(report)
