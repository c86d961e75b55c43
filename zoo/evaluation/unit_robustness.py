"""How much of the units stays when the sound is changed, and what they tell at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.corpora.utterance import Utterance
from zoo.evaluation.statistics import Estimate, ratio
from zoo.metrics.codebook import CodebookPerplexity
from zoo.metrics.phone_information import PhoneInformation
from zoo.metrics.unit_edit_distance import edit_distance
from zoo.speech.augmentation import Augmentation
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.units import runs

MEAN = "mean"  # over the augmentations, utterance by utterance


@dataclass
class Robustness:
    """Counts of one extractor, utterance by utterance.

    Args:
        size: Of its stream.
        frame_rate: Of its stream.
        edits: By augmentation, from the units of the clean speech to those of the changed one, without repetition.
        units: Of the clean speech, without repetition.
        frames: Likewise, with repetition.
    """

    size: int
    frame_rate: float
    edits: dict[str, list[int]] = field(default_factory=dict)
    units: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.use, self.phones = CodebookPerplexity(self.size), PhoneInformation(self.size)

    def add(self, clean: np.ndarray, changed: Mapping[str, np.ndarray], spoken: Utterance) -> None:
        """Add the units (T,) of one utterance, and by augmentation those of its changed copies."""
        reference = clean[runs(clean)[0]]
        self.units.append(len(reference))
        self.frames.append(len(clean))
        for name, units in changed.items():
            self.edits.setdefault(name, []).append(edit_distance(units[runs(units)[0]], reference))
        self.use.update(torch.from_numpy(clean))
        self.phones.update(clean, self.frame_rate, spoken.phonemes or ())

    def counts(self, name: str) -> np.ndarray:
        """Edits of each utterance under an augmentation, or in the mean of all, (utterances,)."""
        return np.mean(list(self.edits.values()), axis=0) if name == MEAN else np.array(self.edits[name], dtype=float)

    def distance(self, name: str) -> Estimate:
        """Unit edit distance under an augmentation: edits per unit of the clean speech."""
        return ratio(self.counts(name), np.array(self.units))

    def reduction(self, other: "Robustness", name: str, seed: int = 0, resamples: int = 2000) -> Estimate:
        """By what share the distance is below that of another extractor on the same utterances, with a paired bootstrap."""
        n = len(self.units)
        drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
        arrays = [
            np.array(values, dtype=float) for values in (self.counts(name), self.units, other.counts(name), other.units)
        ]
        mine, my_units, theirs, their_units = (values[drawn].sum(1) for values in arrays)
        low, high = np.quantile(1 - (mine / my_units) / (theirs / their_units), [0.025, 0.975])
        sums = [values.sum() for values in arrays]
        return Estimate(1 - (sums[0] / sums[1]) / (sums[2] / sums[3]), float(low), float(high), n)

    def report(self) -> dict[str, Any]:
        """All figures by name."""
        tells = {
            "perplexity": round(self.use.compute().item(), 1),
            "used": self.use.used,
            "size": self.size,
            "units_per_second": round(sum(self.units) / sum(self.frames) * self.frame_rate, 2),
        }
        if self.phones.counts.sum():
            tells |= {name: round(value.item(), 4) for name, value in self.phones.compute().items()}
        return {
            "unit_edit_distance": {name: self.distance(name).named("value") for name in (*self.edits, MEAN)},
            **tells,
        }


@torch.inference_mode()
def measure(
    extractors: Mapping[str, UnitExtractor],
    speech: Iterable[tuple[Utterance, Tensor]],
    augmentations: Mapping[str, Augmentation],
    seed: int = 0,
) -> dict[str, Robustness]:
    """Let several extractors hear the same speech, clean and changed alike.

    Args:
        extractors: By name, of one sample rate.
        speech: Utterances and their waveforms (num_samples,).
        augmentations: By name.
        seed: Of the strengths; that of utterance n is drawn of (seed, n).
    """
    found = {name: Robustness(part.stream.size, part.stream.rate) for name, part in extractors.items()}
    for number, (spoken, waveform) in enumerate(speech):
        draw = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        changed = {name: augmentation(waveform, draw) for name, augmentation in augmentations.items()}
        if min(map(len, [waveform, *changed.values()])) < max(part.min_samples for part in extractors.values()):
            continue
        for name, part in extractors.items():
            clean, *others = part.encode_batch([waveform, *changed.values()])
            found[name].add(clean, dict(zip(changed, others)), spoken)
    return found
