"""Pretraining of a HuBERT, which predicts the units of masked spans of speech."""

from dataclasses import dataclass

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy
from transformers import HubertModel

from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.ranges import (
    LearningRate,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveShare,
    Seconds,
    Size,
    Temperature,
    check_ranges,
)
from zoo.seeds import seeded
from zoo.speech.hubert_pretraining import UnitPredictor, frame_labels, mask_spans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.receptive_field import receptive_field

SAMPLE_RATE = 16000
FEATURE_PENALTY = 10.0  # weight of the mean square of the output of the convolutions, as in HuBERT


@dataclass(frozen=True)
class MaskedPrediction:
    """Settings of masking and of the prediction of units; the defaults are those of HuBERT (Hsu et al. 2021).

    Args:
        mask_share: Share of the frames that would be masked if no spans overlapped.
        mask_seconds: Length of a masked span in seconds.
        seen_weight: Weight of the loss on frames that are not masked; masked frames have weight 1. 0 in HuBERT.
        predictor_dim: Width of the space in which frames and unit embeddings are compared.
        temperature: Divisor of the cosine similarities between frames and unit embeddings.
    """

    mask_share: PositiveShare = 0.8
    mask_seconds: Seconds = 0.2
    seen_weight: NonNegativeFloat = 0.0
    predictor_dim: Size = 256
    temperature: Temperature = 0.1

    def __post_init__(self) -> None:
        check_ranges(self)


class HubertPretraining(L.LightningModule):
    """Masked prediction of k-means units (Hsu et al. 2021, arXiv 2106.07447).

    The teacher's units are those of filter-bank features in the first stage, and of a layer of the previous network in
    the next stage. They are computed during training from the crops of the batch, so that no labels have to be stored.
    If teacher and network have different frame rates, a frame gets the label nearest to its center.

    Logs ``{train,val}/loss`` in nats per frame, ``{train,val}/accuracy`` on masked frames, ``val/seen_accuracy`` on
    the others, ``val/majority``, the share of masked frames with the commonest label, and the perplexity of labels and
    predictions.

    Args:
        network: Network to train.
        teacher: Extractor of phonetic units, which are the labels; frozen.
        learning_rate: Peak learning rate, reached after the warm-up.
        objective: Settings of masking and prediction. Defaults to those of HuBERT.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        conv_gradient: Factor on the gradient of the convolutions over the waveform.
        gradient_clip: Largest norm of the gradient.
        weight_decay: Weight decay of AdamW.
    """

    def __init__(
        self,
        network: HubertModel,
        teacher: PhoneticUnits,
        learning_rate: LearningRate,
        objective: MaskedPrediction | None = None,
        warmup_steps: NonNegativeInt = 1000,
        conv_gradient: NonNegativeFloat = 0.1,
        gradient_clip: PositiveFloat = 10.0,
        weight_decay: NonNegativeFloat = 0.01,
    ) -> None:
        super().__init__()
        config = network.config
        num_units = teacher.stream.size
        self.network = network
        self.teacher = teacher.requires_grad_(False)
        self.objective = objective or MaskedPrediction()
        self.predictor = UnitPredictor(
            config.hidden_size, num_units, self.objective.predictor_dim, self.objective.temperature
        )
        self.normalize = config.feat_extract_norm == "layer"  # the rule by which HubertEncoder decides
        self.field, self.hop = receptive_field(config.conv_kernel, config.conv_stride)
        self.mask_frames = max(1, round(self.objective.mask_seconds * SAMPLE_RATE / self.hop))
        self.conv_gradient = conv_gradient
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.gradient_clip = gradient_clip
        self.weight_decay = weight_decay
        self.accuracy = MulticlassAccuracy(num_units, average="micro")
        self.seen_accuracy = MulticlassAccuracy(num_units, average="micro")
        self.perplexity = UnitPerplexity(num_units)
        self.label_perplexity = UnitPerplexity(num_units)

    def train(self, mode: bool = True) -> "HubertPretraining":
        """Keep dropout off in the frozen teacher."""
        super().train(mode)
        self.teacher.eval()
        return self

    @torch.no_grad()
    def labels(self, waveforms: Tensor, frames: int) -> Tensor:
        """Return the teacher's unit that is nearest to the center of each frame: (B, N) -> (B, frames)."""
        encoder = self.teacher.encoder
        centers = (np.arange(frames) * self.hop + self.field / 2) / SAMPLE_RATE  # seconds
        # Without autocast, so that the units equal those that the teacher returns outside of training.
        with torch.autocast(waveforms.device.type, enabled=False):
            units = self.teacher.encode_batch(list(waveforms))
        rows = [frame_labels(row, encoder.first_frame_seconds, encoder.frame_rate, centers) for row in units]
        return torch.from_numpy(np.stack(rows)).to(waveforms.device)

    def logits(self, waveforms: Tensor, masked: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the units of waveforms (B, N) of one length.

        Args:
            waveforms: Waveforms (B, N).
            masked: Frames to mask, (B, T); drawn if None.

        Returns:
            Logits of the units (B, T, units), the frames that were masked (B, T), and the penalty on the convolutions'
            output ().
        """
        if self.normalize:
            mean = waveforms.mean(1, keepdim=True)
            variance = waveforms.var(1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / torch.sqrt(variance + 1e-7)
        features = self.network.feature_extractor(waveforms).transpose(1, 2)  # (B, T, C)
        penalty = features.float().square().mean()
        # The values do not change, but the gradient is scaled by `conv_gradient`.
        features = self.conv_gradient * features + (1 - self.conv_gradient) * features.detach()
        if masked is None:
            rows, frames = features.shape[:2]
            masked = mask_spans(rows, frames, self.objective.mask_share, self.mask_frames, features.device)
        projected = self.network.feature_projection(features)
        mask_embedding = self.network.masked_spec_embed.to(projected.dtype)
        projected = torch.where(masked.unsqueeze(-1), mask_embedding, projected)
        return self.predictor(self.network.encoder(projected).last_hidden_state), masked, penalty

    def loss(self, logits: Tensor, labels: Tensor, masked: Tensor) -> Tensor:
        """Return the mean cross entropy of masked frames plus ``seen_weight`` times that of the others, in nats.

        Args:
            logits: Logits of the units (B, T, units).
            labels: The teacher's units (B, T).
            masked: Frames that were masked, (B, T).
        """
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
        loss = losses[masked].mean()
        if self.objective.seen_weight:
            loss = loss + self.objective.seen_weight * losses[~masked].mean()
        return loss

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        logits, masked, penalty = self.logits(batch["waveform"])
        labels = self.labels(batch["waveform"], logits.shape[1])
        loss = self.loss(logits, labels, masked)
        accuracy = (logits.argmax(-1) == labels)[masked].float().mean()
        self.log("train/loss", loss, prog_bar=True, batch_size=len(labels))
        self.log("train/accuracy", accuracy, prog_bar=True, batch_size=len(labels))
        return loss + FEATURE_PENALTY * penalty

    def on_validation_epoch_start(self) -> None:
        self.label_counts = torch.zeros(self.predictor.units.shape[0], dtype=torch.int64, device=self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        # The same spans at every validation, without touching the random state of training.
        with seeded(batch_idx):
            masked = self._spans(batch["waveform"])
        logits, masked, _ = self.logits(batch["waveform"], masked)
        labels = self.labels(batch["waveform"], logits.shape[1])
        predicted = logits.argmax(-1)
        self.log("val/loss", self.loss(logits, labels, masked), batch_size=len(labels))
        self.label_counts += torch.bincount(labels[masked], minlength=len(self.label_counts))
        self._log_metric("accuracy", self.accuracy, len(labels), predicted[masked], labels[masked])
        self._log_metric("perplexity", self.perplexity, len(labels), predicted[masked])
        self._log_metric("label_perplexity", self.label_perplexity, len(labels), labels[masked])
        self._log_metric("seen_accuracy", self.seen_accuracy, len(labels), predicted[~masked], labels[~masked])

    def _log_metric(self, name: str, metric: Metric, num_rows: int, *values: Tensor) -> None:
        if len(values[0]):
            metric.update(*values)
            self.log(f"val/{name}", metric, batch_size=num_rows)

    def on_validation_epoch_end(self) -> None:
        gathered = self.all_gather(self.label_counts)
        assert isinstance(gathered, Tensor)
        counts = gathered.view(-1, len(self.label_counts)).sum(0)
        self.log("val/majority", counts.max() / counts.sum().clamp(min=1))

    def _spans(self, waveforms: Tensor) -> Tensor:
        frames = (waveforms.shape[1] - self.field) // self.hop + 1
        masked = mask_spans(len(waveforms), frames, self.objective.mask_share, self.mask_frames)
        return masked.to(waveforms.device)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        parameters = [*self.network.parameters(), *self.predictor.parameters()]
        nn.utils.clip_grad_norm_(parameters, self.gradient_clip)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return adamw_with_warmup(
            nn.ModuleList([self.network, self.predictor]),
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            betas=(0.9, 0.98),
            weight_decay=self.weight_decay,
        )
