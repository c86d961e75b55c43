"""Training of a quantizer whose units stay the same whatever happens to the sound."""

from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.speech.augmentation_invariance import aligned_loss, consistency_loss, imbalance
from zoo.speech.ctc_quantizer import CTCQuantizer
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.units import runs

Weighted = dict[str, tuple[float, Tensor]]  # losses by name with their weights


@dataclass(frozen=True)
class QuantizerLosses:
    """Weights and schedule of the losses beside CTC; the defaults, all 0, are the training of Gat et al. (2023).

    Args:
        aligned_steps: Optimizer steps at the start in which CTC is replaced by the frame-wise cross entropy with the teacher's
            units, stretched linearly in time. From random weights, CTC predicts nothing but blanks for long.
        aligned_weight: Weight of the same cross entropy beside CTC in the later steps. On little speech, CTC alone collapses
            to blanks.
        consistency_weight: Weight, in the later steps, of the cross entropy with the quantizer's own predictions on the clean
            speech; see ``zoo.speech.augmentation_invariance``.
        balance_weight: Weight, in the later steps, of the imbalance of unit use in each utterance. Without it,
            ``consistency_weight`` makes the predictions collapse to few units.
        temperature: Temperature of the predictions on the clean speech; below 1 sharpens them.
    """

    aligned_steps: int = 0
    aligned_weight: float = 0.0
    consistency_weight: float = 0.0
    balance_weight: float = 0.0
    temperature: float = 0.5


class AugmentationInvariantQuantizer(L.LightningModule):
    """Learns to read the units that the teacher hears in clean speech from the features of changed speech (Gat et al. 2023).

    The targets are the teacher's units without repetition; CTC finds where they lie in the changed speech. A second round
    takes the quantizer of the first as its teacher.

    Beside CTC the quantizer may be taught to agree with itself and yet to use all its units (IMSAT, Hu et al. 2017): see
    ``QuantizerLosses``. The units then move, round by round, to where they can be told apart whatever happens to the sound.

    Logs ``{train,val}/loss``, in nats per target unit, and for each augmentation of the data ``val/ued_NAME``: edits from
    the units of the clean speech to those of the changed one, per unit of the clean; ``val/teacher_ued_NAME`` is that of
    the teacher. ``val/perplexity`` and ``val/units_per_second`` beside the teacher's tell a robust quantizer from one that
    says the same of everything.

    Args:
        quantizer: Trained.
        encoder: Of the features; stays as it is.
        teacher: Phonetic units, of k-means or of the round before.
        learning_rate: Peak learning rate, reached after the warm-up.
        losses: Weights and schedule of the losses beside CTC. Defaults to CTC alone.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        gradient_clip: Largest norm of the gradient.
        weight_decay: Of AdamW.

    Raises:
        ValueError: Where quantizer, encoder and teacher do not fit together.
    """

    def __init__(
        self,
        quantizer: CTCQuantizer,
        encoder: SpeechEncoder,
        teacher: UnitExtractor,
        learning_rate: float,
        losses: QuantizerLosses | None = None,
        warmup_steps: int = 100,
        gradient_clip: float = 1.0,
        weight_decay: float = 0.01,
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
        self.quantizer, self.encoder, self.teacher = (
            quantizer,
            encoder.requires_grad_(False),
            teacher.requires_grad_(False),
        )
        self.losses = losses or QuantizerLosses()
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.gradient_clip, self.weight_decay = gradient_clip, weight_decay
        self.distances, self.teacher_distances = nn.ModuleDict(), nn.ModuleDict()
        self.perplexity, self.teacher_perplexity = (UnitPerplexity(quantizer.stream_size) for _ in range(2))

    def setup(self, stage: str) -> None:
        for name in self.trainer.datamodule.augmentations:
            for distances in (self.distances, self.teacher_distances):
                if name not in distances:
                    distances[name] = UnitEditDistance()

    def train(self, mode: bool = True) -> "AugmentationInvariantQuantizer":
        """Only the quantizer learns; dropout stays off in what it is taught with."""
        super().train(mode)
        self.encoder.eval()
        self.teacher.eval()
        return self

    def loss(self, log_probs: Tensor, frames: Tensor, targets: list[Tensor]) -> Tensor:
        """CTC loss in nats per target unit: log-probabilities (B, T, size + 1) of so many frames (B,), targets (N,) each.

        Rows too short for their targets count nothing.
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
        """Features of waveforms (N,), padded (B, T, dim), and the frames of each (B,)."""
        rows = self.encoder.batch(waveforms)
        return pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows], device=self.device)

    @torch.no_grad()
    def taught(self, waveforms: list[Tensor]) -> list[Tensor]:
        """The teacher's units of waveforms, (T,) each."""
        return [torch.from_numpy(units).to(self.device) for units in self.teacher.encode_batch(waveforms)]

    def targets(self, units: list[Tensor]) -> list[Tensor]:
        """The same without repetition and blanks, (N,) each."""
        rows = [row.unique_consecutive() for row in units]
        return [row[row < self.quantizer.size] for row in rows]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        clean, augmented = (self._rows(batch[name], batch[f"{name}_samples"]) for name in ("clean", "augmented"))
        features, frames = self.features(augmented)
        log_probs, units = self.quantizer.log_probs(features, frames), self.taught(clean)
        if self.global_step < self.losses.aligned_steps:
            weighted: Weighted = {"aligned_loss": (1.0, aligned_loss(log_probs, frames, units))}
        else:
            weighted = {
                "loss": (1.0, self.loss(log_probs, frames, self.targets(units))),
                **self.further_losses(log_probs, frames, units, clean),
            }
        for name, (_, loss) in weighted.items():
            self.log(f"train/{name}", loss, prog_bar=name.endswith("loss"), batch_size=len(clean))
        return torch.stack([weight * loss for weight, loss in weighted.values()]).sum()

    def further_losses(self, log_probs: Tensor, frames: Tensor, units: list[Tensor], clean: list[Tensor]) -> Weighted:
        """What stands beside CTC and has a weight, from the teacher's units (N,) each and the clean waveforms (N,) that they were heard in."""
        losses: Weighted = {}
        if self.losses.aligned_weight:
            losses["aligned_loss"] = (self.losses.aligned_weight, aligned_loss(log_probs, frames, units))
        if self.losses.consistency_weight:
            features, clean_frames = self.features(clean)
            self.quantizer.eval()  # without dropout
            with torch.no_grad():
                own = self.quantizer.log_probs(features, clean_frames)
            self.quantizer.train()
            losses["consistency_loss"] = (
                self.losses.consistency_weight,
                consistency_loss(log_probs, frames, own, clean_frames, self.losses.temperature),
            )
        if self.losses.balance_weight:
            losses["imbalance"] = (self.losses.balance_weight, imbalance(log_probs, frames))
        return losses

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        clean, changed = batch["clean"], batch["augmented"]
        features, frames = self.features([clean])
        log_probs, (taught,) = self.quantizer.log_probs(features, frames), self.taught([clean])
        self.log("val/loss", self.loss(log_probs, frames, self.targets([taught])), batch_size=1)
        units = self.units(log_probs)
        for metric, found, name in (
            (self.perplexity, units, "perplexity"),
            (self.teacher_perplexity, taught, "teacher_perplexity"),
        ):
            metric.update(found)
            self.log(f"val/{name}", metric, batch_size=1)
        for found, name in ((units, "units_per_second"), (taught, "teacher_units_per_second")):
            self.log(
                f"val/{name}", len(runs(found.cpu().numpy())[0]) / len(found) * self.encoder.frame_rate, batch_size=1
            )
        for name, waveform in changed.items():
            self.distances[name].update(self.units(self.quantizer.log_probs(*self.features([waveform]))), units)
            self.log(f"val/ued_{name}", self.distances[name], batch_size=1)
            self.teacher_distances[name].update(self.teacher.encode(waveform), taught)
            self.log(f"val/teacher_ued_{name}", self.teacher_distances[name], batch_size=1)

    def units(self, log_probs: Tensor) -> Tensor:
        """Units (T,) of one row of log-probabilities (1, T, size + 1)."""
        return self.quantizer.decode(log_probs)[0]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.quantizer.parameters(), self.gradient_clip)

    def configure_optimizers(self) -> dict:
        return adamw_with_warmup(
            self.quantizer,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            weight_decay=self.weight_decay,
        )

    def _rows(self, waveforms: Tensor, samples: Tensor) -> list[Tensor]:
        """The rows of a padded batch (B, N), each at its own length, and long enough for a frame."""
        least = max(self.encoder.min_samples, self.teacher.min_samples)
        return [F.pad(row[:count], (0, max(0, least - count))) for row, count in zip(waveforms, samples.tolist())]
