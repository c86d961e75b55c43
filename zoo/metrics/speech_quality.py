"""PESQ and STOI, where their packages are installed."""

from abc import abstractmethod
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.functional import audio  # holds the two functions only where their packages are installed

SAMPLE_RATES = (8000, 16000)
UNHEARD = ("NoUtterancesError", "BufferTooShortError")  # of the package pesq, which need not be installed


class SpeechQuality(Metric):
    """Mean over utterances of a measure that hears a waveform beside the one it should be.

    Utterances that it cannot hear, as one without speech, are left out and counted in ``left_out``.

    Args:
        sample_rate: Of the waveforms, in Hz.
    """

    package: str
    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(self, sample_rate: int = 16000) -> None:
        super().__init__()
        if find_spec(self.package) is None:
            raise ValueError(
                f"{type(self).__name__} needs the package {self.package}: pip install 'spiritlm-zoo[quality]', or take it out of the recipe"
            )
        self.sample_rate = sample_rate
        for name in ("total", "count", "left_out"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def judge(self, made: Tensor, real: Tensor) -> float | None:
        """Score of one utterance, (N,) beside (N,); None where it cannot be heard."""

    def update(self, made: Tensor, real: Tensor) -> None:
        """Add waveforms (B, N) of one length."""
        for one, other in zip(made.detach().float().cpu(), real.detach().float().cpu(), strict=True):
            score = self.judge(one, other) if one.any() and other.any() else None
            self.left_out += score is None
            self.count += score is not None
            self.total += score or 0.0

    def compute(self) -> Tensor:
        return (self.total / self.count).float()


class PESQ(SpeechQuality):
    """Perceptual evaluation of speech quality (ITU-T P.862), wide band at 16 kHz, narrow at 8 kHz: about 1 (bad) to 4.6.

    Args:
        sample_rate: 16000 or 8000.

    Raises:
        ValueError: Another rate, or the package ``pesq`` is not installed.
    """

    package = "pesq"

    def __init__(self, sample_rate: int = 16000) -> None:
        super().__init__(sample_rate)
        if sample_rate not in SAMPLE_RATES:
            raise ValueError(f"PESQ is defined at 8000 and 16000 Hz, not at {sample_rate}")

    def judge(self, made: Tensor, real: Tensor) -> float | None:
        try:
            return audio.perceptual_evaluation_speech_quality(
                made, real, self.sample_rate, "wb" if self.sample_rate == 16000 else "nb"
            ).item()
        except Exception as error:
            if type(error).__name__ in UNHEARD:
                return None
            raise


class STOI(SpeechQuality):
    """Short-time objective intelligibility (Taal et al. 2011): 0 to 1.

    Args:
        sample_rate: Of the waveforms, in Hz.

    Raises:
        ValueError: The package ``pystoi`` is not installed.
    """

    package = "pystoi"

    def judge(self, made: Tensor, real: Tensor) -> float:
        return audio.short_time_objective_intelligibility(made, real, self.sample_rate).item()


def installed() -> dict[str, type[SpeechQuality]]:
    """Those measures whose package is installed, by name."""
    return {name: kind for name, kind in (("pesq", PESQ), ("stoi", STOI)) if find_spec(kind.package)}


class InstalledQuality(Metric):
    """PESQ and STOI together, those whose package is installed.

    Args:
        sample_rate: Of the waveforms, in Hz.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, sample_rate: int = 16000) -> None:
        super().__init__()
        self.measures = nn.ModuleDict({name: kind(sample_rate) for name, kind in installed().items()})

    def update(self, made: Tensor, real: Tensor) -> None:
        """Add waveforms (B, N) of one length."""
        for metric in self.measures.values():
            metric.update(made, real)

    def compute(self) -> dict[str, Tensor]:
        """``pesq`` and ``stoi``, where installed."""
        return {name: metric.compute() for name, metric in self.measures.items()}

    def reset(self) -> None:
        super().reset()
        for metric in self.measures.values():
            metric.reset()


def named(name: str, metric: Metric) -> dict[str, Tensor]:
    """What a metric tells, by name: its own names where it tells several."""
    value = metric.compute()
    return value if isinstance(value, dict) else {name: value}
