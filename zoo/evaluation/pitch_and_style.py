"""How well pitch units keep a contour, and style units tell styles apart."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.evaluation.statistics import Estimate, proportion, ratio
from zoo.metrics.unit_usage import UnitPerplexity
from zoo.speech.f0_store import F0Store
from zoo.speech.pitch_units import PitchUnits, voiced_mean
from zoo.speech.style_units import StyleClassifier, StyleClusters, StyleUnits

GROSS = 0.2  # Chu and Alwan 2009


@torch.inference_mode()
def pitch_report(pitch: PitchUnits, store: F0Store) -> dict[str, Any]:
    """Errors of F0 that went through units and back, beside those of a flat line at the mean of each utterance.

    ``log_f0_error`` is the root mean square in octaves over voiced frames, ``f0_frame_error`` the share of frames with a
    wrong voicing decision or a pitch over 20% off; the flat line is voiced throughout, or nowhere, whichever is better.
    Intervals are of the draw of utterances.

    Args:
        pitch: Extractor; its mean is given back when it decodes.
        store: F0 of the same kind, of utterances that were not trained on.

    Raises:
        ValueError: Where no utterance has a voiced frame.
    """
    usage, rows = UnitPerplexity(pitch.vqvae.codebook.size), []
    for index in range(len(store)):
        track = store.track(index)
        if not track.voiced.any() or len(track.voiced) < pitch.vqvae.factor:
            continue
        units = pitch.encode_track(track)
        usage.update(units)
        mean = voiced_mean(track)
        found = pitch.decode(units, mean.item() if pitch.normalize else 0.0)
        truth = track.frequency[: len(found.frequency)], track.voiced[: len(found.frequency)]
        rows.append(
            [
                *_errors(found.frequency, found.voiced, *truth),
                *_errors(mean.expand(len(truth[0])), torch.ones_like(truth[1]), *truth),
            ]
        )
    if not rows:
        raise ValueError(f"{store.folder}: no utterance of split {store.split!r} has a voiced frame")
    table = np.array(
        rows, dtype=np.float64
    )  # of units, then of the mean: squares, voiced frames, gross errors, voicing errors, frames
    flat = table[:, [7, 8]].copy()
    if flat.sum() > table[:, 6].sum():  # better nowhere voiced: then each voiced frame is a voicing error
        flat = table[:, [6]]
    return {
        "log_f0_error": _root(ratio(table[:, 0], table[:, 1])).named("octaves"),
        "of_the_mean": _root(ratio(table[:, 5], table[:, 6])).named("octaves"),
        "f0_frame_error": ratio(table[:, 2] + table[:, 3], table[:, 4]).named("share"),
        "f0_frame_error_of_the_mean": ratio(flat.sum(1), table[:, 9]).named("share"),
        "gross_errors": int(table[:, 2].sum()),
        "voicing_errors": int(table[:, 3].sum()),
        "frames": int(table[:, 4].sum()),
        "perplexity": round(usage.compute().item(), 2),
        "units_used": usage.used,
        "units": usage.size,
    }


def _errors(frequency: Tensor, voiced: Tensor, true_frequency: Tensor, true_voiced: Tensor) -> list[float]:
    """Sum of squared octaves and number of frames where there is pitch; gross errors, voicing errors, frames."""
    octaves = torch.log2(frequency[true_voiced].double() / true_frequency[true_voiced])
    both = voiced & true_voiced
    gross = ((frequency - true_frequency).abs() > GROSS * true_frequency) & both
    return [
        octaves.square().sum().item(),
        int(true_voiced.sum()),
        int(gross.sum()),
        int((voiced != true_voiced).sum()),
        len(voiced),
    ]


def _root(estimate: Estimate) -> Estimate:
    return Estimate(estimate.value**0.5, estimate.low**0.5, estimate.high**0.5, estimate.n)


@torch.inference_mode()
def style_report(style: StyleUnits, utterances: Iterable[tuple[Tensor, str]]) -> dict[str, Any]:
    """How often the classifier names the style of an utterance, beside always naming the most frequent one.

    Args:
        style: With a classifier whose labels are styles.
        utterances: Waveform (N,) and style, of utterances that were not trained on.

    Raises:
        ValueError: Where the head is no classifier, or has no labels.
    """
    if not isinstance(style.head, StyleClassifier) or style.head.labels is None:
        raise ValueError("the style of an utterance is named by a classifier with labels; this extractor has none")
    hits, true, seconds = [], [], []
    for waveform, name in utterances:
        logits = style.head(style.encoder(waveform[None].to(style.device)), style.frames_per_unit)[0]
        hits.append(style.head.labels[int(logits.mean(0).argmax())] == name)
        seconds += [style.head.labels[unit] == name for unit in logits.argmax(-1).tolist()]
        true.append(name)
    shares = {name: true.count(name) / len(true) for name in sorted(set(true))}
    recalls = {
        name: round(float(np.mean([hit for hit, each in zip(hits, true) if each == name])), 4) for name in shares
    }
    return {
        "accuracy": proportion(np.array(hits)).named("share"),
        "majority": round(max(shares.values()), 4),
        "second_accuracy": round(float(np.mean(seconds)), 4),
        "recall": recalls,
    }


@torch.inference_mode()
def cluster_report(
    style: StyleUnits, utterances: Iterable[tuple[Tensor, str | None]], named: dict[int, str] | None = None
) -> dict[str, Any]:
    """How many style units are used, how often they change, and how well they tell the style.

    Args:
        style: With clusters.
        utterances: Waveform (N,) and style, None where it is not known.
        named: The style that each unit stands for; if None, it is the most frequent one among these utterances themselves.

    Raises:
        ValueError: Where the head has no clusters.
    """
    if not isinstance(style.head, StyleClusters):
        raise ValueError("this extractor has a classifier, no clusters")
    usage, heard = UnitPerplexity(style.head.size), []
    for waveform, name in utterances:
        units = style.encode(waveform)
        usage.update(torch.from_numpy(units))
        heard.append((units, name))
    told = [(units, name) for units, name in heard if name]
    counts: dict[int, dict[str, int]] = {}
    for units, name in told:
        for unit in units.tolist():
            counts.setdefault(unit, {}).setdefault(name, 0)
            counts[unit][name] += 1
    named = {unit: max(sorted(by), key=by.get) for unit, by in counts.items()} if named is None else named
    report = {
        "perplexity": round(usage.compute().item(), 2),
        "units_used": usage.used,
        "units": usage.size,
        "units_per_utterance": round(float(np.mean([len(set(units.tolist())) for units, _ in heard])), 2),
    }
    if told:
        seconds = np.array([named.get(unit) == name for units, name in told for unit in units.tolist()])
        shares = {name: sum(len(units) for units, each in told if each == name) for name in {name for _, name in told}}
        report |= {
            "accuracy_by_unit": proportion(seconds).named("share"),
            "majority": round(max(shares.values()) / len(seconds), 4),
        }
    return report | {"named": {str(unit): name for unit, name in sorted(named.items())}}
