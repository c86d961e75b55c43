"""Evaluation of pitch units by the F0 contours they decode to, and of style units by the styles they separate."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.evaluation.statistics import Estimate, proportion, ratio
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.speech.f0 import F0Track
from zoo.speech.f0_normalization import voiced_mean
from zoo.speech.f0_store import F0Store
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.style_units import StyleClassifier, StyleClusters, StyleUnits

GROSS = 0.2  # share of the true frequency beyond which a pitch error is gross (Chu and Alwan 2009)


@dataclass(frozen=True)
class ContourErrors:
    """Errors of the F0 contour of one utterance.

    Args:
        squares: Sum of squared differences in octaves over voiced frames.
        voiced: Number of voiced frames.
        gross: Number of frames that both contours call voiced and whose pitch is over 20% off.
        voicing: Number of frames with a wrong voicing decision.
        frames: Number of frames.
    """

    squares: float
    voiced: int
    gross: int
    voicing: int
    frames: int

    @classmethod
    def between(cls, estimate: F0Track, truth: F0Track) -> "ContourErrors":
        """Compare two contours of one length; frequencies are compared wherever the true contour is voiced."""
        octaves = torch.log2(estimate.frequency[truth.voiced].double() / truth.frequency[truth.voiced])
        both_voiced = estimate.voiced & truth.voiced
        gross = ((estimate.frequency - truth.frequency).abs() > GROSS * truth.frequency) & both_voiced
        return cls(
            octaves.square().sum().item(),
            int(truth.voiced.sum()),
            int(gross.sum()),
            int((estimate.voiced != truth.voiced).sum()),
            len(estimate.voiced),
        )


@dataclass(frozen=True)
class _Errors:
    """Errors of several utterances, one column of ``ContourErrors`` each, (utterances,)."""

    squares: np.ndarray
    voiced: np.ndarray
    gross: np.ndarray
    voicing: np.ndarray
    frames: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[ContourErrors]) -> "_Errors":
        return cls(*np.array([astuple(row) for row in rows], dtype=np.float64).T)

    def log_f0_error(self) -> Estimate:
        """Return the root mean square error over voiced frames, in octaves."""
        mean_square = ratio(self.squares, self.voiced)
        return Estimate(mean_square.value**0.5, mean_square.low**0.5, mean_square.high**0.5, mean_square.n)


@torch.inference_mode()
def pitch_report(pitch: PitchUnits, store: F0Store) -> dict[str, Any]:
    """Return the errors of F0 contours that were encoded and decoded, beside those of a flat contour.

    ``log_f0_error`` is the root mean square error in octaves over voiced frames, ``f0_frame_error`` the share of frames
    with a wrong voicing decision or a pitch over 20% off. The flat contour is at the mean of each utterance and voiced
    throughout or nowhere, whichever has the lower error. Intervals are over utterances.

    Args:
        pitch: Extractor of pitch units, which is given the mean of the utterance to decode.
        store: F0 of the same kind, of held-out utterances.

    Raises:
        ValueError: If no utterance has a voiced frame.
    """
    usage = UnitPerplexity(pitch.vqvae.codebook.size)
    decoded_rows = []
    flat_rows = []
    for index in range(len(store)):
        track = store.track(index)
        if not track.voiced.any() or len(track.voiced) < pitch.vqvae.factor:
            continue
        units = pitch.encode_track(track)
        usage.update(units)
        mean = voiced_mean(track)
        decoded = pitch.decode(units, mean.item() if pitch.normalize else 0.0)
        length = len(decoded.frequency)
        truth = F0Track(track.frequency[:length], track.voiced[:length])
        flat = F0Track(mean.expand(len(truth.frequency)), torch.ones_like(truth.voiced))
        decoded_rows.append(ContourErrors.between(decoded, truth))
        flat_rows.append(ContourErrors.between(flat, truth))
    if not decoded_rows:
        raise ValueError(f"{store.folder}: no utterance of split {store.split!r} has a voiced frame")
    errors = _Errors.of(decoded_rows)
    flat_errors = _Errors.of(flat_rows)
    wrong_frames = flat_errors.gross + flat_errors.voicing
    if wrong_frames.sum() > flat_errors.voiced.sum():  # better voiced nowhere: each voiced frame is then an error
        wrong_frames = flat_errors.voiced
    return {
        "log_f0_error": errors.log_f0_error().named("octaves"),
        "of_the_mean": flat_errors.log_f0_error().named("octaves"),
        "f0_frame_error": ratio(errors.gross + errors.voicing, errors.frames).named("share"),
        "f0_frame_error_of_the_mean": ratio(wrong_frames, flat_errors.frames).named("share"),
        "gross_errors": int(errors.gross.sum()),
        "voicing_errors": int(errors.voicing.sum()),
        "frames": int(errors.frames.sum()),
        "perplexity": round(usage.compute().item(), 2),
        "units_used": usage.used,
        "units": usage.size,
    }


@torch.inference_mode()
def style_report(style: StyleUnits, utterances: Iterable[tuple[Tensor, str]]) -> dict[str, Any]:
    """Return the accuracy of a style classifier, beside that of always predicting the most frequent style.

    Args:
        style: Style units with a classifier whose labels are styles.
        utterances: Waveform (N,) and style of held-out utterances.

    Raises:
        ValueError: If the head is no classifier, or has no labels.
    """
    if not isinstance(style.head, StyleClassifier) or style.head.labels is None:
        raise ValueError("the style of an utterance is named by a classifier with labels; this extractor has none")
    labels = style.head.labels
    hits = []
    second_hits = []
    styles = []
    for waveform, name in utterances:
        logits = style.head(style.encoder(waveform[None].to(style.device)), style.frames_per_unit)[0]
        hits.append(labels[int(logits.mean(0).argmax())] == name)
        second_hits += [labels[unit] == name for unit in logits.argmax(-1).tolist()]
        styles.append(name)
    counts = Counter(styles)
    recalls = {}
    for name in sorted(counts):
        of_style = [hit for hit, true in zip(hits, styles, strict=True) if true == name]
        recalls[name] = round(float(np.mean(of_style)), 4)
    return {
        "accuracy": proportion(np.array(hits)).named("share"),
        "majority": round(max(counts.values()) / len(styles), 4),
        "second_accuracy": round(float(np.mean(second_hits)), 4),
        "recall": recalls,
    }


@torch.inference_mode()
def cluster_report(
    style: StyleUnits, utterances: Iterable[tuple[Tensor, str | None]], named: dict[int, str] | None = None
) -> dict[str, Any]:
    """Return how many style units are used, how often they change, and how accurately they predict the style.

    Args:
        style: Style units with clusters.
        utterances: Waveform (N,) and style, None where it is not known.
        named: Style that each unit stands for. If None, it is the most frequent one among these utterances.

    Raises:
        ValueError: If the head has no clusters.
    """
    if not isinstance(style.head, StyleClusters):
        raise ValueError("this extractor has a classifier, no clusters")
    usage = UnitPerplexity(style.head.size)
    units_per_utterance = []
    styled: list[tuple[np.ndarray, str]] = []
    for waveform, name in utterances:
        units = style.encode(waveform)
        usage.update(torch.from_numpy(units))
        units_per_utterance.append(len(set(units.tolist())))
        if name:
            styled.append((units, name))
    names = _most_frequent_styles(styled) if named is None else named
    report = {
        "perplexity": round(usage.compute().item(), 2),
        "units_used": usage.used,
        "units": usage.size,
        "units_per_utterance": round(float(np.mean(units_per_utterance)), 2),
    }
    if styled:
        report |= _accuracy_by_unit(styled, names)
    return report | {"named": {str(unit): name for unit, name in sorted(names.items())}}


def _most_frequent_styles(styled: Sequence[tuple[np.ndarray, str]]) -> dict[int, str]:
    """Return the most frequent style of each unit, of several the first in the alphabet."""
    counts: dict[int, Counter[str]] = {}
    for units, name in styled:
        for unit in units.tolist():
            counts.setdefault(unit, Counter())[name] += 1
    return {unit: max(sorted(of_unit), key=of_unit.__getitem__) for unit, of_unit in counts.items()}


def _accuracy_by_unit(styled: Sequence[tuple[np.ndarray, str]], names: Mapping[int, str]) -> dict[str, Any]:
    """Return the share of units that stand for the style of their utterance, and that of the most frequent style."""
    hits = []
    counts: Counter[str] = Counter()
    for units, name in styled:
        hits += [names.get(unit) == name for unit in units.tolist()]
        counts[name] += len(units)
    majority = round(max(counts.values()) / len(hits), 4)
    return {"accuracy_by_unit": proportion(np.array(hits)).named("share"), "majority": majority}
