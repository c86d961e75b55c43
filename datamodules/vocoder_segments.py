"""Datasets of tokenized utterances with their waveforms: random segments, and beginnings of utterances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset, IterableDataset

from datamodules.batch_numbers import batches_of_worker
from zoo.audio import read
from zoo.tokens.store import TokenTable
from zoo.tokens.units import runs
from zoo.vocoder.unit_inputs import UNKNOWN, at_rate, in_order


@dataclass(frozen=True)
class IndexedNames:
    """A column of names in a token store, as distinct names and an index into them for every row.

    Args:
        names: Distinct names in the order of their indices.
        indices: Index of the name of each row, (num_rows,) int64.
    """

    names: list[str]
    indices: np.ndarray


class UtteranceRows:
    """Utterances of one split of a token store, with units, waveform, speaker and style; opened once per process.

    Args:
        folder: Folder filled by a tokens stage.
        split: Name of the split, such as train.
        rates: Units per second by prefix, the phonetic stream first.
        sample_rate: Sample rate of the waveforms, in Hz.
        duration_units: Number of phonetic units around a segment whose runs are returned, at most.
    """

    def __init__(
        self, folder: Path, split: str, rates: dict[str, float], sample_rate: int, duration_units: int
    ) -> None:
        self.folder = folder
        self.split = split
        self.rates = dict(rates)
        self.sample_rate = sample_rate
        self.duration_units = duration_units
        self.phonetic, self.unit_rate = next(iter(self.rates.items()))

    def __getstate__(self) -> dict[str, Any]:
        # Memory-mapped files cannot be sent to loader workers, which open them anew.
        return {key: value for key, value in vars(self).items() if key != "table"}

    @cached_property
    def table(self) -> TokenTable:
        return TokenTable(self.folder, self.split)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of phonetic units of every row, (num_rows,); 0 for a row without an audio file, as at other speeds.

        Raises:
            ValueError: The units of most rows do not last as long as their audio, so that ``rates`` must be wrong.
        """
        has_audio = np.array([bool(audio) for audio in self.table.values("audio")])
        lengths = np.where(has_audio, self.table.lengths(self.phonetic), 0)
        seconds = np.array(self.table.values("duration"))
        is_off = has_audio & (np.abs(lengths / self.unit_rate - seconds) > 0.1 + 0.02 * seconds)
        if is_off.sum() > 0.5 * has_audio.sum():
            row = int(np.flatnonzero(is_off)[0])
            raise ValueError(
                f"{self.folder}: row {row} has {lengths[row]} {self.phonetic} units in {seconds[row]:.2f} s, "
                f"which is not the {self.unit_rate:g} a second of rates.{self.phonetic}"
            )
        return lengths

    @cached_property
    def _speakers(self) -> IndexedNames:
        return self._indexed("speaker")

    @cached_property
    def _styles(self) -> IndexedNames:
        return self._indexed("style")

    def _indexed(self, column: str) -> IndexedNames:
        values = self.table.values(column)
        names = in_order(values)
        index_of = {name: index for index, name in enumerate(names)}
        indices = [index_of[value or UNKNOWN] for value in values]
        return IndexedNames(names, np.array(indices, dtype=np.int64))

    @property
    def speakers(self) -> list[str]:
        """Names of the speakers in the order of their indices."""
        return self._speakers.names

    @property
    def styles(self) -> list[str]:
        """Names of the styles in the order of their indices."""
        return self._styles.names

    def units(self, row: int, prefix: str) -> np.ndarray:
        """Return the raw units of one stream of a row at their own rate, (K,).

        Raises:
            ValueError: The row has no such stream.
        """
        units = self.table.array(row, prefix)
        if units is None:
            raise ValueError(f"{self.folder}: row {row} has no {prefix} units: tokenize the corpus with that stream")
        return units

    def commonest(self, prefix: str, count: int) -> list[int]:
        """Return the ``count`` most frequent units of one stream, the most frequent first."""
        totals = np.zeros(0, dtype=np.int64)
        for row in range(len(self.table)):
            counts = np.bincount(self.units(row, prefix))
            totals = np.pad(totals, (0, max(0, len(counts) - len(totals))))
            totals[: len(counts)] += counts
        by_frequency = np.argsort(-totals, kind="stable")[:count]
        return [int(unit) for unit in by_frequency if totals[unit]]

    def segment(self, row: int, start: int, length: int) -> dict[str, Any]:
        """Return phonetic units ``start`` to ``start + length`` of a row with their speech.

        Returns:
            A dictionary: ``waveform`` (N,), ``units`` (length,) by prefix, ``run_units`` and ``run_frames`` (R,),
            ``speaker`` and ``style`` ().
        """
        streams = {prefix: self.units(row, prefix) for prefix in self.rates}
        phonetic = streams[self.phonetic]
        units = {}
        for prefix, slow in streams.items():
            repeated = at_rate(slow, self.rates[prefix], self.unit_rate, len(phonetic))
            units[prefix] = torch.from_numpy(repeated[start : start + length].astype(np.int64))
        # Runs are taken from a longer excerpt around the segment, which cuts few of them.
        middle = start + length // 2
        first = max(0, min(middle - self.duration_units // 2, len(phonetic) - self.duration_units))
        excerpt = phonetic[first : first + self.duration_units].astype(np.int64)
        run_starts, run_frames = runs(excerpt)
        return {
            "waveform": self._waveform(row, start, length),
            "units": units,
            "run_units": torch.from_numpy(excerpt[run_starts]),
            "run_frames": torch.from_numpy(run_frames.astype(np.int64)),
            "speaker": torch.tensor(self._speakers.indices[row]),
            "style": torch.tensor(self._styles.indices[row]),
        }

    def transcript(self, row: int, length: int) -> tuple[str, str]:
        """Return the text of a row, empty if it has more than ``length`` phonetic units, and its language."""
        utterance = self.table[row]
        return utterance.text if length >= self.lengths[row] else "", utterance.language

    def _waveform(self, row: int, start: int, length: int) -> Tensor:
        """Return the samples (N,) of ``length`` phonetic units from ``start``; zeros after the end of the audio."""
        utterance = self.table[row]
        num_samples = round(length * self.sample_rate / self.unit_rate)
        offset = start / self.unit_rate
        seconds = min(length / self.unit_rate, utterance.duration - offset)
        waveform = read(Path(utterance.audio), self.sample_rate, utterance.start + offset, seconds)[:num_samples]
        return F.pad(waveform, (0, num_samples - len(waveform)))


class Segments(IterableDataset):
    """Batches of random segments; batch ``n`` is a pure function of (seed, n), whatever the number of workers.

    Args:
        rows: The utterances.
        chosen: Rows to draw from, each at least as long as a segment.
        segment_units: Phonetic units in a segment, T.
        batch_size: Segments in a batch, B.
        batches: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the random segments.
    """

    def __init__(
        self, rows: UtteranceRows, chosen: np.ndarray, segment_units: int, batch_size: int, batches: range, seed: int
    ) -> None:
        self.rows = rows
        self.chosen = chosen
        self.segment_units = segment_units
        self.batch_size = batch_size
        self.batches = batches
        self.seed = seed
        # The possible starts of all utterances are numbered consecutively; an utterance of n units has
        # n - segment_units + 1 of them. ``ends`` holds the end of the numbers of each utterance, (utterances,).
        self.ends = np.cumsum(rows.lengths[chosen] - segment_units + 1)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number in batches_of_worker(self.batches):
            yield self.batch(number)

    def batch(self, number: int) -> dict[str, Any]:
        """Return batch ``number``, as ``VocoderDataModule`` documents it."""
        start_numbers = np.random.default_rng([self.seed, 1, number]).integers(self.ends[-1], size=self.batch_size)
        rows = np.searchsorted(self.ends, start_numbers, side="right")
        starts = start_numbers - np.concatenate([[0], self.ends])[rows]
        segments = []
        for row, start in zip(rows, starts, strict=True):
            segments.append(self.rows.segment(int(self.chosen[row]), int(start), self.segment_units))
        return collate(segments)


class Utterances(Dataset):
    """Beginnings of utterances, in batches of one, with ``text`` and ``language``, lists of one.

    The text is empty where it is unknown, or where the utterance is cut.

    Args:
        rows: The utterances.
        chosen: Rows that are yielded.
        max_units: Largest number of phonetic units, from the beginning of the utterance.
    """

    def __init__(self, rows: UtteranceRows, chosen: np.ndarray, max_units: int) -> None:
        self.rows = rows
        self.chosen = chosen
        self.max_units = max_units

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(self.chosen[index])
        length = min(self.max_units, int(self.rows.lengths[row]))
        batch = collate([self.rows.segment(row, 0, length)])
        text, language = self.rows.transcript(row, length)
        return batch | {"text": [text], "language": [language]}


def collate(segments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack segments, as ``UtteranceRows.segment`` returns them, into a batch; runs are padded with 0."""
    batch: dict[str, Any] = {}
    for name in ("waveform", "speaker", "style"):
        batch[name] = torch.stack([segment[name] for segment in segments])
    for name in ("run_units", "run_frames"):
        rows = [segment[name] for segment in segments]
        batch[name] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    batch["units"] = {}
    for prefix in segments[0]["units"]:
        batch["units"][prefix] = torch.stack([segment["units"][prefix] for segment in segments])
    return batch
