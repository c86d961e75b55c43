"""Segments of speech with their units, to train a vocoder."""

from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
from torch.utils.data import DataLoader

from datamodules.batch_numbers import batches_to_train, trainer_of, training_loader
from datamodules.vocoder_segments import Segments, UtteranceRows, Utterances


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
    """Random segments of speech that begin and end with a unit, each with all its streams of units.

    A batch is a dictionary: ``waveform`` (B, N); ``units`` (B, T) by prefix, all at the rate of the first stream;
    ``speaker`` and ``style`` (B,); ``run_units`` and ``run_frames`` (B, R), the runs of equal units in the utterance
    around the segment and how many frames each lasts, padded with runs of 0 frames.

    Every second of the corpus is equally likely. Utterances shorter than a segment are left out, and so are rows
    without an audio file; ``num_left_out`` counts them. Some utterances of the same speakers are held out for
    validation.

    Args:
        tokens: Folder filled by a tokens stage.
        rates: Units per second by prefix, the phonetic stream first.
        segment_units: Phonetic units in a segment, T.
        batch_size: Segments per device, B.
        split: Split of the tokens.
        held_out: Utterances kept from training for validation. Defaults to ``HeldOutUtterances()``.
        duration_units: Most phonetic units around a segment whose runs are served.
        num_workers: Loader processes per device.
        seed: Seed of the random segments and of the choice of validation utterances.
        sample_rate: Sample rate of the waveforms, in Hz.
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
        self.segment_units = segment_units
        self.batch_size = batch_size
        self.held_out = held_out or HeldOutUtterances()
        self.num_workers = num_workers
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Divide the utterances that are long enough into training and validation.

        Raises:
            ValueError: Where no utterance has an audio file, or none is as long as a segment.
        """
        lengths = self.rows.lengths
        if lengths.max() == 0:
            raise ValueError(
                f"{self.rows.folder}: no row of split {self.rows.split!r} names the audio file it was made of, "
                "which a vocoder is trained on"
            )
        long_enough = np.flatnonzero(lengths >= self.segment_units)
        if not len(long_enough):
            raise ValueError(
                f"{self.rows.folder}: no utterance of split {self.rows.split!r} has segment_units "
                f"{self.segment_units}; the longest has {lengths.max()}: use shorter segments"
            )
        self.num_left_out = len(lengths) - len(long_enough)
        shuffled = np.random.default_rng([self.seed, 0]).permutation(long_enough)
        most = len(long_enough) // 10 or int(len(long_enough) > 1)
        num_validation = min(self.held_out.num_utterances, most)
        self.validation = np.sort(shuffled[:num_validation])
        self.training = np.sort(shuffled[num_validation:])

    @property
    def speakers(self) -> list[str]:
        """Names of the speakers in the order of their indices."""
        return self.rows.speakers

    @property
    def styles(self) -> list[str]:
        """Names of the styles in the order of their indices; ``unknown`` first where an utterance has none."""
        return self.rows.styles

    def train_dataloader(self) -> DataLoader:
        batches = batches_to_train(trainer_of(self))
        segments = Segments(self.rows, self.training, self.segment_units, self.batch_size, batches, self.seed)
        return training_loader(segments, self.num_workers)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Utterances(self.rows, self.validation, self.held_out.max_units), batch_size=None)
