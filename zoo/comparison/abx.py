"""ABX error: how often triphones with different middle phones are closer than triphones with the same one.

As in the ZeroSpeech challenges (Schatz 2016): A and X are of one category, B of another, in the same phone context; the
error is the share of triples in which X is nearer to B, ties counted as one half. Distances are averages along the best
path of a dynamic time warping.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.comparison.dtw import dtw
from zoo.comparison.phone_purity import without_stress
from zoo.corpora.utterance import Interval
from zoo.evaluation.statistics import Estimate, WeightedStatistic, mean, weighted_ratio

WITHIN, ACROSS = "within", "across"

Context = tuple[str, str]  # the phones before and after


@dataclass(frozen=True)
class Triphone:
    """One occurrence of a phone between two others.

    Args:
        phone: Phone in the middle.
        context: Phones before and after.
        speaker: Name of the speaker.
        frames: Units (T,), or features (T, D), of all three phones.
    """

    phone: str
    context: Context
    speaker: str
    frames: np.ndarray


@dataclass(frozen=True)
class ABX:
    """ABX error rates, chance being one half; intervals are a bootstrap over pairs of phones in a context.

    Args:
        within: Error with all three triphones by one speaker; None if the corpus has no such triples.
        across: Error with X by another speaker; None if the corpus has no such triples.
        statistics: Both errors over pairs of phones in a context, to be resampled jointly with another tokenizer's.
    """

    within: Estimate | None
    across: Estimate | None
    statistics: dict[str, WeightedStatistic] = field(repr=False, default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the errors as JSON."""
        errors = {WITHIN: self.within, ACROSS: self.across}
        return {name: error.named("error") for name, error in errors.items() if error is not None}


def triphones(frames: np.ndarray, phones: Sequence[Interval], rate: float, speaker: str) -> Iterator[Triphone]:
    """Yield the triphones of one utterance.

    Args:
        frames: Units (T,), or features (T, D).
        phones: Phones with their start and end in seconds.
        rate: Frames per second.
        speaker: Name of the speaker.
    """
    for before, middle, after in zip(phones, phones[1:], phones[2:], strict=False):
        start = round(before[1] * rate)
        end = max(round(after[2] * rate), start + 1)
        names = [without_stress(phone[0]) for phone in (before, middle, after)]
        if all(names) and end <= len(frames):
            yield Triphone(names[1], (names[0], names[2]), speaker, frames[start:end])


def measure_abx(occurrences: Sequence[Triphone], max_triphones: int = 5, max_cells: int = 2000, seed: int = 0) -> ABX:
    """Measure the error within and across speakers.

    Args:
        occurrences: Triphones of a corpus.
        max_triphones: Largest number of triphones of one kind by one speaker that are compared, drawn at random.
        max_cells: Largest number of pairs of kinds (within: by one speaker; across: by two) that are compared, drawn
            at random.
        seed: Seed of the draws.

    Raises:
        ValueError: If no two triphones differ in the middle phone only.
    """
    corpus = _Corpus(occurrences, max_triphones, seed)
    draw = random.Random(seed)
    errors: dict[str, Estimate] = {}
    statistics: dict[str, WeightedStatistic] = {}
    for name, cells in ((WITHIN, corpus.cells_within()), (ACROSS, corpus.cells_across())):
        chosen = draw.sample(cells, min(max_cells, len(cells)))
        if chosen:
            cell_errors = _errors(chosen)
            errors[name] = mean(cell_errors, seed)
            statistics[name] = weighted_ratio([cell.name for cell in chosen], cell_errors)
    if not errors:
        raise ValueError("no two triphones differ in the middle phone alone: ABX needs more phone-aligned speech")
    return ABX(errors.get(WITHIN), errors.get(ACROSS), statistics)


@dataclass(frozen=True)
class Cell:
    """Triphones of one pair of phones in one context, compared as A, B and X.

    Args:
        name: Context, phones and speakers.
        a: Triphones A, by one speaker.
        b: Triphones B, by the same speaker.
        x: Triphones X, by another speaker. None within a speaker: each triphone of ``a`` is then X for the others.
    """

    name: tuple
    a: list[np.ndarray]
    b: list[np.ndarray]
    x: list[np.ndarray] | None


class _Corpus:
    """Triphones by context, phone and speaker."""

    def __init__(self, occurrences: Sequence[Triphone], max_triphones: int, seed: int) -> None:
        self.max_triphones = max_triphones
        self.seed = seed
        kinds: dict[tuple[Context, str], dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
        for triphone in occurrences:
            kinds[triphone.context, triphone.phone][triphone.speaker].append(triphone.frames)
        self.kinds: Mapping[tuple[Context, str], Mapping[str, list[np.ndarray]]] = kinds

    def pairs(self) -> Iterator[tuple[Context, str, str]]:
        """Yield each context with two different phones that occur in it, in both orders."""
        by_context: dict[Context, list[str]] = defaultdict(list)
        for context, phone in sorted(self.kinds):
            by_context[context].append(phone)
        for context, phones in sorted(by_context.items()):
            for a in phones:
                for b in phones:
                    if a != b:
                        yield context, a, b

    def cells_within(self) -> list[Cell]:
        cells = []
        for context, a, b in self.pairs():
            for speaker, frames in self.kinds[context, a].items():
                if speaker in self.kinds[context, b] and len(frames) > 1:
                    name = (context, a, b, speaker, speaker)
                    cells.append(Cell(name, self.few(context, a, speaker), self.few(context, b, speaker), None))
        return cells

    def cells_across(self) -> list[Cell]:
        cells = []
        for context, a, b in self.pairs():
            for speaker in self.kinds[context, a]:
                for other in self.kinds[context, a]:
                    if speaker in self.kinds[context, b] and other != speaker:
                        name = (context, a, b, speaker, other)
                        first = self.few(context, a, speaker)
                        second = self.few(context, b, speaker)
                        cells.append(Cell(name, first, second, self.few(context, a, other)))
        return cells

    def few(self, context: Context, phone: str, speaker: str) -> list[np.ndarray]:
        """Return the triphones of one kind by one speaker, or as many of them, always the same ones."""
        frames = self.kinds[context, phone].get(speaker, [])
        if len(frames) <= self.max_triphones:
            return frames
        return random.Random(f"{self.seed} {context} {phone} {speaker}").sample(frames, self.max_triphones)


def _errors(cells: Sequence[Cell]) -> np.ndarray:
    """Return the error over all triples of each cell, (cells,)."""
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for cell in cells:
        for x in _probes(cell):
            pairs += [(reference, x) for reference in (*cell.a, *cell.b)]
    distances = dtw(pairs)
    start = 0
    errors = []
    for cell in cells:
        num_probes = len(_probes(cell))
        stop = start + num_probes * (len(cell.a) + len(cell.b))
        table = distances[start:stop].reshape(num_probes, -1)  # (X, A and B)
        start = stop
        to_a = table[:, : len(cell.a)]
        to_b = table[:, len(cell.a) :]
        wrong = (to_a[:, :, None] > to_b[:, None]) + 0.5 * (to_a[:, :, None] == to_b[:, None])  # (X, A, B)
        if cell.x is None:  # a triphone is not compared with itself
            wrong = wrong[~np.eye(len(cell.a), dtype=bool)]
        errors.append(wrong.mean())
    return np.array(errors)


def _probes(cell: Cell) -> list[np.ndarray]:
    return cell.a if cell.x is None else cell.x
