"""Segments of speech and their units, to train a vocoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from zoo.audio import read
from zoo.tokens.store import TokenTable
from zoo.tokens.units import runs
from zoo.vocoder.unit_inputs import UNKNOWN, at_rate, in_order

ENDLESS = 1 << 40


@dataclass(frozen=True)
class HeldOutUtterances:
    """How many utterances are kept from training for validation.

    Args:
        num_utterances: Number of utterances; at most a tenth of all are taken.
        max_units: Phonetic units of each that are used, from its beginning.
    """

    num_utterances: int = 16
    max_units: int = 250


class VocoderDataModule(L.LightningDataModule):
    """Serves random segments that begin and end with a unit, each with all its streams.

    A batch is a dictionary: ``waveform`` (B, N); ``units`` (B, T) by prefix, all at the rate of the first stream; ``speaker``
    and ``style`` (B,); ``run_units`` and ``run_frames`` (B, R), the runs of the utterance around the segment, ended by 0 frames.
    Segments are drawn so that every second of the corpus is as likely. Utterances shorter than a segment are left out, and so
    are rows without an audio file; ``num_left_out`` tells how many. Some utterances of the same speakers are kept from
    training, for validation.

    Args:
        tokens: Folder filled by a tokens stage.
        rates: Units per second by prefix, the phonetic stream first.
        segment_units: Phonetic units in a segment.
        batch_size: Segments per device.
        split: Of the tokens.
        held_out: Utterances kept from training for validation. Defaults to ``HeldOutUtterances()``.
        duration_units: At most so much around a segment goes into its runs.
        num_workers: Loader processes per device.
        seed: Of the draw.
        sample_rate: Of the waveforms, in Hz.
    """

    def __init__(
        self,
        tokens: Path,
        rates: dict[str, float],
        segment_units: int,
        batch_size: int,
        split: str = "train",
        held_out: HeldOutUtterances | None = None,
        duration_units: int = 500,
        num_workers: int = 0,
        seed: int = 0,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.rows = UtteranceRows(Path(tokens), split, rates, sample_rate, duration_units)
        self.held_out = held_out or HeldOutUtterances()
        self.segment_units, self.batch_size = segment_units, batch_size
        self.num_workers, self.seed = num_workers, seed

    def setup(self, stage: str) -> None:
        lengths = self.rows.lengths
        if lengths.max() == 0:
            raise ValueError(
                f"{self.rows.folder}: no row of split {self.rows.split!r} tells the audio file it came from, which a vocoder learns from"
            )
        fit = np.flatnonzero(lengths >= self.segment_units)
        if not len(fit):
            raise ValueError(
                f"{self.rows.folder}: no utterance of split {self.rows.split!r} has segment_units {self.segment_units}; "
                f"the longest has {lengths.max()}: take shorter segments"
            )
        self.num_left_out = len(lengths) - len(fit)
        shuffled = np.random.default_rng([self.seed, 0]).permutation(fit)
        kept = min(self.held_out.num_utterances, len(fit) // 10 or int(len(fit) > 1))
        self.validation, self.training = np.sort(shuffled[:kept]), np.sort(shuffled[kept:])

    @property
    def speakers(self) -> list[str]:
        """Names in the order of their indices."""
        return self.rows.speakers

    @property
    def styles(self) -> list[str]:
        """Names in the order of their indices; ``unknown`` first where an utterance has none."""
        return self.rows.styles

    def train_dataloader(self) -> DataLoader:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        # A resumed run goes on with the batch after the last one it trained on.
        first = self.trainer.global_step * self.trainer.accumulate_grad_batches
        batches = range(first * world + rank, ENDLESS * world, world)
        segments = Segments(self.rows, self.training, self.segment_units, self.batch_size, batches, self.seed)
        return DataLoader(
            segments, batch_size=None, num_workers=self.num_workers, persistent_workers=self.num_workers > 0
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Utterances(self.rows, self.validation, self.held_out.max_units), batch_size=None)


class UtteranceRows:
    """Utterances of one split of a token store, with what a vocoder needs of each; opened once in every process.

    Args:
        folder: Filled by a tokens stage.
        split: Such as train.
        rates: Units per second by prefix, the phonetic stream first.
        sample_rate: Of the waveforms, in Hz.
        duration_units: At most so many go into the runs.
    """

    def __init__(
        self, folder: Path, split: str, rates: dict[str, float], sample_rate: int, duration_units: int
    ) -> None:
        self.folder, self.split, self.rates = folder, split, dict(rates)
        self.sample_rate, self.duration_units = sample_rate, duration_units
        self.phonetic, self.unit_rate = next(iter(self.rates.items()))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "table"}

    @cached_property
    def table(self) -> TokenTable:
        return TokenTable(self.folder, self.split)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Phonetic units of every row, (rows,); 0 for a row without an audio file, such as one read at another speed.

        Raises:
            ValueError: Where they do not last as long as the audio, so that ``rates`` must be wrong.
        """
        heard = np.array([bool(audio) for audio in self.table.values("audio")])
        lengths, seconds = (
            np.where(heard, self.table.lengths(self.phonetic), 0),
            np.array(self.table.values("duration")),
        )
        off = heard & (np.abs(lengths / self.unit_rate - seconds) > 0.1 + 0.02 * seconds)
        if off.sum() > 0.5 * heard.sum():
            row = int(np.flatnonzero(off)[0])
            raise ValueError(
                f"{self.folder}: row {row} has {lengths[row]} {self.phonetic} units in {seconds[row]:.2f} s, "
                f"which is not the {self.unit_rate:g} a second of rates.{self.phonetic}"
            )
        return lengths

    @cached_property
    def _named(self) -> dict[str, tuple[list[str], np.ndarray]]:
        named = {}
        for column in ("speaker", "style"):
            values = self.table.values(column)
            names = in_order(values)
            index = {name: i for i, name in enumerate(names)}
            named[column] = (names, np.array([index[value or UNKNOWN] for value in values], dtype=np.int64))
        return named

    @property
    def speakers(self) -> list[str]:
        return self._named["speaker"][0]

    @property
    def styles(self) -> list[str]:
        return self._named["style"][0]

    def commonest(self, prefix: str, count: int) -> list[int]:
        """The units of one stream that occur most, the first the most."""
        found = np.zeros(0, dtype=np.int64)
        for row in range(len(self.table)):
            counts = np.bincount(self.table.array(row, prefix))
            found = np.pad(found, (0, max(0, len(counts) - len(found))))
            found[: len(counts)] += counts
        return [int(unit) for unit in np.argsort(-found, kind="stable")[:count] if found[unit]]

    def segment(self, row: int, start: int, length: int) -> dict[str, Any]:
        """Units ``start`` to ``start + length`` of a row: (N,), (T,), (), (), (R,), (R,)."""
        streams = {prefix: self.table.array(row, prefix) for prefix in self.rates}
        total = len(streams[self.phonetic])
        units = {
            prefix: torch.from_numpy(
                at_rate(each, self.rates[prefix], self.unit_rate, total)[start : start + length].astype(np.int64)
            )
            for prefix, each in streams.items()
        }
        first = max(0, min(start + length // 2 - self.duration_units // 2, total - self.duration_units))
        around = streams[self.phonetic][first : first + self.duration_units].astype(np.int64)
        starts, frames = runs(around)
        return {
            "waveform": self._waveform(row, start, length),
            "units": units,
            "run_units": torch.from_numpy(around[starts]),
            "run_frames": torch.from_numpy(frames.astype(np.int64)),
            "speaker": torch.tensor(self._named["speaker"][1][row]),
            "style": torch.tensor(self._named["style"][1][row]),
        }

    def _waveform(self, row: int, start: int, length: int) -> Tensor:
        """Exactly the samples of those units, (N,); silence where the audio has ended."""
        flat = self.table[row]
        wanted = round(length * self.sample_rate / self.unit_rate)
        seconds = min(length / self.unit_rate, flat.duration - start / self.unit_rate)
        waveform = read(Path(flat.audio), self.sample_rate, flat.start + start / self.unit_rate, seconds)[:wanted]
        return F.pad(waveform, (0, wanted - len(waveform)))


class Segments(IterableDataset):
    """Batch ``n`` is a pure function of ``(seed, n)``: neither workers nor interruptions change the data.

    Args:
        rows: The utterances.
        chosen: Which of them, each at least a segment long.
        segment_units: Phonetic units in a segment.
        batch_size: Segments in a batch.
        batches: Which batches to serve; the end may be out of reach.
        seed: Of the draw.
    """

    def __init__(
        self, rows: UtteranceRows, chosen: np.ndarray, segment_units: int, batch_size: int, batches: range, seed: int
    ) -> None:
        self.rows, self.chosen, self.segment_units = rows, chosen, segment_units
        self.batch_size, self.batches, self.seed = batch_size, batches, seed
        self.ends = np.cumsum(rows.lengths[chosen] - segment_units + 1)  # possible starts, one utterance after another

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()  # the DataLoader takes one batch from each worker in turn
        yield from map(self.batch, self.batches[worker.id :: worker.num_workers] if worker else self.batches)

    def batch(self, n: int) -> dict[str, Any]:
        places = np.random.default_rng([self.seed, 1, n]).integers(self.ends[-1], size=self.batch_size)
        rows = np.searchsorted(self.ends, places, side="right")
        starts = places - np.concatenate([[0], self.ends])[rows]
        return collate(
            [
                self.rows.segment(int(self.chosen[row]), int(start), self.segment_units)
                for row, start in zip(rows, starts)
            ]
        )


class Utterances(Dataset):
    """Beginnings of utterances, in batches of one.

    Args:
        rows: The utterances.
        chosen: Which of them.
        max_units: At most so much of each.
    """

    def __init__(self, rows: UtteranceRows, chosen: np.ndarray, max_units: int) -> None:
        self.rows, self.chosen, self.max_units = rows, chosen, max_units

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(self.chosen[index])
        return collate([self.rows.segment(row, 0, min(self.max_units, int(self.rows.lengths[row])))])


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stack what ``UtteranceRows.segment`` gives; runs are padded with 0."""
    pad = torch.nn.utils.rnn.pad_sequence
    return {
        "waveform": torch.stack([item["waveform"] for item in items]),
        "units": {prefix: torch.stack([item["units"][prefix] for item in items]) for prefix in items[0]["units"]},
        "run_units": pad([item["run_units"] for item in items], batch_first=True),
        "run_frames": pad([item["run_frames"] for item in items], batch_first=True),
        "speaker": torch.stack([item["speaker"] for item in items]),
        "style": torch.stack([item["style"] for item in items]),
    }
