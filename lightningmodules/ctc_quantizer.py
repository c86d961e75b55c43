"""Training of a quantizer whose units are robust to augmentation."""

from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from lightningmodules.attached import data_module_of
from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.ranges import LearningRate, NonNegativeFloat, NonNegativeInt, PositiveFloat, Temperature, check_ranges
from zoo.speech.augmentation_invariance import aligned_loss, consistency_loss, imbalance
from zoo.speech.ctc_quantizer import CTCQuantizer
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.units import runs


@dataclass(frozen=True)
class QuantizerLosses:
    """Weights and schedule of the losses besides CTC; with the defaults, CTC is the only loss (Gat et al. 2023).

    Args:
        aligned_steps: Number of optimizer steps at the start in which CTC is replaced by the frame-wise cross entropy
            against the teacher's units, stretched linearly in time. Without them, a network with random weights
            predicts only blanks for a long time.
        aligned_weight: Weight of the frame-wise cross entropy against the teacher's units in the later steps. On little
            speech, CTC alone collapses to blanks.
        consistency_weight: Weight, in the later steps, of the cross entropy with the quantizer's own predictions on
            the clean speech; see ``zoo.speech.augmentation_invariance``.
        balance_weight: Weight, in the later steps, of the imbalance of unit use in each utterance. Without it,
            ``consistency_weight`` makes the predictions collapse to few units.
        temperature: Divisor of the log-probabilities on the clean speech before they become targets; below 1 sharpens
            them.
    """

    aligned_steps: NonNegativeInt = 0
    aligned_weight: NonNegativeFloat = 0.0
    consistency_weight: NonNegativeFloat = 0.0
    balance_weight: NonNegativeFloat = 0.0
    temperature: Temperature = 0.5

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class WeightedLoss:
    """A loss and its weight in the total training loss."""

    weight: float
    value: Tensor


class AugmentationInvariantQuantizer(L.LightningModule):
    """Training of a quantizer on augmented speech to predict a teacher's units of the clean speech (Gat et al. 2023).

    The targets are the teacher's deduplicated units; CTC aligns them with the augmented speech. In a second round, the
    quantizer of the first round is the teacher.

    In addition to CTC, the quantizer may be trained to agree with its own predictions on the clean speech while it uses
    all its units (IMSAT, Hu et al. 2017); see ``QuantizerLosses``. Over several rounds, the units then become easier to
    distinguish under augmentation.

    Logs ``{train,val}/loss`` in nats per target unit and, for each augmentation of the data, ``val/ued_NAME``: the edit
    distance from the units of the clean speech to those of the augmented speech, per unit of the clean speech.
    ``val/teacher_ued_NAME`` is the same distance for the teacher's units. ``val/perplexity`` and
    ``val/units_per_second``, and the same values of the teacher, reveal a quantizer that predicts the same unit
    everywhere.

    Args:
        quantizer: Quantizer to train.
        encoder: Encoder of the features; frozen.
        teacher: Phonetic units of k-means or of the previous round; frozen.
        learning_rate: Peak learning rate, reached after the warm-up.
        losses: Weights and schedule of the losses besides CTC. Defaults to CTC alone.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        gradient_clip: Largest norm of the gradient.
        weight_decay: Weight decay of AdamW.

    Raises:
        ValueError: If quantizer and encoder differ in the width of the features, or quantizer and teacher in the number
            of units.
    """

    def __init__(
        self,
        quantizer: CTCQuantizer,
        encoder: SpeechEncoder,
        teacher: UnitExtractor,
        learning_rate: LearningRate,
        losses: QuantizerLosses | None = None,
        warmup_steps: NonNegativeInt = 100,
        gradient_clip: PositiveFloat = 1.0,
        weight_decay: NonNegativeFloat = 0.01,
    ) -> None:
        super().__init__()
        if quantizer.dim != encoder.dim:
            raise ValueError(
                f"quantizer.widths begin with {quantizer.dim}, but the features of the encoder are {encoder.dim} wide"
            )
        if teacher.stream.size not in (quantizer.size, quantizer.stream_size):
            raise ValueError(
                f"the quantizer has {quantizer.size} units, but the teacher {teacher.stream.size}: "
                f"make the last of quantizer.widths {teacher.stream.size + 1}"
            )
        self.quantizer = quantizer
        self.encoder = encoder.requires_grad_(False)
        self.teacher = teacher.requires_grad_(False)
        self.losses = losses or QuantizerLosses()
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.gradient_clip = gradient_clip
        self.weight_decay = weight_decay
        self.distances = nn.ModuleDict()
        self.teacher_distances = nn.ModuleDict()
        self.perplexity = UnitPerplexity(quantizer.stream_size)
        self.teacher_perplexity = UnitPerplexity(quantizer.stream_size)

    def setup(self, stage: str) -> None:
        for name in data_module_of(self.trainer).augmentations:
            for distances in (self.distances, self.teacher_distances):
                if name not in distances:
                    distances[name] = UnitEditDistance()

    def train(self, mode: bool = True) -> "AugmentationInvariantQuantizer":
        """Keep dropout off in the frozen encoder and teacher."""
        super().train(mode)
        self.encoder.eval()
        self.teacher.eval()
        return self

    def loss(self, log_probs: Tensor, frames: Tensor, targets: list[Tensor]) -> Tensor:
        """Return the CTC loss in nats per target unit.

        Rows that are shorter than their targets do not contribute to the loss.

        Args:
            log_probs: Log-probabilities (B, T, size + 1), the blank last.
            frames: Frames of each row, (B,).
            targets: Units (N,) of each row, without repetition and blanks.
        """
        lengths = torch.tensor([len(target) for target in targets], device=frames.device)
        losses = F.ctc_loss(
            log_probs.float().transpose(0, 1),
            torch.cat(targets),
            frames,
            lengths,
            blank=self.quantizer.size,
            reduction="none",
            zero_infinity=True,
        )
        return losses.sum() / lengths.sum().clamp(min=1)

    @torch.no_grad()
    def features(self, waveforms: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return features of waveforms (N,), padded to (B, T, dim), and the frames of each, (B,)."""
        rows = self.encoder.batch(waveforms)
        frames = torch.tensor([len(row) for row in rows], device=self.device)
        return pad_sequence(rows, batch_first=True), frames

    @torch.no_grad()
    def teacher_units(self, waveforms: list[Tensor]) -> list[Tensor]:
        """Return the teacher's units of waveforms, (T,) each."""
        return [torch.from_numpy(units).to(self.device) for units in self.teacher.encode_batch(waveforms)]

    def targets(self, units: list[Tensor]) -> list[Tensor]:
        """Return the targets of CTC, units without repetition and blanks, (N,) each."""
        targets = []
        for row in units:
            deduplicated = row.unique_consecutive()
            targets.append(deduplicated[deduplicated < self.quantizer.size])
        return targets

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        clean = self._unpad(batch["clean"], batch["clean_samples"])
        augmented = self._unpad(batch["augmented"], batch["augmented_samples"])
        features, frames = self.features(augmented)
        log_probs = self.quantizer.log_probs(features, frames)
        units = self.teacher_units(clean)
        if self.global_step < self.losses.aligned_steps:
            losses = {"aligned_loss": WeightedLoss(1.0, aligned_loss(log_probs, frames, units))}
        else:
            losses = {"loss": WeightedLoss(1.0, self.loss(log_probs, frames, self.targets(units)))}
            losses |= self.further_losses(log_probs, frames, units, clean)
        for name, loss in losses.items():
            self.log(f"train/{name}", loss.value, prog_bar=name.endswith("loss"), batch_size=len(clean))
        return torch.stack([loss.weight * loss.value for loss in losses.values()]).sum()

    def further_losses(
        self, log_probs: Tensor, frames: Tensor, units: list[Tensor], clean: list[Tensor]
    ) -> dict[str, WeightedLoss]:
        """Return, by name, the losses besides CTC whose weights are not 0.

        Args:
            log_probs: Log-probabilities (B, T, size + 1) on the augmented speech.
            frames: Frames of each row, (B,).
            units: The teacher's units (T,) of each clean waveform.
            clean: Clean waveforms (N,).
        """
        settings = self.losses
        losses = {}
        if settings.aligned_weight:
            value = aligned_loss(log_probs, frames, units)
            losses["aligned_loss"] = WeightedLoss(settings.aligned_weight, value)
        if settings.consistency_weight:
            features, clean_frames = self.features(clean)
            self.quantizer.eval()  # predictions on the clean speech are targets: without dropout and gradient
            with torch.no_grad():
                targets = self.quantizer.log_probs(features, clean_frames)
            self.quantizer.train()
            value = consistency_loss(log_probs, frames, targets, clean_frames, settings.temperature)
            losses["consistency_loss"] = WeightedLoss(settings.consistency_weight, value)
        if settings.balance_weight:
            losses["imbalance"] = WeightedLoss(settings.balance_weight, imbalance(log_probs, frames))
        return losses

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        clean = batch["clean"]
        log_probs, frames = self._predict(clean)
        (teacher_units,) = self.teacher_units([clean])
        self.log("val/loss", self.loss(log_probs, frames, self.targets([teacher_units])), batch_size=1)
        units = self.units(log_probs)
        self.perplexity.update(units)
        self.log("val/perplexity", self.perplexity, batch_size=1)
        self.teacher_perplexity.update(teacher_units)
        self.log("val/teacher_perplexity", self.teacher_perplexity, batch_size=1)
        self.log("val/units_per_second", self._units_per_second(units), batch_size=1)
        self.log("val/teacher_units_per_second", self._units_per_second(teacher_units), batch_size=1)
        for name, waveform in batch["augmented"].items():
            distance = _distance(self.distances, name)
            distance.update(self.units(self._predict(waveform)[0]), units)
            self.log(f"val/ued_{name}", distance, batch_size=1)
            teacher_distance = _distance(self.teacher_distances, name)
            teacher_distance.update(self.teacher.encode(waveform), teacher_units)
            self.log(f"val/teacher_ued_{name}", teacher_distance, batch_size=1)

    def _predict(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (1, T, size + 1) and frames (1,) of a waveform (N,)."""
        features, frames = self.features([waveform])
        return self.quantizer.log_probs(features, frames), frames

    def _units_per_second(self, units: Tensor) -> float:
        num_runs = len(runs(units.cpu().numpy())[0])
        return num_runs / len(units) * self.encoder.frame_rate

    def units(self, log_probs: Tensor) -> Tensor:
        """Return the units (T,) of one row of log-probabilities (1, T, size + 1)."""
        return self.quantizer.decode(log_probs)[0]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.quantizer.parameters(), self.gradient_clip)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return adamw_with_warmup(
            self.quantizer,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            weight_decay=self.weight_decay,
        )

    def _unpad(self, waveforms: Tensor, samples: Tensor) -> list[Tensor]:
        """Remove the padding of a batch (B, N); rows that are too short for a frame keep as much as a frame needs."""
        shortest = max(self.encoder.min_samples, self.teacher.min_samples)
        rows = []
        for row, count in zip(waveforms, samples.tolist(), strict=True):
            rows.append(F.pad(row[:count], (0, max(0, shortest - count))))
        return rows


def _distance(distances: nn.ModuleDict, name: str) -> UnitEditDistance:
    distance = distances[name]
    assert isinstance(distance, UnitEditDistance)
    return distance
