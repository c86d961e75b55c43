"""All figures of one tokenizer on one corpus, in a form that those of another on the same utterances can be paired with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from zoo.comparison.abx import ABX, measure_abx, triphones
from zoo.comparison.joint_bootstrap import Sample, sum_over_sum
from zoo.comparison.phones import Purity, measure_purity
from zoo.comparison.probes import Probe, probe, unit_shares
from zoo.comparison.rates import Rates, measure_rates
from zoo.comparison.robustness import hear, unit_edit_distance
from zoo.corpora.utterance import Utterance
from zoo.speech.augmentation import Augmentation
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer


@dataclass(frozen=True)
class Figures:
    """Of one tokenizer.

    Args:
        rates: Tokens and bits.
        purity: Of the first stream, the phonetic one; None without phone times.
        abx: Of the first stream; None without phone times.
        robustness: Unit edit distance by augmentation and stream.
        probes: By what is told: ``speaker`` and ``style``; those that the corpus has no labels for are left out.
        samples: All of them by key, of utterances or pairs of phones by name: what figures of two tokenizers are paired by.
        left_out: What could not be measured, and why.
    """

    rates: Rates
    purity: Purity | None
    abx: ABX | None
    robustness: dict[str, dict[str, Sample]]
    probes: dict[str, Probe]
    samples: dict[str, Sample] = field(repr=False)
    left_out: dict[str, str] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        return {
            **self.rates.report(),
            "purity": self.purity and self.purity.report(),
            "abx": self.abx and self.abx.report(),
            "unit_edit_distance": {
                name: {prefix: one.estimate().named("distance") for prefix, one in streams.items()}
                for name, streams in self.robustness.items()
            },
            "probes": {name: one.report() for name, one in self.probes.items()},
            "left_out": self.left_out,
        }


def measure_tokenizer(
    tokenizer: SpeechTokenizer,
    spoken: Iterable[tuple[Utterance, Tensor]],
    augmentations: Mapping[str, Augmentation] | None = None,
    seed: int = 0,
    num_processes: int = 1,
) -> Figures:
    """Tokenize a corpus and measure what the units keep.

    Args:
        tokenizer: Any set of streams, the phonetic one first.
        spoken: Utterances with their waveforms (N,) at the tokenizer's rate; those too short for a unit are left out.
        augmentations: By name; none if None.
        seed: Of draws and bootstraps.
        num_processes: That listen at once.

    Raises:
        ValueError: Where no utterance has a unit.
    """
    spoken = [(one, wave) for one, wave in spoken if len(wave)]
    utterances, waves = [one for one, _ in spoken], [wave for _, wave in spoken]
    units, changed = hear(tokenizer, waves, augmentations or {}, seed, num_processes)
    kept = [number for number, one in enumerate(units) if len(one[tokenizer.streams[0].prefix])]
    if not kept:
        raise ValueError("no utterance is long enough for a unit: nothing to measure")
    utterances, waves, units = ([some[number] for number in kept] for some in (utterances, waves, units))
    seconds = np.array([len(wave) / tokenizer.sample_rate for wave in waves])
    left_out: dict[str, str] = {}
    purity, abx = _phonetic(tokenizer, utterances, units, left_out, seed)
    rates = measure_rates(units, seconds, tokenizer.streams, seed)
    changes = {name: unit_edit_distance(units, [some[number] for number in kept]) for name, some in changed.items()}
    probes, ids = _probes(tokenizer, utterances, units, left_out), [one.id for one in utterances]
    samples = rates.samples | {
        f"ued_{kind}_{prefix}": one for kind, streams in changes.items() for prefix, one in streams.items()
    }
    samples = _of(ids, samples) | _of([one.id for one in utterances if one.phonemes], purity.samples if purity else {})
    samples |= {f"abx_{name}": one for name, one in (abx.samples if abx else {}).items()}
    samples |= {f"probe_{kind}": sum_over_sum(ids, one.hits) for kind, one in probes.items()}
    return Figures(rates, purity, abx, changes, probes, samples, left_out)


def _of(ids: Sequence[str], samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Samples of utterances by number as samples of utterances by name."""
    return {key: replace(one, items=ids) for key, one in samples.items()}


def _phonetic(
    tokenizer: SpeechTokenizer,
    utterances: Sequence[Utterance],
    units: Sequence[Mapping[str, np.ndarray]],
    left_out: dict[str, str],
    seed: int,
) -> tuple[Purity | None, ABX | None]:
    stream = tokenizer.streams[0]
    aligned = [(one, row[stream.prefix]) for one, row in zip(utterances, units) if one.phonemes]
    if not aligned:
        left_out |= {"purity": "no phone times", "abx": "no phone times"}
        return None, None
    purity = measure_purity([row for _, row in aligned], [one.phonemes for one, _ in aligned], stream.rate, seed)
    try:
        return purity, measure_abx(
            [three for one, row in aligned for three in triphones(row, one.phonemes, stream.rate, one.speaker)],
            seed=seed,
        )
    except ValueError as error:
        left_out["abx"] = str(error)
        return purity, None


def _probes(
    tokenizer: SpeechTokenizer,
    utterances: Sequence[Utterance],
    units: Sequence[Mapping[str, np.ndarray]],
    left_out: dict[str, str],
) -> dict[str, Probe]:
    """Style is told of speakers that were not fitted to, the speaker of texts that were not."""
    shares, found = unit_shares(units, tokenizer.streams), {}
    for name, labels, groups in (
        ("speaker", [one.speaker for one in utterances], [one.text for one in utterances]),
        ("style", [one.style or "" for one in utterances], [one.speaker for one in utterances]),
    ):
        if len(set(labels)) < 2 or len(set(groups)) < 2:
            left_out[f"{name} probe"] = (
                f"one {name} only" if len(set(labels)) < 2 else "the same text, or one speaker, throughout"
            )
        else:
            found[name] = probe(shares, labels, groups)
    return found
