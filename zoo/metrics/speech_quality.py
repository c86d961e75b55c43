"""Speech quality against a reference: PESQ and STOI, each available if its package is installed."""

from abc import abstractmethod
from importlib.util import find_spec
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.functional import audio  # defines the PESQ and STOI functions only if their packages are installed

from zoo.optional_packages import require_package
from zoo.ranges import SampleRate

SAMPLE_RATES = (8000, 16000)
# Exceptions of the package pesq, by name because the package is optional: no speech found, waveform too short.
NOT_SCORABLE = ("NoUtterancesError", "BufferTooShortError")


class SpeechQuality(Metric):
    """Mean score of generated waveforms against reference waveforms, over utterances.

    Utterances that cannot be scored are skipped: they do not enter the mean, and ``left_out`` counts them. These are
    utterances whose generated or reference waveform is silent (all zeros), and those for which ``score`` returns None.

    Args:
        sample_rate: Sample rate of the waveforms, in Hz.

    Raises:
        ValueError: If the package of the measure is not installed.
    """

    package: ClassVar[str]
    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor
    left_out: Tensor

    def __init__(self, sample_rate: SampleRate = 16000) -> None:
        super().__init__()
        require_package(self.package, type(self).__name__, "quality", "take it out of the recipe")
        self.sample_rate = sample_rate
        for name in ("total", "count", "left_out"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def score(self, generated: Tensor, reference: Tensor) -> float | None:
        """Return the score of a generated waveform (N,) against its reference (N,); None if it cannot be computed."""

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Score a batch of generated waveforms (B, N) against reference waveforms (B, N) of the same length."""
        for waveform, target in zip(generated.detach().float().cpu(), reference.detach().float().cpu(), strict=True):
            score = self.score(waveform, target) if waveform.any() and target.any() else None
            self.left_out += score is None
            self.count += score is not None
            self.total += score or 0.0

    def compute(self) -> Tensor:
        """Return the mean score; NaN if no utterance was scored."""
        return (self.total / self.count).float()


class PESQ(SpeechQuality):
    """Perceptual evaluation of speech quality (ITU-T P.862): from about 1 (bad) to about 4.6 (as the reference).

    The wideband mode is used at 16 kHz, the narrowband mode at 8 kHz. Besides silent utterances, those in which
    ``pesq`` finds no speech and those that are too short for it are skipped and counted in ``left_out``.

    Args:
        sample_rate: Sample rate of the waveforms in Hz, 16000 or 8000.

    Raises:
        ValueError: If the sample rate is neither 8000 nor 16000 Hz, or the package ``pesq`` is not installed.
    """

    package = "pesq"

    def __init__(self, sample_rate: SampleRate = 16000) -> None:
        super().__init__(sample_rate)
        if sample_rate not in SAMPLE_RATES:
            raise ValueError(f"PESQ is defined at 8000 and 16000 Hz, not at {sample_rate}")

    def score(self, generated: Tensor, reference: Tensor) -> float | None:
        """Return the PESQ of one utterance; None if ``pesq`` finds no speech in it or it is too short."""
        band = "wb" if self.sample_rate == 16000 else "nb"
        try:
            value = audio.perceptual_evaluation_speech_quality(generated, reference, self.sample_rate, band)
        except Exception as error:
            if type(error).__name__ in NOT_SCORABLE:
                return None
            raise
        return value.item()


class STOI(SpeechQuality):
    """Short-time objective intelligibility (Taal et al. 2011): from 0 to 1, higher is better.

    Args:
        sample_rate: Sample rate of the waveforms, in Hz.

    Raises:
        ValueError: If the package ``pystoi`` is not installed.
    """

    package = "pystoi"

    def score(self, generated: Tensor, reference: Tensor) -> float:
        """Return the STOI of one utterance."""
        return audio.short_time_objective_intelligibility(generated, reference, self.sample_rate).item()


def installed_measures() -> dict[str, type[SpeechQuality]]:
    """Return the measures whose package is installed, by name."""
    measures = {"pesq": PESQ, "stoi": STOI}
    return {name: measure for name, measure in measures.items() if find_spec(measure.package)}


class InstalledQuality(Metric):
    """PESQ and STOI together; a measure whose package is missing is left out.

    Args:
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, sample_rate: SampleRate = 16000) -> None:
        super().__init__()
        self.measures = nn.ModuleDict({name: measure(sample_rate) for name, measure in installed_measures().items()})

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Score a batch of generated waveforms (B, N) against reference waveforms (B, N) of the same length."""
        for metric in self._metrics().values():
            metric.update(generated, reference)

    def compute(self) -> dict[str, Tensor]:
        """Return the values of the installed measures, under ``pesq`` and ``stoi``."""
        return {name: metric.compute() for name, metric in self._metrics().items()}

    def reset(self) -> None:
        """Reset all measures."""
        super().reset()
        for metric in self._metrics().values():
            metric.reset()

    def _metrics(self) -> dict[str, Metric]:
        return {name: metric for name, metric in self.measures.items() if isinstance(metric, Metric)}


def named_values(name: str, metric: Metric) -> dict[str, Tensor]:
    """Return the values of a metric by name: a single value under ``name``, several under the metric's own names."""
    value = metric.compute()
    return value if isinstance(value, dict) else {name: value}
