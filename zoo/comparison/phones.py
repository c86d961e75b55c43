"""Which phone is spoken at each frame, and how well the units tell it: purity and mutual information, as HuBERT."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.comparison.joint_bootstrap import Sample
from zoo.corpora.utterance import Interval
from zoo.evaluation.statistics import Estimate, statistic

STRESS = "ˈˌ"


@dataclass(frozen=True)
class Purity:
    """How phones and units of the same frames go together (Hsu et al. 2021, section 4).

    Args:
        phone_purity: Accuracy of naming the likeliest phone of each unit.
        unit_purity: Accuracy of naming the likeliest unit of each phone.
        pnmi: Share of the phones' entropy that the units explain.
        samples: The same figures, of utterances by number: to be drawn again together with another tokenizer's.
    """

    phone_purity: Estimate
    unit_purity: Estimate
    pnmi: Estimate
    samples: dict[str, Sample] = field(repr=False, default_factory=dict)

    def report(self) -> dict[str, Any]:
        return {**{name: getattr(self, name).named(name) for name in ("phone_purity", "unit_purity", "pnmi")}}


def plain(phone: str) -> str:
    """A phone without its stress marks."""
    return phone.strip(STRESS)


def phones_at(intervals: Sequence[Interval], num_frames: int, rate: float) -> list[str]:
    """The phone at the middle of each frame; empty where none is spoken."""
    found, times = [""] * num_frames, (np.arange(num_frames) + 0.5) / rate
    for phone, start, end in intervals:
        for frame in np.flatnonzero((times >= start) & (times < end)):
            found[frame] = plain(phone)
    return found


def measure_purity(
    units: Sequence[np.ndarray], phones: Sequence[Sequence[Interval]], rate: float, seed: int = 0
) -> Purity:
    """Compare units with phones frame by frame, frames without a phone left out.

    Args:
        units: Raw units (T,) of each utterance.
        phones: Phone, start and end in seconds, of each.
        rate: Units per second.
        seed: Of the bootstrap over utterances.

    Raises:
        ValueError: Where no frame has a phone.
    """
    named = [phones_at(intervals, len(row), rate) for row, intervals in zip(units, phones)]
    kinds = {phone: number for number, phone in enumerate(sorted({phone for row in named for phone in row if phone}))}
    if not kinds:
        raise ValueError("no frame has a phone: purity needs a corpus with phone times")
    size = max(int(row.max(initial=0)) for row in units) + 1
    joint = np.zeros((len(units), len(kinds), size))
    for number, (row, names) in enumerate(zip(units, named)):
        frames = [frame for frame, phone in enumerate(names) if phone]
        np.add.at(joint[number], ([kinds[names[frame]] for frame in frames], row[frames]), 1)
    figures = {
        "phone_purity": lambda table: table.max(0).sum() / table.sum(),
        "unit_purity": lambda table: table.max(1).sum() / table.sum(),
        "pnmi": pnmi,
    }
    over = {
        name: statistic(lambda drawn, figure=figure: figure(joint[drawn].sum(0)), len(units), seed)
        for name, figure in figures.items()
    }
    items, flat = range(len(units)), joint.reshape(len(units), -1)
    return Purity(
        **over,
        samples={
            name: Sample(items, lambda times, figure=figure: float(figure((times @ flat).reshape(joint.shape[1:]))))
            for name, figure in figures.items()
        },
    )


def pnmi(joint: np.ndarray) -> float:
    """Mutual information over the entropy of the phones: joint counts (phones, units)."""
    shares = joint / joint.sum()
    by_phone, by_unit = shares.sum(1), shares.sum(0)
    there = shares > 0
    information = (shares[there] * np.log(shares[there] / np.outer(by_phone, by_unit)[there])).sum()
    entropy = -(by_phone[by_phone > 0] * np.log(by_phone[by_phone > 0])).sum()
    return float(information / entropy) if entropy else 0.0
