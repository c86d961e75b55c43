"""A small report on a comparison, with one example to look at and to listen to."""

import json
from pathlib import Path

import numpy as np
import torch

from zoo.comparison.claims import verdicts
from zoo.comparison.page import render
from zoo.comparison.resynthesis import EXAMPLES, write_examples
from zoo.comparison.rows import LANGUAGE, RATES, Row, crossed_bootstrap_row
from zoo.evaluation.statistics import Estimate


def rows() -> list[dict]:
    draw = np.random.default_rng(0)
    cloze = {
        "Base": draw.integers(2, size=(3, 40)).astype(float),
        "Expressive": draw.integers(2, size=(3, 40)).astype(float),
    }
    rate = {"Base": Estimate(11.0, 10.5, 11.5, 40), "Expressive": Estimate(24.0, 23.0, 25.0, 40)}
    few = Row("entropy_Pi", RATES, "entropy <of> Pi", {"Expressive": Estimate(5.0, 4.9, 5.1, 40)})
    other = Row(
        "bits_per_second",
        RATES,
        "bits a second",
        {"Base": Estimate(130.0, 120.0, 140.0, 40), "Expressive": Estimate(60.0, 55.0, 65.0, 40)},
    )
    return [
        Row(
            "tokens_per_second", RATES, "tokens a second", rate, {"Expressive": Estimate(13.0, 12.0, 14.0, 40)}, "lower"
        ).report(),
        other.report(),
        few.report(),
        crossed_bootstrap_row("cloze_S->T", LANGUAGE, "cloze accuracy, S->T", cloze, chance=0.5).report(),
    ]


def write_page(folder: Path) -> Path:
    """``report.html`` in a folder."""
    tone = {
        "waveform": 0.3 * torch.sin(torch.arange(16000) * 0.08),
        "sample_rate": 16000,
        "f0": [0.0] * 5 + [200.0, 210.0, 220.0] * 10,
    }
    tokens = [["Hu", 3, 0.0], ["Pi", 1, 0.0], ["Hu", 5, 0.4], ["Pi", 2, 0.5]]
    write_examples(
        folder,
        [
            {
                "id": "one",
                "text": "hello <b>there</b>",
                "speaker": "ann",
                "style": "happy",
                "seconds": 1.0,
                "original": dict(tone),
                "Base": {**tone, "tokens": tokens[::2]},
                "Expressive": {**tone, "tokens": tokens},
            }
        ],
    )
    told = rows()
    layer = [
        {"margin": 0.1 * depth, "interval": [0.1 * depth - 0.02, 0.1 * depth + 0.02], "n": 9} for depth in range(4)
    ]
    report = {
        "title": "A comparison",
        "synthetic_speech": True,
        "claims": verdicts(told),
        "rows": told,
        "layers": {"Base": layer, "Expressive": layer},
        "notes": {"Seeds": "three"},
        "seconds": {"corpus": 3.0, "report": 1.0},
    }
    page = folder / "report.html"
    page.write_text(render(report, json.loads((folder / EXAMPLES).read_text()), folder), encoding="utf-8")
    return page
