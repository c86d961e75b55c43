"""A small report on a comparison, with one example to look at and to listen to."""

import json
from pathlib import Path

import numpy as np
import torch

from zoo.comparison.html_report import render
from zoo.comparison.measures import LANGUAGE, MODELS, RATES, Measure, MeasureInfo, crossed_measure
from zoo.comparison.report_content import ReportInfo, gather_report
from zoo.comparison.resynthesis_examples import EXAMPLES, ORIGINAL, Example, Sound, write_examples
from zoo.evaluation.statistics import Estimate

CLOZE = MeasureInfo("cloze_S->T", LANGUAGE, "cloze accuracy, S->T", "higher", 0.5, MODELS)


def make_measures() -> list[dict]:
    draw = np.random.default_rng(0)
    cloze = {name: draw.integers(2, size=(3, 40)).astype(float) for name in ("Base", "Expressive")}
    measures = [
        Measure(
            "tokens_per_second",
            RATES,
            "tokens per second",
            {"Base": Estimate(11.0, 10.5, 11.5, 40), "Expressive": Estimate(24.0, 23.0, 25.0, 40)},
            {"Expressive": Estimate(13.0, 12.0, 14.0, 40)},
            "lower",
        ),
        Measure(
            "bits_per_second",
            RATES,
            "bits per second",
            {"Base": Estimate(130.0, 120.0, 140.0, 40), "Expressive": Estimate(60.0, 55.0, 65.0, 40)},
        ),
        Measure("entropy_Pi", RATES, "entropy <of> Pi", {"Expressive": Estimate(5.0, 4.9, 5.1, 40)}),
        crossed_measure(CLOZE, cloze),
    ]
    return [measure.report() for measure in measures]


def make_example() -> Example:
    waveform = 0.3 * torch.sin(torch.arange(16000) * 0.08)
    f0 = [0.0] * 5 + [200.0, 210.0, 220.0] * 10
    tokens = [["Hu", 3, 0.0], ["Pi", 1, 0.0], ["Hu", 5, 0.4], ["Pi", 2, 0.5]]
    sounds = {
        ORIGINAL: Sound(waveform, 16000, f0),
        "Base": Sound(waveform, 16000, f0, tokens[::2]),
        "Expressive": Sound(waveform, 16000, f0, tokens),
    }
    return Example("one", "hello <b>there</b>", "ann", "happy", 1.0, sounds)


def write_page(folder: Path) -> Path:
    """Write ``report.html`` to a folder."""
    write_examples(folder, [make_example()])
    layers = []
    for depth in range(4):
        margin = 0.1 * depth
        layers.append({"margin": margin, "interval": [margin - 0.02, margin + 0.02], "n": 9})
    notes = {"layers": {"Base": layers, "Expressive": layers}}
    info = ReportInfo("A comparison", True, {"Seeds": "three"}, {"corpus": 3.0, "report": 1.0})
    report = gather_report(info, {"units": {"measures": make_measures(), "notes": notes}})
    page = folder / "report.html"
    page.write_text(render(report, json.loads((folder / EXAMPLES).read_text()), folder), encoding="utf-8")
    return page
