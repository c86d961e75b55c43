"""Training and validation data of a vocoder: segments of speech with their units."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import lightning as L
import numpy as np
from torch.utils.data import DataLoader

from datamodules.batch_numbers import batches_to_train, trainer_of, training_loader
from datamodules.vocoder_segments import Segments, UtteranceRows, Utterances
from zoo.ranges import NONEMPTY, NumWorkers, Rate, SampleRate, Seed, Size, check_ranges


@dataclass(frozen=True)
class HeldOutUtterances:
    """Size of the validation set that is held out from training.

    Args:
        num_utterances: Number of utterances; at most a tenth of all utterances is held out.
        max_units: Largest number of phonetic units of an utterance, from its beginning.
    """

    num_utterances: Size = 16
    max_units: Size = 250

    def __post_init__(self) -> None:
        check_ranges(self)


class VocoderDataModule(L.LightningDataModule):
    """Random segments of speech, cut at boundaries of units, with the units of all streams.

    A batch is a dictionary: ``waveform`` (B, N); ``units`` (B, T) by prefix, repeated to the rate of the first stream;
    ``speaker`` and ``style`` (B,), indices of names; ``run_units`` and ``run_frames`` (B, R), the unit and the number
    of frames of each run of equal phonetic units around the segment, padded with runs of 0 frames.

    Every second of the corpus is about equally likely. Utterances shorter than a segment and rows without an audio file
    are left out; ``num_left_out`` is their number. The utterances held out for validation are of the same speakers.

    Args:
        tokens: Folder filled by a tokens stage.
        rates: Units per second of each stream by prefix, the phonetic stream first.
        segment_units: Number of phonetic units in a segment, T.
        batch_size: Segments per device, B.
        split: Split of the tokens that is used.
        held_out: Size of the validation set. Defaults to ``HeldOutUtterances()``.
        duration_units: Number of phonetic units around a segment whose runs are returned, at most.
        num_workers: Loader processes per device.
        seed: Seed of the random segments and of the choice of validation utterances.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(
        self,
        tokens: Path,
        rates: Annotated[dict[str, Rate], NONEMPTY],
        segment_units: Size,
        batch_size: Size,
        split: str = "train",
        held_out: HeldOutUtterances | None = None,
        duration_units: Size = 500,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
        sample_rate: SampleRate = 16000,
    ) -> None:
        super().__init__()
        self.rows = UtteranceRows(Path(tokens), split, rates, sample_rate, duration_units)
        self.segment_units = segment_units
        self.batch_size = batch_size
        self.held_out = held_out or HeldOutUtterances()
        self.num_workers = num_workers
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Divide the utterances that are long enough into training and validation.

        Raises:
            ValueError: No utterance has an audio file, or none is as long as a segment.
        """
        lengths = self.rows.lengths
        if lengths.max() == 0:
            raise ValueError(
                f"{self.rows.folder}: no row of split {self.rows.split!r} names its audio file, "
                "which training a vocoder needs"
            )
        long_enough = np.flatnonzero(lengths >= self.segment_units)
        if not len(long_enough):
            raise ValueError(
                f"{self.rows.folder}: no utterance of split {self.rows.split!r} has segment_units "
                f"{self.segment_units}; the longest has {lengths.max()}: use shorter segments"
            )
        self.num_left_out = len(lengths) - len(long_enough)
        shuffled = np.random.default_rng([self.seed, 0]).permutation(long_enough)
        max_validation = len(long_enough) // 10 or int(len(long_enough) > 1)
        num_validation = min(self.held_out.num_utterances, max_validation)
        self.validation = np.sort(shuffled[:num_validation])
        self.training = np.sort(shuffled[num_validation:])

    @property
    def speakers(self) -> list[str]:
        """Names of the speakers in the order of their indices."""
        return self.rows.speakers

    @property
    def styles(self) -> list[str]:
        """Names of the styles in the order of their indices; the first is ``unknown`` if an utterance has no style."""
        return self.rows.styles

    def train_dataloader(self) -> DataLoader:
        batches = batches_to_train(trainer_of(self))
        segments = Segments(self.rows, self.training, self.segment_units, self.batch_size, batches, self.seed)
        return training_loader(segments, self.num_workers)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Utterances(self.rows, self.validation, self.held_out.max_units), batch_size=None)
