"""Scores of the units of one tokenizer on a corpus, in a form that allows paired differences between tokenizers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from zoo.comparison.abx import ABX, measure_abx, triphones
from zoo.comparison.phone_purity import Purity, measure_purity
from zoo.comparison.probes import Probe, probe, unit_shares
from zoo.comparison.token_rates import TokenRates, measure_token_rates
from zoo.corpora.utterance import Utterance
from zoo.evaluation.statistics import WeightedStatistic, weighted_ratio
from zoo.evaluation.unit_robustness import UnitEdits, Units, encode_augmented
from zoo.speech.augmentation import Augmentation
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer


@dataclass(frozen=True)
class TokenizerScores:
    """Scores of one tokenizer.

    Args:
        rates: Token and bit rates.
        purity: Phone purity of the first, phonetic stream; None without phone times.
        abx: ABX errors of the first stream; None without phone times.
        robustness: Edits under each augmentation, by augmentation and stream.
        probes: Linear probes of ``speaker`` and ``style``; those that the labels of the corpus allow.
        statistics: All figures by key, as functions of item counts. Items are utterance ids or pairs of phones, so that
            figures of two tokenizers can be paired.
        left_out: Reason why a measure is missing, by measure.
    """

    rates: TokenRates
    purity: Purity | None
    abx: ABX | None
    robustness: dict[str, dict[str, UnitEdits]]
    probes: dict[str, Probe]
    statistics: dict[str, WeightedStatistic] = field(repr=False)
    left_out: dict[str, str] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return all figures as JSON."""
        distances: dict[str, dict[str, Any]] = {}
        for augmentation, streams in self.robustness.items():
            distances[augmentation] = {}
            for prefix, edits in streams.items():
                distances[augmentation][prefix] = edits.distance().named("distance")
        probes = {}
        for name, scores in self.probes.items():
            probes[name] = scores.report()
        return {
            **self.rates.report(),
            "purity": self.purity and self.purity.report(),
            "abx": self.abx and self.abx.report(),
            "unit_edit_distance": distances,
            "probes": probes,
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class _EncodedCorpus:
    """Encoded utterances; those too short for a unit are left out.

    Args:
        utterances: The utterances.
        seconds: Duration of each utterance in seconds.
        units: Raw units of each utterance.
        augmented: Raw units of the augmented copy of each utterance, by augmentation.
    """

    utterances: list[Utterance] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    units: list[Units] = field(default_factory=list)
    augmented: dict[str, list[Units]] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return [utterance.id for utterance in self.utterances]


def measure_tokenizer(
    tokenizer: SpeechTokenizer,
    speech: Iterable[tuple[Utterance, Tensor]],
    augmentations: Mapping[str, Augmentation] | None = None,
    seed: int = 0,
    num_processes: int = 1,
) -> TokenizerScores:
    """Encode a corpus and measure the rates of the units and the information they carry.

    Args:
        tokenizer: Tokenizer with any set of streams, the phonetic one first.
        speech: Utterances with their waveforms (N,) at the tokenizer's rate; utterances too short for a
            unit are left out.
        augmentations: Augmentations by name that robustness is measured under; none if None.
        seed: Seed of draws and bootstraps.
        num_processes: Number of processes that encode in parallel.

    Raises:
        ValueError: If no utterance is long enough for a unit.
    """
    corpus = _encode(tokenizer, speech, augmentations or {}, seed, num_processes)
    left_out: dict[str, str] = {}
    purity, abx = _phonetic(tokenizer, corpus, left_out, seed)
    rates = measure_token_rates(corpus.units, np.array(corpus.seconds), tokenizer.streams, seed)
    robustness = {}
    for name, augmented in corpus.augmented.items():
        robustness[name] = _edits(tokenizer, corpus.units, augmented)
    probes = _probes(tokenizer, corpus, left_out)

    ids = corpus.ids
    statistics = _with_ids(ids, rates.statistics)
    for name, streams in robustness.items():
        for prefix, edits in streams.items():
            statistics[f"ued_{name}_{prefix}"] = edits.statistic(ids)
    if purity is not None:
        aligned = [utterance.id for utterance in corpus.utterances if utterance.phonemes]
        statistics |= _with_ids(aligned, purity.statistics)
    if abx is not None:
        for name, error in abx.statistics.items():
            statistics[f"abx_{name}"] = error
    for name, scores in probes.items():
        statistics[f"probe_{name}"] = weighted_ratio(ids, scores.hits)
    return TokenizerScores(rates, purity, abx, robustness, probes, statistics, left_out)


def _encode(
    tokenizer: SpeechTokenizer,
    speech: Iterable[tuple[Utterance, Tensor]],
    augmentations: Mapping[str, Augmentation],
    seed: int,
    num_processes: int,
) -> _EncodedCorpus:
    loaded = [(utterance, waveform) for utterance, waveform in speech if len(waveform)]
    waveforms = [waveform for _, waveform in loaded]
    units, augmented = encode_augmented(tokenizer, waveforms, augmentations, seed, num_processes)
    phonetic = tokenizer.streams[0].prefix
    corpus = _EncodedCorpus(augmented={name: [] for name in augmentations})
    for number, (utterance, waveform) in enumerate(loaded):
        if len(units[number][phonetic]):
            corpus.utterances.append(utterance)
            corpus.seconds.append(len(waveform) / tokenizer.sample_rate)
            corpus.units.append(units[number])
            for name, rows in augmented.items():
                corpus.augmented[name].append(rows[number])
    if not corpus.utterances:
        raise ValueError("no utterance is long enough for a unit: nothing to measure")
    return corpus


def _edits(tokenizer: SpeechTokenizer, clean: Sequence[Units], augmented: Sequence[Units]) -> dict[str, UnitEdits]:
    edits = {}
    for stream in tokenizer.streams:
        prefix = stream.prefix
        edits[prefix] = UnitEdits.between([row[prefix] for row in clean], [row[prefix] for row in augmented])
    return edits


def _with_ids(ids: Sequence[str], statistics: Mapping[str, WeightedStatistic]) -> dict[str, WeightedStatistic]:
    """Return the statistics with the ids of the utterances as items."""
    named = {}
    for key, figure in statistics.items():
        named[key] = replace(figure, items=ids)
    return named


def _phonetic(
    tokenizer: SpeechTokenizer, corpus: _EncodedCorpus, left_out: dict[str, str], seed: int
) -> tuple[Purity | None, ABX | None]:
    stream = tokenizer.streams[0]
    units = []
    phones = []
    occurrences = []
    for utterance, row in zip(corpus.utterances, corpus.units, strict=True):
        if utterance.phonemes:
            units.append(row[stream.prefix])
            phones.append(utterance.phonemes)
            occurrences += triphones(row[stream.prefix], utterance.phonemes, stream.rate, utterance.speaker)
    if not units:
        left_out |= {"purity": "no phone times", "abx": "no phone times"}
        return None, None
    purity = measure_purity(units, phones, stream.rate, seed)
    try:
        return purity, measure_abx(occurrences, seed=seed)
    except ValueError as error:
        left_out["abx"] = str(error)
        return purity, None


def _probes(tokenizer: SpeechTokenizer, corpus: _EncodedCorpus, left_out: dict[str, str]) -> dict[str, Probe]:
    """Cross-validate probes: style on held-out speakers, and speaker on held-out texts."""
    shares = unit_shares(corpus.units, tokenizer.streams)
    speakers = []
    texts = []
    styles = []
    for utterance in corpus.utterances:
        speakers.append(utterance.speaker)
        texts.append(utterance.text)
        styles.append(utterance.style or "")
    probes = {}
    for name, labels, groups in (("speaker", speakers, texts), ("style", styles, speakers)):
        if len(set(labels)) < 2:
            left_out[f"{name} probe"] = f"one {name} only"
        elif len(set(groups)) < 2:
            left_out[f"{name} probe"] = "the same text, or one speaker, throughout"
        else:
            probes[name] = probe(shares, labels, groups)
    return probes
