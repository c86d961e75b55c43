"""Predicted mean opinion scores of speech, without a reference: DNSMOS and PLCMOS."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from zoo.audio import resample
from zoo.evaluation.judges.recognizers import is_audible
from zoo.optional_packages import require_package
from zoo.ranges import Seed

SAMPLE_RATE = 16000
LOWEST = 1.0  # of the scale of opinion scores, which silence and speech of less than 0.05 s get


class OpinionScores(Protocol):
    """Predicts mean opinion scores of waveforms."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the scores."""
        ...

    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> dict[str, list[float]]:
        """Return a score, 1 to 5, of each waveform (N,) at ``sample_rate`` Hz, for each of ``names``."""
        ...


class DNSMOS:
    """DNSMOS P.835 (Reddy et al. 2022): overall quality, signal and background, by the models in ``speechmos``.

    Speech of less than 9.01 seconds is repeated, as the package does. Scores of longer speech are means over windows.

    Raises:
        ValueError: If a package is not installed.
    """

    names = ("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak")

    def __init__(self) -> None:
        for package in ("speechmos", "onnxruntime", "librosa"):
            require_package(package, "DNSMOS", "judges")

    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> dict[str, list[float]]:
        """Return the three scores of each waveform (N,), each from 1 to 5."""
        scores: dict[str, list[float]] = {name: [] for name in self.names}
        for waveform in waveforms:
            values = dict.fromkeys(self.names, LOWEST)
            if is_audible(waveform, sample_rate):
                opinion = self._model(_samples(waveform, sample_rate), SAMPLE_RATE, False)
                values = {name: float(opinion[f"{name.removeprefix('dnsmos_')}_mos"]) for name in self.names}
            for name, value in values.items():
                scores[name].append(value)
        return scores

    @cached_property
    def _model(self) -> Any:
        from speechmos import dnsmos

        folder = Path(dnsmos.__file__).parent / "dnsmos_models"
        return dnsmos.DNSMOS(str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx"))


class PLCMOS:
    """PLCMOS v2 (Diener et al. 2023), of speech after packet loss concealment: gaps and clicks lower it.

    Its model is evaluated for several random raters; here they are the same ones for all waveforms.

    Args:
        seed: Seed of the raters.

    Raises:
        ValueError: If a package is not installed.
    """

    names = ("plcmos",)

    def __init__(self, seed: Seed = 0) -> None:
        for package in ("speechmos", "onnxruntime"):
            require_package(package, "PLCMOS", "judges")
        self.seed = seed

    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> dict[str, list[float]]:
        """Return the score of each waveform (N,), from 1 to 5."""
        scores = []
        for waveform in waveforms:
            if is_audible(waveform, sample_rate):
                scores.append(self._score(_samples(waveform, sample_rate)))
            else:
                scores.append(LOWEST)
        return {"plcmos": scores}

    def _score(self, samples: np.ndarray) -> float:
        features = np.asarray(self._model.stft_transform(samples), dtype=np.float32)[None, None]
        raters = np.random.default_rng(self.seed).standard_normal((self._model.embed_rounds, 1, 64))
        scores = []
        for rater in raters.astype(np.float32):
            outputs = self._model.session.run(None, {"degraded_audio": features, "rater_embed": rater})
            scores.append(np.asarray(outputs[0]).item())
        return float(np.mean(scores))

    @cached_property
    def _model(self) -> Any:
        from speechmos import plcmos

        return plcmos.PLCMOS()


def _samples(waveform: Tensor, sample_rate: int) -> np.ndarray:
    """Return a waveform at 16 kHz, clipped to the range of the models, (N,)."""
    return resample(waveform.detach().float().cpu(), sample_rate, SAMPLE_RATE).clamp(-1, 1).numpy()
