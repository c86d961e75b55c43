"""Training of units that keep the transcript."""

import math
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from lightningmodules.attached import data_module_of
from lightningmodules.optimizers import TrainedPart, adamw_by_part
from zoo.evaluation.scoring.error_rates import character_errors, word_errors
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.ranges import LearningRate, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Rate, check_ranges
from zoo.speech.bottleneck import Bottlenecked
from zoo.speech.supervised_units import ReadingHead, SupervisedQuantizer
from zoo.speech.transcript_labels import TranscriptLabels, normalize_transcript

Batch = dict[str, Any]


@dataclass(frozen=True)
class BottleneckFitting:
    """When a bottleneck is fitted to latents of training speech, and what is trained until its units may change.

    Args:
        unquantized_steps: Number of optimizer steps at the start in which layers and head are trained without the
            bottleneck. It is then fitted to latents that were trained to be read, and its units keep more of the
            transcript than units of the encoder's features do.
        head_steps: Number of optimizer steps after the fit in which the head alone is trained. Until it reads the
            units, its gradient would only scatter the latents.
        initial_frames: Number of frames that the bottleneck is fitted to; they are held in memory.
    """

    unquantized_steps: NonNegativeInt = 0
    head_steps: NonNegativeInt = 0
    initial_frames: PositiveInt = 100_000

    def __post_init__(self) -> None:
        check_ranges(self)

    def is_fixed(self, step: int) -> bool:
        """Whether the head alone is trained in an optimizer step."""
        return self.unquantized_steps <= step < self.unquantized_steps + self.head_steps


class SupervisedUnits(L.LightningModule):
    """Training of a bottleneck so that a head reads the transcript from its codes, with CTC.

    The features are those of a frozen encoder. The trained parts are the layers before the bottleneck, if there are
    any, the bottleneck and the head. As training starts, or some steps later, the bottleneck is fitted to
    the latents of training speech: a codebook by k-means. GLM-4-Voice (Zeng et al. 2024) and CosyVoice (Du et al. 2024)
    train their speech tokenizers in this way, within Whisper and SenseVoice and with these models' decoders in place of
    CTC.

    Logs ``{train,val}/loss``, CTC in nats per label; ``val/character_error`` and ``val/word_error`` of the most likely
    outputs, over the corpus; the use of the units on the validation split: ``val/codes_used``, the share that occurs,
    ``val/perplexity``, ``val/entropy_bits`` per unit and ``val/bits_per_second``; ``train/commitment``,
    ``train/codes_reseeded`` and ``train/too_short``, the share of utterances with more labels than CTC outputs, which
    are left out.

    Args:
        quantizer: Features to units.
        head: Codes to labels.
        labels: Labels of the head.
        frame_rate: Units per second.
        learning_rate: Peak learning rate of the bottleneck and of the head, reached after the warm-up.
        layers_learning_rate: Peak learning rate of the layers before and after the bottleneck; lower if they come from
            a checkpoint. Equal to ``learning_rate`` if None.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        fitting: When the bottleneck is fitted, and what is trained until then. Defaults to ``BottleneckFitting()``.
        commitment_weight: Weight of the distance of the latents from their codes, relative to its value at the start.
        gradient_clip: Largest norm of the gradient.
        weight_decay: Weight decay of matrices.

    Raises:
        ValueError: If the head does not fit the quantizer or the labels.
    """

    def __init__(
        self,
        quantizer: SupervisedQuantizer,
        head: ReadingHead,
        labels: TranscriptLabels,
        frame_rate: Rate,
        learning_rate: LearningRate,
        layers_learning_rate: LearningRate | None = None,
        warmup_steps: NonNegativeInt = 100,
        fitting: BottleneckFitting | None = None,
        commitment_weight: NonNegativeFloat = 0.25,
        gradient_clip: PositiveFloat = 1.0,
        weight_decay: NonNegativeFloat = 0.01,
    ) -> None:
        super().__init__()
        if head.dim != quantizer.bottleneck.dim:
            raise ValueError(f"the head reads codes of width {head.dim}, but they are {quantizer.bottleneck.dim} wide")
        if head.num_labels != len(labels):
            raise ValueError(f"the head has {head.num_labels} labels, but the transcripts {len(labels)}")
        self.quantizer = quantizer.train()
        self.head = head.train()
        self.labels = labels
        self.frame_rate = frame_rate
        self.learning_rate = learning_rate
        self.layers_learning_rate = learning_rate if layers_learning_rate is None else layers_learning_rate
        self.warmup_steps = warmup_steps
        self.fitting = fitting or BottleneckFitting()
        self.commitment_weight = commitment_weight
        self.gradient_clip = gradient_clip
        self.weight_decay = weight_decay
        self.perplexity = UnitPerplexity(quantizer.size)
        self.character_error = MeanMetric()
        self.word_error = MeanMetric()

    def on_fit_start(self) -> None:
        """Fit the bottleneck, if training starts with it.

        Raises:
            ValueError: If training ends before the bottleneck is used.
        """
        total = self.trainer.estimated_stepping_batches
        if self.fitting.unquantized_steps >= total:
            raise ValueError(
                f"unquantized_steps {self.fitting.unquantized_steps}: training takes {total:g} steps, and none is "
                "left for the bottleneck; lower it, or raise max_steps"
            )
        if self.fitting.unquantized_steps == 0:
            self.fit_bottleneck()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Fit the bottleneck when the steps without it are over."""
        if self.global_step == self.fitting.unquantized_steps:
            self.fit_bottleneck()

    @torch.no_grad()
    def fit_bottleneck(self) -> None:
        """Fit the bottleneck to latents of training speech, unless it is fitted, perhaps by a checkpoint."""
        bottleneck = self.quantizer.bottleneck
        if bottleneck.is_initialized:
            return
        latents: list[Tensor] = []
        num_frames = 0
        self.quantizer.eval()
        for batch in data_module_of(self.trainer).training_batches(range(1 << 20)):
            is_frame = frame_mask(batch["features"], batch["frames"]).to(self.device)
            latents.append(self.quantizer.latents(batch["features"].to(self.device), is_frame)[is_frame].cpu())
            num_frames += len(latents[-1])
            if num_frames >= self.fitting.initial_frames:
                break
        self.quantizer.train()
        bottleneck.initialize(torch.cat(latents).to(self.device), num_frames / len(latents), seed=0)

    def ctc_losses(self, log_probs: Tensor, batch: Batch) -> Tensor:
        """Return the CTC loss of each utterance, (B,) in nats; 0, with no gradient, where it has too few outputs."""
        return F.ctc_loss(
            log_probs.float().transpose(0, 1),
            batch["labels"],
            batch["frames"] * self.head.outputs_per_unit,
            batch["label_counts"],
            blank=self.head.num_labels,
            reduction="none",
            zero_infinity=True,  # the gradient of an infinite loss is NaN, even if the loss is not used
        )

    def has_room(self, batch: Batch) -> Tensor:
        """Return which utterances have enough outputs for their labels, and a blank between two equal ones, (B,)."""
        labels = batch["labels"]
        position = torch.arange(1, labels.shape[1], device=labels.device)
        is_repeated = (labels[:, 1:] == labels[:, :-1]) & (position < batch["label_counts"][:, None])
        needed = batch["label_counts"] + is_repeated.sum(1)
        return needed <= batch["frames"] * self.head.outputs_per_unit

    def encode(self, batch: Batch, is_frame: Tensor) -> tuple[Tensor, Bottlenecked | None]:
        """Return the codes (B, T, dim) of a batch, or the latents while there is no bottleneck yet, and its result."""
        if not self.quantizer.bottleneck.is_initialized:
            return self.quantizer.latents(batch["features"], is_frame), None
        return self.quantizer.quantize(batch["features"], is_frame)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        is_frame = frame_mask(batch["features"], batch["frames"])
        is_fixed = self.fitting.is_fixed(self.global_step)
        self.quantizer.train(not is_fixed)
        with torch.set_grad_enabled(not is_fixed):
            codes, bottlenecked = self.encode(batch, is_frame)
        losses = self.ctc_losses(self.head(codes, is_frame), batch)
        fits = self.has_room(batch)
        loss = losses.sum() / (batch["label_counts"] * fits).sum().clamp(min=1)
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(losses))
        self.log("train/too_short", 1 - fits.float().mean(), batch_size=len(losses))
        if bottlenecked is None:
            return loss
        self.log("train/commitment", bottlenecked.commitment.detach(), batch_size=len(losses))
        self.log("train/codes_reseeded", float(bottlenecked.reseeded), batch_size=len(losses))
        return loss + self.commitment_weight * bottlenecked.commitment

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        is_frame = frame_mask(batch["features"], batch["frames"])
        codes, bottlenecked = self.encode(batch, is_frame)
        log_probs = self.head(codes, is_frame)
        losses = self.ctc_losses(log_probs, batch)
        fits = self.has_room(batch)
        counts = (batch["label_counts"] * fits).sum().clamp(min=1)
        self.log("val/loss", losses.sum() / counts, batch_size=int(counts), on_epoch=True)
        if bottlenecked is not None:
            self.perplexity.update(bottlenecked.units)
        self._count_errors(self.read(log_probs, batch["frames"]), batch["texts"])

    def read(self, log_probs: Tensor, frames: Tensor) -> list[str]:
        """Return the transcripts of the most likely outputs.

        Args:
            log_probs: Log-probabilities of labels and blank, (B, T * outputs per unit, num_labels + 1).
            frames: Number of units of each utterance, (B,).
        """
        texts = []
        for outputs, count in zip(log_probs.argmax(-1).tolist(), frames.tolist(), strict=True):
            texts.append(self.labels.read(outputs[: count * self.head.outputs_per_unit]))
        return texts

    def _count_errors(self, hypotheses: list[str], texts: list[str]) -> None:
        for metric, count in ((self.character_error, character_errors), (self.word_error, word_errors)):
            for text, hypothesis in zip(texts, hypotheses, strict=True):
                counted = count(normalize_transcript(text), hypothesis)
                if counted.length:
                    metric.update(counted.errors / counted.length, counted.length)

    def on_validation_epoch_end(self) -> None:
        self.log("val/character_error", self.character_error.compute())
        self.log("val/word_error", self.word_error.compute())
        if self.quantizer.bottleneck.is_initialized:
            self._log_use_of_units()
        for metric in (self.character_error, self.word_error, self.perplexity):
            metric.reset()

    def _log_use_of_units(self) -> None:
        perplexity = self.perplexity.compute()
        bits = perplexity.log() / math.log(2)
        self.log_dict(
            {
                "val/codes_used": self.perplexity.used / self.quantizer.size,
                "val/perplexity": perplexity,
                "val/entropy_bits": bits,
                "val/bits_per_second": bits * self.frame_rate,
            }
        )

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.parameters(), self.gradient_clip)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        layers = [part for part in (self.quantizer.layers, self.head.layers) if part is not None]
        parts = [TrainedPart(part, self.layers_learning_rate) for part in layers]
        parts.append(TrainedPart(self, self.learning_rate))
        return adamw_by_part(
            parts, self.warmup_steps, int(self.trainer.estimated_stepping_batches), weight_decay=self.weight_decay
        )


def frame_mask(features: Tensor, frames: Tensor) -> Tensor:
    """Return which rows of features (B, T, dim) are frames rather than padding, (B, T), from the counts (B,)."""
    return torch.arange(features.shape[1], device=features.device) < frames[:, None]
