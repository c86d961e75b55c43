"""Utterances of the data of a vocoder, as resynthesis and its judges take them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from datamodules.vocoder import VocoderDataModule
from zoo.evaluation.resynthesis import ResynthesisItem, other_of_speaker


def training_utterances(data: VocoderDataModule, limit: int = 500) -> Iterator[ResynthesisItem]:
    """Yield utterances that a vocoder was trained on, in random order.

    Args:
        data: Training data of the vocoder, which is set up.
        limit: Largest number of utterances.
    """
    training = np.random.default_rng(0).permutation(data.training)[:limit]
    return read_utterances(data, tqdm(training, "mean spectra", mininterval=1.0))


def with_other_recordings(utterances: list[ResynthesisItem]) -> list[ResynthesisItem]:
    """Return the utterances, each with another of its speaker, if there is one."""
    others = other_of_speaker([utterance.speaker for utterance in utterances])
    items = []
    for utterance, other in zip(utterances, others, strict=True):
        items.append(replace(utterance, other_recording=None if other is None else utterances[other].waveform))
    return items


def read_utterances(data: VocoderDataModule, rows: Iterable[int]) -> Iterator[ResynthesisItem]:
    """Yield utterances of the data, cut to the length that the data validates on."""
    for row in map(int, rows):
        num_units = min(data.held_out.max_units, int(data.rows.lengths[row]))
        segment = data.rows.segment(row, 0, num_units)
        units = {}
        for prefix, rate in data.rows.rates.items():
            limit = max(1, round(data.held_out.max_units / data.rows.unit_rate * rate))
            units[prefix] = data.rows.table.array(row, prefix)[:limit].astype(np.int64)
        text, language = data.rows.transcript(row, num_units)
        yield ResynthesisItem(
            data.rows.table[row].id,
            segment["waveform"],
            units,
            data.speakers[int(segment["speaker"])],
            data.styles[int(segment["style"])],
            text,
            frames=segment["units"],
            language=language,
        )
