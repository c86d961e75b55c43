"""Style and F0 information in the units of unseen speakers, excluded from all training of the tokenizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.comparison.measures import TOKENIZERS, UNSEEN, Measure, MeasureInfo
from zoo.comparison.probes import fit_and_predict, unit_shares
from zoo.evaluation.statistics import pooled_mean
from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech.f0 import F0Track
from zoo.speech.f0_normalization import voiced_mean
from zoo.speech.pitch_units import PitchUnits
from zoo.tokens.units import Stream

STYLE, FRAME_ERROR, OCTAVES = "probe_style", "f0_of_units_frame_error", "f0_of_units_octaves"
MEASURES = (
    MeasureInfo(STYLE, UNSEEN, "style predicted by a linear probe", "higher", trained=TOKENIZERS),
    MeasureInfo(FRAME_ERROR, UNSEEN, "F0 frame error of the contour in the units", "lower", trained=TOKENIZERS),
    MeasureInfo(OCTAVES, UNSEEN, "log-F0 error of the contour in the units, octaves", "lower", trained=TOKENIZERS),
)


@dataclass(frozen=True)
class StyledUnits:
    """Speech of known style, encoded by one tokenizer.

    Args:
        units: Raw units (T,) by prefix of each utterance.
        styles: Style of each utterance.
    """

    units: Sequence[Mapping[str, np.ndarray]]
    styles: Sequence[str]


def style_hits(streams: Sequence[Stream], seen: StyledUnits, unseen: StyledUnits, penalty: float = 1e-2) -> np.ndarray:
    """Fit a linear probe to the units of seen speakers and predict the style of unseen ones.

    Args:
        streams: Streams of the tokenizer.
        seen: Speech of the speakers that the tokenizer was trained on.
        unseen: Speech of speakers excluded from that training.
        penalty: Coefficient of the L2 penalty on the weights of the probe.

    Returns:
        1 for each utterance of ``unseen`` whose style is predicted correctly, else 0, (n,).
    """
    kinds = sorted(set(seen.styles))
    target = np.array([kinds.index(style) for style in seen.styles])
    features = unit_shares(seen.units, streams)
    predicted = fit_and_predict(features, target, unit_shares(unseen.units, streams), len(kinds), penalty)
    hits = [kinds[label] == style for label, style in zip(predicted, unseen.styles, strict=True)]
    return np.array(hits, dtype=float)


@torch.inference_mode()
def contour_errors(waveform: Tensor, pitch: PitchUnits, has_pitch: bool) -> dict[str, float]:
    """Measure the error of the F0 contour that is decoded from the pitch units of a waveform.

    For a tokenizer without pitch units the contour is flat and voiced in every frame. Both contours are given the mean
    F0 of the utterance.

    Args:
        waveform: Samples (N,).
        pitch: Pitch units, with their decoder.
        has_pitch: Whether the tokenizer has these pitch units.

    Returns:
        F0 frame error and log-F0 error in octaves; NaN if no frame is voiced.
    """
    track = pitch.f0(waveform)
    if not track.voiced.any() or len(track.voiced) < pitch.vqvae.factor:
        return {FRAME_ERROR: float("nan"), OCTAVES: float("nan")}
    mean = voiced_mean(track)
    decoded = pitch.decode(pitch.encode_track(track), mean.item() if pitch.normalize else 0.0)
    length = len(decoded.voiced)
    if not has_pitch:
        decoded = F0Track(mean.expand(length), torch.ones(length, dtype=torch.bool))
    errors = {}
    for name, metric in ((FRAME_ERROR, F0FrameError()), (OCTAVES, LogF0Error())):
        metric.update(decoded.frequency, decoded.voiced, track.frequency[:length], track.voiced[:length])
        errors[name] = metric.compute().item()
    return errors


def unseen_measures(
    scores: Mapping[str, Sequence[Mapping[str, np.ndarray]]], chance: float, seed: int = 0
) -> list[Measure]:
    """Return the measures of unseen speakers.

    Args:
        scores: Scores of each variant, the baseline first: for each fold of the corpus, scores (n,) of its utterances
            by key. All variants are scored on the same utterances.
        chance: Accuracy of always predicting the most frequent style.
        seed: Seed of the bootstraps.
    """
    baseline_name, baseline = next(iter(scores.items()))
    measures = []
    for info in MEASURES:
        key = info.key
        if not all(key in part for part in baseline):
            continue
        of_baseline = [part[key] for part in baseline]
        values = {}
        differences = {}
        by_seed = {}
        for name, parts in scores.items():
            of_parts = [part[key] for part in parts]
            values[name] = pooled_mean(of_parts, seed)
            by_seed[name] = [float(np.nanmean(of_part)) for of_part in of_parts]
            if name != baseline_name:
                differences[name] = pooled_mean(list(map(np.subtract, of_parts, of_baseline)), seed)
        measures.append(
            Measure(
                key=key,
                section=info.section,
                title=info.title,
                values=values,
                differences=differences,
                better=info.better,
                seeds=len(baseline),
                chance=chance if key == STYLE else None,
                by_seed=by_seed,
                trained=info.trained,
            )
        )
    return measures
