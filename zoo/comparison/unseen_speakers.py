"""Speakers whom no part of a tokenizer has heard, each left out of training in turn: what the units tell of their style and melody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.comparison.probes import fit_and_test, unit_shares
from zoo.comparison.rows import TOKENIZERS, UNSEEN, Row
from zoo.evaluation.statistics import Estimate
from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech.f0 import F0Track
from zoo.speech.pitch_units import PitchUnits, voiced_mean
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer

STYLE, FRAME, OCTAVES = "probe_style", "f0_of_units_frame_error", "f0_of_units_octaves"
MEASURES = {
    STYLE: ("style told by a linear probe", "higher"),
    FRAME: ("F0 frame error of the melody in the units", "lower"),
    OCTAVES: ("log-F0 error of the melody in the units, octaves", "lower"),
}


@dataclass(frozen=True)
class Heard:
    """Some speech as one tokenizer hears it.

    Args:
        units: Raw units (T,) by prefix of each utterance.
        styles: Of each.
    """

    units: Sequence[Mapping[str, np.ndarray]]
    styles: Sequence[str]


def style_hits(tokenizer: SpeechTokenizer, known: Heard, unseen: Heard, penalty: float = 1e-2) -> np.ndarray:
    """Whether a linear classifier of unit frequencies, fitted to ``known`` speech, tells the style of each ``unseen`` utterance: (n,).

    Args:
        tokenizer: Whose units they are.
        known: Speech of the speakers that the tokenizer was trained on.
        unseen: Speech of others.
        penalty: Weight of the squared weights.
    """
    kinds = sorted(set(known.styles))
    target = np.array([kinds.index(style) for style in known.styles])
    told = fit_and_test(
        unit_shares(known.units, tokenizer.streams),
        target,
        unit_shares(unseen.units, tokenizer.streams),
        len(kinds),
        penalty,
    )
    return np.array([kinds[label] == style for label, style in zip(told, unseen.styles)], dtype=float)


@torch.inference_mode()
def melody_errors(waveform: Tensor, pitch: PitchUnits, has_pitch: bool) -> dict[str, float]:
    """Errors of F0 as the units tell it; where they tell nothing, of a flat line, voiced throughout, at the utterance's mean.

    The mean is given to both. NaN where no frame is voiced.

    Args:
        waveform: (N,).
        pitch: Extractor of pitch units, with a decoder.
        has_pitch: Whether the tokenizer has these units.
    """
    track = pitch.f0(waveform)
    if not track.voiced.any() or len(track.voiced) < pitch.vqvae.factor:
        return {FRAME: float("nan"), OCTAVES: float("nan")}
    mean = voiced_mean(track)
    found = pitch.decode(pitch.encode_track(track), mean.item() if pitch.normalize else 0.0)
    length = len(found.voiced)
    if not has_pitch:
        found = F0Track(mean.expand(length), torch.ones(length, dtype=torch.bool))
    metrics = {FRAME: F0FrameError(), OCTAVES: LogF0Error()}
    for metric in metrics.values():
        metric.update(found.frequency, found.voiced, track.frequency[:length], track.voiced[:length])
    return {name: metric.compute().item() for name, metric in metrics.items()}


def pooled(of_parts: Sequence[np.ndarray], seed: int = 0, resamples: int = 2000) -> Estimate:
    """Mean over the utterances of all parts; the bootstrap draws parts, and in each its utterances.

    Args:
        of_parts: Values (n,) of the utterances of each part, such as those of one speaker; NaN where an utterance has none.
        seed: Of the draws.
        resamples: How many.

    Raises:
        ValueError: Where there is no value.
    """
    parts = [values[~np.isnan(values)] for values in of_parts]
    parts = [values for values in parts if len(values)]
    if not parts:
        raise ValueError("no utterance has this figure")
    draw = np.random.default_rng(seed)
    sums = np.array(
        [draw.multinomial(len(one), np.full(len(one), 1 / len(one)), (resamples, len(parts))) @ one for one in parts]
    )
    chosen = draw.integers(len(parts), size=(resamples, len(parts)))
    sizes = np.array([len(one) for one in parts])
    drawn = sums[chosen, np.arange(resamples)[:, None], np.arange(len(parts))].sum(1) / sizes[chosen].sum(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(np.concatenate(parts).mean()), float(low), float(high), int(sizes.sum()))


def unseen_rows(values: Mapping[str, Sequence[Mapping[str, np.ndarray]]], chance: float, seed: int = 0) -> list[Row]:
    """Rows of variants by name, the baseline first.

    Args:
        values: Of each variant and part the figures (n,) by key, of the same utterances.
        chance: The commonest style's share.
        seed: Of the bootstraps.
    """
    (_, first), *others = values.items()
    rows = []
    for key, (measure, better) in MEASURES.items():
        if all(key in part for part in first):
            take = lambda parts: [part[key] for part in parts]
            differences = {
                name: pooled([a - b for a, b in zip(take(parts), take(first))], seed) for name, parts in others
            }
            rows.append(
                Row(
                    key,
                    UNSEEN,
                    measure,
                    {name: pooled(take(parts), seed) for name, parts in values.items()},
                    differences,
                    better,
                    len(first),
                    chance if key == STYLE else None,
                    {name: [float(np.nanmean(one)) for one in take(parts)] for name, parts in values.items()},
                    TOKENIZERS,
                )
            )
    return rows
