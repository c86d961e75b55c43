"""What is left of speech that went through units and came back by a vocoder."""

from collections.abc import Callable, Sequence
from typing import Any

import jiwer
import numpy as np
import torch
from torch import Tensor

from zoo.evaluation.statistics import Estimate, mean, ratio
from zoo.metrics.mel_distance import MelDistance
from zoo.speech.f0 import F0Track

Made = Sequence[tuple[Tensor, Tensor]]


def mel_distances(pairs: Made, sample_rate: int = 16000) -> np.ndarray:
    """Mean absolute difference of the log mel spectrograms of each (made, real) pair of waveforms (N,), the longer cut: (n,)."""
    values = []
    for made, real in pairs:
        metric, length = MelDistance(sample_rate), min(len(made), len(real))
        metric.update(made[None, :length], real[None, :length])
        values.append(metric.compute().item())
    return np.array(values)


def f0_frame_errors(
    pairs: Made, extractor: Callable[[Tensor], F0Track], tolerance: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Wrong frames and frames of each pair, (n,) and (n,): a wrong voicing decision, or a pitch off by over 20%."""
    wrong, frames = [], []
    for made, real in pairs:
        length = min(len(made), len(real))
        one, other = extractor(made[:length]), extractor(real[:length])
        n = min(len(one.voiced), len(other.voiced))
        a, b, voiced, true = (
            torch.as_tensor(x)[:n] for x in (one.frequency, other.frequency, one.voiced, other.voiced)
        )
        voiced, true = voiced.bool(), true.bool()
        gross = voiced & true & ((a - b).abs() > tolerance * b)
        wrong.append(int((gross | (voiced != true)).sum()))
        frames.append(n)
    return np.array(wrong), np.array(frames)


def measure_resynthesis(
    pairs: Made,
    extractor: Callable[[Tensor], F0Track] | None = None,
    texts: Sequence[str] | None = None,
    transcribes: Callable[[Tensor], str] | None = None,
    styles: Sequence[str] | None = None,
    classifies: Callable[[Tensor], str] | None = None,
    sample_rate: int = 16000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Mel distance, and what else the judges given can tell.

    Args:
        pairs: (made, real) waveforms (N,) of each utterance.
        extractor: Of F0; gives ``f0_frame_error``.
        texts: What is said, with ``transcribes``.
        transcribes: A recognizer; gives ``word_error_rate``.
        styles: How it is said, with ``classifies``.
        classifies: A classifier of style; gives ``style_accuracy``.
        sample_rate: In Hz.
        seed: Of the bootstrap over utterances.
    """
    result = {"mel_distance": mean(mel_distances(pairs, sample_rate), seed)}
    if extractor is not None:
        result["f0_frame_error"] = ratio(*f0_frame_errors(pairs, extractor), seed)
    if texts is not None and transcribes is not None:
        counts = [jiwer.process_words(text, transcribes(made)) for text, (made, _) in zip(texts, pairs)]
        result["word_error_rate"] = ratio(
            np.array([c.substitutions + c.deletions + c.insertions for c in counts]),
            np.array([c.substitutions + c.deletions + c.hits for c in counts]),
            seed,
        )
    if styles is not None and classifies is not None:
        result["style_accuracy"] = mean(
            np.array([classifies(made) == style for style, (made, _) in zip(styles, pairs)], dtype=float), seed
        )
    return result


def report(estimates: dict[str, Estimate]) -> dict[str, Any]:
    """As it stands in a report."""
    return {name: one.named(name) for name, one in estimates.items()}
