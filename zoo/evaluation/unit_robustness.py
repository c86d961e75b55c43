"""Unit edit distance between clean and augmented speech (Gat et al. 2023)."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from zoo.corpora.utterance import Utterance
from zoo.evaluation.statistics import Estimate, ItemScores, WeightedStatistic, relative_reduction, weighted_ratio
from zoo.metrics.phone_information import PhoneInformation
from zoo.metrics.unit_edit_distance import edit_distance
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.processes import map_in_processes
from zoo.reports import markdown_table, speech_kind
from zoo.speech.augmentation import Augmentation
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import deduplicate

Units = dict[str, np.ndarray]  # raw units (T,) by prefix
BLOCK = 16  # utterances that are encoded together
MEAN = "mean"  # over the augmentations, utterance by utterance


def augmented_copies(
    waveform: Tensor, augmentations: Mapping[str, Augmentation], seed: int, number: int
) -> dict[str, Tensor]:
    """Return the copies of a waveform (N,) under each augmentation; what is drawn depends on the seed and the number.

    Args:
        waveform: Samples (N,).
        augmentations: Augmentations by name.
        seed: Seed of the corpus.
        number: Number of the utterance in the corpus, so that every tokenizer gets the same copies.
    """
    utterance_seed = np.random.SeedSequence([seed, number]).generate_state(1)[0]
    draw = torch.Generator().manual_seed(int(utterance_seed))
    return {name: augmentation(waveform, draw) for name, augmentation in augmentations.items()}


@dataclass(frozen=True)
class UnitEdits:
    """Edits from the units of clean speech to those of its augmented copy, both deduplicated, utterance by utterance.

    Args:
        edits: Insertions, deletions and substitutions of each utterance, (n,).
        units: Number of units of the clean speech of each utterance, (n,).
    """

    edits: np.ndarray
    units: np.ndarray

    @classmethod
    def between(cls, clean: Sequence[np.ndarray], augmented: Sequence[np.ndarray]) -> "UnitEdits":
        """Count the edits between raw units (T,) of the same utterances in the same order."""
        edits = []
        units = []
        for reference, changed in zip(clean, augmented, strict=True):
            reference = deduplicated(reference)
            edits.append(edit_distance(deduplicated(changed), reference))
            units.append(len(reference))
        return cls(np.array(edits, dtype=float), np.array(units))

    @property
    def scores(self) -> ItemScores:
        return ItemScores(self.edits, self.units)

    def distance(self, seed: int = 0) -> Estimate:
        """Return the unit edit distance: edits per unit of the clean speech."""
        return self.scores.estimate(seed)

    def reduction(self, baseline: "UnitEdits", seed: int = 0) -> Estimate:
        """Return the share by which the distance is below that of a baseline on the same utterances."""
        return relative_reduction(self.scores, baseline.scores, seed)

    def statistic(self, items: Sequence[Hashable]) -> WeightedStatistic:
        """Return the distance over the named utterances, to be resampled jointly with another tokenizer's."""
        return weighted_ratio(items, self.edits, self.units)


def deduplicated(units: np.ndarray) -> np.ndarray:
    """Return units (T,) with each run of equal units as one, (N,)."""
    return deduplicate(units)


def encode_augmented(
    tokenizer: SpeechTokenizer,
    waveforms: Sequence[Tensor],
    augmentations: Mapping[str, Augmentation],
    seed: int = 0,
    num_processes: int = 1,
) -> tuple[list[Units], dict[str, list[Units]]]:
    """Encode each waveform as it is, and under each augmentation.

    Args:
        tokenizer: Tokenizer of the clean and the augmented speech.
        waveforms: Samples (N,) each, at the tokenizer's rate, none of them empty.
        augmentations: Augmentations by name.
        seed: Seed of the augmentations.
        num_processes: Number of processes that encode at once.

    Returns:
        The raw units of each waveform, and by augmentation those of its copies.
    """
    starts = range(0, len(waveforms), BLOCK)
    blocks = [range(start, min(start + BLOCK, len(waveforms))) for start in starts]
    results = map_in_processes(partial(_encode_block, tokenizer, waveforms, augmentations, seed), blocks, num_processes)
    clean: list[Units] = []
    augmented: dict[str, list[Units]] = {name: [] for name in augmentations}
    for encoded in tqdm(results, "encode", len(blocks), unit="block", mininterval=1.0, delay=2.0):
        clean += encoded.clean
        for name, units in encoded.augmented.items():
            augmented[name] += units
    return clean, augmented


@dataclass(frozen=True)
class _EncodedBlock:
    """Units of the utterances of one block, and by augmentation those of their copies."""

    clean: list[Units]
    augmented: dict[str, list[Units]]


def _encode_block(
    tokenizer: SpeechTokenizer,
    waveforms: Sequence[Tensor],
    augmentations: Mapping[str, Augmentation],
    seed: int,
    numbers: Sequence[int],
) -> _EncodedBlock:
    copies = [augmented_copies(waveforms[number], augmentations, seed, number) for number in numbers]
    augmented = {}
    for name in augmentations:
        augmented[name] = tokenizer.encode_batch([copy[name] for copy in copies])
    return _EncodedBlock(tokenizer.encode_batch([waveforms[number] for number in numbers]), augmented)


@dataclass
class UnitRobustness:
    """Units of one extractor under augmentation, utterance by utterance, beside what else a codebook is judged by.

    Args:
        size: Number of different units of the stream.
        frame_rate: Units per second of the stream.
        edits: Edits of each utterance by augmentation.
        units: Number of deduplicated units of each utterance.
        frames: Number of raw units of each utterance.
    """

    size: int
    frame_rate: float
    edits: dict[str, list[int]] = field(default_factory=dict)
    units: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.perplexity = UnitPerplexity(self.size)
        self.phones = PhoneInformation(self.size)

    def add(self, clean: np.ndarray, augmented: Mapping[str, np.ndarray], utterance: Utterance) -> None:
        """Add the raw units (T,) of one utterance, and by augmentation those of its copies."""
        self.units.append(len(deduplicated(clean)))
        self.frames.append(len(clean))
        for name, units in augmented.items():
            edits = UnitEdits.between([clean], [units]).edits
            self.edits.setdefault(name, []).append(int(edits[0]))
        self.perplexity.update(torch.from_numpy(clean))
        self.phones.update(clean, self.frame_rate, utterance.phonemes or ())

    def edits_under(self, augmentation: str) -> UnitEdits:
        """Return the edits under an augmentation, or their mean over all of them."""
        if augmentation == MEAN:
            edits = np.mean(list(self.edits.values()), axis=0)
        else:
            edits = np.array(self.edits[augmentation], dtype=float)
        return UnitEdits(edits, np.array(self.units))

    def distance(self, augmentation: str) -> Estimate:
        """Return the unit edit distance under an augmentation, or in the mean of all."""
        return self.edits_under(augmentation).distance()

    def reduction(self, baseline: "UnitRobustness", augmentation: str) -> Estimate:
        """Return the share by which the distance is below that of another extractor on the same utterances."""
        return self.edits_under(augmentation).reduction(baseline.edits_under(augmentation))

    def report(self) -> dict[str, Any]:
        """Return all figures by name, as JSON."""
        distances = {name: self.distance(name).named("value") for name in (*self.edits, MEAN)}
        figures: dict[str, Any] = {
            "unit_edit_distance": distances,
            "perplexity": round(self.perplexity.compute().item(), 1),
            "used": self.perplexity.used,
            "size": self.size,
            "units_per_second": round(sum(self.units) / sum(self.frames) * self.frame_rate, 2),
        }
        if self.phones.counts.sum():
            for name, value in self.phones.compute().items():
                figures[name] = round(value.item(), 4)
        return figures


@torch.inference_mode()
def measure_unit_robustness(
    extractors: Mapping[str, UnitExtractor],
    speech: Iterable[tuple[Utterance, Tensor]],
    augmentations: Mapping[str, Augmentation],
    seed: int = 0,
) -> dict[str, UnitRobustness]:
    """Encode the same speech, clean and augmented, with several extractors; it is read once and not held in memory.

    Args:
        extractors: Unit extractors by name, of one sample rate.
        speech: Utterances and their waveforms (N,); those that are, or become, too short for an extractor are left out.
        augmentations: Augmentations by name.
        seed: Seed of the augmentations.
    """
    results = {name: UnitRobustness(part.stream.size, part.stream.rate) for name, part in extractors.items()}
    min_samples = max(extractor.min_samples for extractor in extractors.values())
    for number, (utterance, waveform) in enumerate(speech):
        copies = augmented_copies(waveform, augmentations, seed, number)
        if min(map(len, [waveform, *copies.values()])) < min_samples:
            continue
        for name, extractor in extractors.items():
            clean, *augmented = extractor.encode_batch([waveform, *copies.values()])
            results[name].add(clean, dict(zip(copies, augmented, strict=True)), utterance)
    return results


def robustness_report(robustness: Mapping[str, UnitRobustness]) -> dict[str, Any]:
    """Return the figures of several extractors by name, the baseline first, and the reductions of its distances."""
    baseline = next(iter(robustness.values()))
    report = {}
    for name, of_extractor in robustness.items():
        report[name] = of_extractor.report()
        if of_extractor is not baseline:
            reductions = {}
            for kind in (*of_extractor.edits, MEAN):
                reductions[kind] = of_extractor.reduction(baseline, kind).named("value")
            report[name]["reduction"] = reductions
    return report


def robustness_markdown(robustness: Mapping[str, UnitRobustness], synthetic: bool) -> str:
    """Return the figures of several extractors by name, the baseline first, as Markdown."""
    baseline = next(iter(robustness.values()))
    kinds = [*baseline.edits, MEAN]
    rows = [["units", *kinds, "perplexity", "units per second", "PNMI", "phone purity"]]
    for name, of_extractor in robustness.items():
        cells = []
        for kind in kinds:
            cell = str(of_extractor.distance(kind))
            if of_extractor is not baseline:
                cell += f"; {_change(of_extractor.reduction(baseline, kind).value)}"
            cells.append(cell)
        figures = of_extractor.report()
        phones = [f"{figures[key]:.3f}" if key in figures else "" for key in ("pnmi", "purity")]
        perplexity = f"{figures['perplexity']:.0f} of {of_extractor.size}"
        rows.append([name, *cells, perplexity, f"{figures['units_per_second']:.1f}", *phones])
    return (
        "Unit edit distance under augmentation (edits per unit of the clean speech, with 95% intervals), "
        f"{len(baseline.units)} utterances of held-out {speech_kind(synthetic)}.\n\n{markdown_table(rows)}\n"
    )


def _change(reduction: float) -> str:
    return f"{-reduction:.0%} higher" if reduction < 0 else f"{reduction:.0%} lower"
