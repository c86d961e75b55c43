"""Vocoders on speech that they have not heard: each utterance spoken again from its units, and compared with itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.evaluation.statistics import Estimate
from zoo.metrics.mel_distance import MelDistance
from zoo.metrics.speech_quality import named
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer


@dataclass(frozen=True)
class HeldOutUtterance:
    """One held-out utterance.

    Args:
        id: Its name.
        waveform: As it was recorded, (N,).
        units: Raw units by prefix, all at the rate of the first, (T,).
        speaker: Index.
        style: Index, of the whole utterance.
    """

    id: str
    waveform: Tensor
    units: dict[str, Tensor]
    speaker: int
    style: int = 0


Speak = Callable[[HeldOutUtterance], Tensor]


class ResynthesisJudges:
    """Compares waveforms by every measure at hand, one utterance at a time, so that utterances can be drawn again.

    Args:
        tokenizer: Hears the units of what was spoken.
        measures: Metrics whose ``update`` takes made and real waveforms (B, N), by name; mel distance and unit edit distance come by themselves.
    """

    def __init__(self, tokenizer: SpeechTokenizer, measures: Mapping[str, Metric]) -> None:
        self.tokenizer = tokenizer
        self.measures: dict[str, Metric] = {"mel_distance": MelDistance(tokenizer.sample_rate), **measures}

    @torch.inference_mode()
    def __call__(self, made: Tensor, spoken: HeldOutUtterance) -> dict[str, float]:
        """Value of each measure for one utterance; NaN where it has none, as F0 without a voice."""
        values = {}
        for name, metric in self.measures.items():
            metric.reset()
            metric.update(made.unsqueeze(0), spoken.waveform.unsqueeze(0))
            values |= {each: value.item() for each, value in named(name, metric).items()}
        phonetic = next(iter(spoken.units))
        edits = UnitEditDistance()
        edits.update(self.tokenizer.encode(made)[phonetic], spoken.units[phonetic])
        return {**values, "unit_edit_distance": edits.compute().item()}


def judge(speak: Speak, utterances: Sequence[HeldOutUtterance], judges: ResynthesisJudges) -> dict[str, np.ndarray]:
    """Measures of every utterance, (utterances,) by name.

    Args:
        speak: An utterance, of which it may look at all but the waveform, to a waveform (N,).
        utterances: Held out.
        judges: What is measured.
    """
    rows = [judges(_fitted(speak(spoken), len(spoken.waveform)), spoken) for spoken in utterances]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def mean(values: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Mean over utterances, those without a value apart, with a percentile bootstrap over utterances.

    Args:
        values: (utterances,), NaN where there is none.
        seed: Of the draws.
        resamples: How many.

    Raises:
        ValueError: Where no utterance has a value.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError("no utterance has a value")
    drawn = values[np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def _fitted(waveform: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(waveform[:length], (0, max(0, length - len(waveform))))
