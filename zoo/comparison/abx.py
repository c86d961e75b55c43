"""ABX: whether two spoken triphones that differ in the middle phone are further apart than two that do not.

As the ZeroSpeech challenges (Schatz 2016): A and X are of one category, B of another, in the same phone context; the error
is the share of triples where X is nearer to B, ties counting one half. Distances are along the best path of a dynamic
time warping, averaged over its steps.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.comparison.joint_bootstrap import Sample, sum_over_sum
from zoo.comparison.phones import plain
from zoo.corpora.utterance import Interval
from zoo.evaluation.statistics import Estimate, mean


@dataclass(frozen=True)
class Triphone:
    """A phone between two others, as it was spoken once.

    Args:
        phone: The one in the middle.
        context: Those before and after.
        speaker: Who spoke.
        frames: Units (T,), or features (T, D), of all three.
    """

    phone: str
    context: tuple[str, str]
    speaker: str
    frames: np.ndarray


@dataclass(frozen=True)
class ABX:
    """Error rates, chance being one half; intervals are a bootstrap over pairs of phones in a context.

    Args:
        within: All three by one speaker; None where the corpus has no such triples.
        across: X by another speaker; None likewise.
        samples: The errors of both, of pairs of phones in a context: to be drawn again together with another tokenizer's.
    """

    within: Estimate | None
    across: Estimate | None
    samples: dict[str, Sample] = field(repr=False, default_factory=dict)

    def report(self) -> dict[str, Any]:
        return {
            name: one.named("error")
            for name, one in (("within", self.within), ("across", self.across))
            if one is not None
        }


def triphones(frames: np.ndarray, phones: Sequence[Interval], rate: float, speaker: str) -> Iterator[Triphone]:
    """The triphones of one utterance: frames (T,) or (T, D) at a rate, and its phones with their times."""
    for before, middle, after in zip(phones, phones[1:], phones[2:]):
        start, end = round(before[1] * rate), max(round(after[2] * rate), round(before[1] * rate) + 1)
        if all(plain(one[0]) for one in (before, middle, after)) and end <= len(frames):
            yield Triphone(plain(middle[0]), (plain(before[0]), plain(after[0])), speaker, frames[start:end])


def measure_abx(spoken: Sequence[Triphone], most_of_a_kind: int = 5, most_pairs: int = 2000, seed: int = 0) -> ABX:
    """Error within and across speakers.

    Args:
        spoken: Of a corpus.
        most_of_a_kind: Triphones of one kind by one speaker that are compared, drawn at random.
        most_pairs: Pairs of kinds (within: by one speaker; across: by two) that are compared, drawn at random.
        seed: Of the draws.

    Raises:
        ValueError: Where there is nothing to compare.
    """
    draw, kinds = random.Random(seed), defaultdict(lambda: defaultdict(list))
    for one in spoken:
        kinds[one.context, one.phone][one.speaker].append(one.frames)
    by_context = defaultdict(list)
    for context, phone in sorted(kinds):
        by_context[context].append(phone)
    few = lambda context, phone, speaker: _few(
        kinds[context, phone].get(speaker, []), most_of_a_kind, f"{seed} {context} {phone} {speaker}"
    )
    pairs = [
        (context, a, b) for context, phones in sorted(by_context.items()) for a in phones for b in phones if a != b
    ]
    within = [
        Cell((context, a, b, s, s), few(context, a, s), few(context, b, s), None)
        for context, a, b in pairs
        for s in kinds[context, a]
        if s in kinds[context, b] and len(kinds[context, a][s]) > 1
    ]
    across = [
        Cell((context, a, b, s, other), few(context, a, s), few(context, b, s), few(context, a, other))
        for context, a, b in pairs
        for s in kinds[context, a]
        for other in kinds[context, a]
        if s in kinds[context, b] and other != s
    ]
    found = {}
    for name, cells in (("within", within), ("across", across)):
        chosen = draw.sample(cells, min(most_pairs, len(cells)))
        if chosen:
            found[name] = [cell.name for cell in chosen], _errors(chosen)
    if not found:
        raise ValueError("no two triphones differ in the middle phone alone: ABX needs more phone-aligned speech")
    return ABX(
        *(mean(found[name][1], seed) if name in found else None for name in ("within", "across")),
        {name: sum_over_sum(*one) for name, one in found.items()},
    )


@dataclass(frozen=True)
class Cell:
    """What is compared of one pair of phones: A's and B's by one speaker, X's by another; the A's themselves where they are None."""

    name: tuple
    first: list[np.ndarray]
    other: list[np.ndarray]
    probes: list[np.ndarray] | None


def _few(tokens: list[np.ndarray], most: int, seed: str) -> list[np.ndarray]:
    return tokens if len(tokens) <= most else random.Random(seed).sample(tokens, most)


def _errors(cells: Sequence[Cell]) -> np.ndarray:
    """The error of all triples of each cell, (cells,)."""
    wanted: list[tuple[np.ndarray, np.ndarray]] = []
    for cell in cells:
        for x in cell.first if cell.probes is None else cell.probes:
            wanted += [(one, x) for one in (*cell.first, *cell.other)]
    distances, at, errors = dtw(wanted), 0, []
    for cell in cells:
        first = cell.first
        probed = first if cell.probes is None else cell.probes
        table = distances[at : at + len(probed) * (len(first) + len(cell.other))].reshape(len(probed), -1)
        at += table.size
        to_a, to_b = table[:, : len(first)], table[:, len(first) :]
        wrong = (to_a[:, :, None] > to_b[:, None]) + 0.5 * (to_a[:, :, None] == to_b[:, None])
        errors.append(wrong[~np.eye(len(first), dtype=bool)].mean() if cell.probes is None else wrong.mean())
    return np.array(errors)


def dtw(pairs: Sequence[tuple[np.ndarray, np.ndarray]], batch: int = 4096) -> np.ndarray:
    """Mean distance along the best path of each pair, (pairs,); all pairs of a batch advance together.

    Units differ by 0 or 1; features by their angle over pi.

    Args:
        pairs: Sequences (N,) and (M,) of units, or (N, D) and (M, D) of features.
        batch: Pairs at a time.
    """
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][0]), len(pairs[i][1])))
    result = np.zeros(len(pairs))
    for start in range(0, len(order), batch):
        some = order[start : start + batch]
        result[some] = _dtw_batch([pairs[i] for i in some])
    return result


def _dtw_batch(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    n, m = (np.array([len(pair[side]) for pair in pairs]) for side in (0, 1))
    costs = np.full((len(pairs), n.max(), m.max()), 1e9)
    for row, (a, b) in enumerate(pairs):
        costs[row, : len(a), : len(b)] = _costs(a, b)
    # Along an anti-diagonal no cell waits for another: total cost, and steps of the cheapest path (the diagonal one of equals).
    total, steps = (
        np.full((len(pairs), n.max() + 1, m.max() + 1), np.inf),
        np.zeros((len(pairs), n.max() + 1, m.max() + 1)),
    )
    total[:, 0, 0] = 0.0
    for diagonal in range(2, n.max() + m.max() + 1):
        i = np.arange(max(1, diagonal - m.max()), min(n.max(), diagonal - 1) + 1)
        j = diagonal - i
        before = np.stack([total[:, i - 1, j - 1], total[:, i - 1, j], total[:, i, j - 1]])
        taken = np.stack([steps[:, i - 1, j - 1], steps[:, i - 1, j], steps[:, i, j - 1]])
        best = before.argmin(0)[None]
        total[:, i, j] = np.take_along_axis(before, best, 0)[0] + costs[:, i - 1, j - 1]
        steps[:, i, j] = np.take_along_axis(taken, best, 0)[0] + 1
    rows = np.arange(len(pairs))
    return total[rows, n, m] / steps[rows, n, m]


def _costs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.ndim == 1:
        return (a[:, None] != b[None]).astype(float)
    unit = lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.arccos(np.clip(unit(a) @ unit(b).T, -1, 1)) / np.pi
