"""Purity and mutual information of units and phones, frame by frame, as in HuBERT (Hsu et al. 2021, section 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from zoo.corpora.utterance import Interval
from zoo.evaluation.statistics import Estimate, WeightedStatistic, statistic
from zoo.metrics.phone_information import STRESS


@dataclass(frozen=True)
class Purity:
    """Dependence between phones and units of the same frames.

    Args:
        phone_purity: Accuracy of predicting the most frequent phone of each unit.
        unit_purity: Accuracy of predicting the most frequent unit of each phone.
        pnmi: Phone-normalized mutual information: mutual information of phones and units, divided by the entropy of the
            phones.
        statistics: The same figures as functions of utterance counts, for a joint bootstrap with another tokenizer.
    """

    phone_purity: Estimate
    unit_purity: Estimate
    pnmi: Estimate
    statistics: dict[str, WeightedStatistic] = field(repr=False, default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {name: getattr(self, name).named(name) for name in FIGURES}


def without_stress(phone: str) -> str:
    """Return a phone without its stress marks."""
    return phone.strip(STRESS)


def phones_at(intervals: Sequence[Interval], num_frames: int, rate: float) -> list[str]:
    """Return the phone at the middle of each frame, an empty string if there is none.

    Args:
        intervals: Phones with their start and end in seconds.
        num_frames: Number of frames.
        rate: Frames per second.
    """
    names = [""] * num_frames
    middles = (np.arange(num_frames) + 0.5) / rate
    for phone, start, end in intervals:
        for frame in np.flatnonzero((middles >= start) & (middles < end)):
            names[frame] = without_stress(phone)
    return names


def measure_purity(
    units: Sequence[np.ndarray], phones: Sequence[Sequence[Interval]], rate: float, seed: int = 0
) -> Purity:
    """Compare units with phones frame by frame; frames without a phone are left out.

    Args:
        units: Raw units (T,) of each utterance.
        phones: Phones of each utterance with their start and end in seconds.
        rate: Units per second.
        seed: Seed of the bootstrap over utterances.

    Raises:
        ValueError: If no frame has a phone.
    """
    joint = joint_counts(units, phones, rate)  # (utterances, phones, units)
    estimates = {}
    statistics = {}
    for name, figure in FIGURES.items():
        estimates[name] = statistic(partial(_of_drawn, figure, joint), len(units), seed)
        statistics[name] = WeightedStatistic(range(len(units)), partial(_of_counts, figure, joint))
    return Purity(**estimates, statistics=statistics)


def joint_counts(units: Sequence[np.ndarray], phones: Sequence[Sequence[Interval]], rate: float) -> np.ndarray:
    """Count how often each phone and unit occur together in each utterance, (utterances, phones, units).

    Raises:
        ValueError: If no frame has a phone.
    """
    names_of = []
    for row, intervals in zip(units, phones, strict=True):
        names_of.append(phones_at(intervals, len(row), rate))
    inventory = sorted({name for names in names_of for name in names if name})
    if not inventory:
        raise ValueError("no frame has a phone: purity needs a corpus with phone times")
    numbers = {phone: number for number, phone in enumerate(inventory)}
    size = max(int(row.max(initial=0)) for row in units) + 1
    joint = np.zeros((len(units), len(numbers), size))
    for utterance, (row, names) in enumerate(zip(units, names_of, strict=True)):
        frames = [frame for frame, name in enumerate(names) if name]
        phone_numbers = np.array([numbers[names[frame]] for frame in frames], dtype=np.int64)
        np.add.at(joint[utterance], (phone_numbers, row[frames]), 1)
    return joint


def phone_purity(joint: np.ndarray) -> float:
    """Return the accuracy of predicting the most frequent phone of each unit from joint counts (phones, units)."""
    return joint.max(0).sum() / joint.sum()


def unit_purity(joint: np.ndarray) -> float:
    """Return the accuracy of predicting the most frequent unit of each phone from joint counts (phones, units)."""
    return joint.max(1).sum() / joint.sum()


def pnmi(joint: np.ndarray) -> float:
    """Return mutual information divided by the entropy of the phones, from joint counts (phones, units)."""
    shares = joint / joint.sum()
    by_phone = shares.sum(1)
    by_unit = shares.sum(0)
    occurs = shares > 0
    information = (shares[occurs] * np.log(shares[occurs] / np.outer(by_phone, by_unit)[occurs])).sum()
    entropy = -(by_phone[by_phone > 0] * np.log(by_phone[by_phone > 0])).sum()
    return float(information / entropy) if entropy else 0.0


Figure = Callable[[np.ndarray], float]
FIGURES: dict[str, Figure] = {"phone_purity": phone_purity, "unit_purity": unit_purity, "pnmi": pnmi}


def _of_drawn(figure: Figure, joint: np.ndarray, drawn: np.ndarray) -> float:
    """Compute a figure of resampled utterances, whose indices are ``drawn`` (utterances,), with repetitions."""
    return figure(joint[drawn].sum(0))


def _of_counts(figure: Figure, joint: np.ndarray, counts: np.ndarray) -> float:
    """Compute a figure of utterances, each weighted by its count in ``counts`` (utterances,)."""
    flat = joint.reshape(len(joint), -1)
    return float(figure((counts @ flat).reshape(joint.shape[1:])))
