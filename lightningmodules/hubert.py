"""Pretraining of a HuBERT: hidden spans of speech are told by their units."""

from dataclasses import dataclass
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy
from transformers import HubertModel

from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.seeds import seeded
from zoo.speech.hubert_pretraining import UnitPredictor, frame_labels, mask_spans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.receptive_field import receptive_field

SAMPLE_RATE = 16000
FEATURE_PENALTY = 10.0


@dataclass(frozen=True)
class MaskedPrediction:
    """What is masked and how units are predicted; the defaults are those of HuBERT (Hsu et al. 2021).

    Args:
        mask_share: Share of the frames that is masked, if spans did not overlap.
        mask_seconds: Length of a masked span.
        seen_weight: Weight of the loss on frames that are not masked, beside 1 for those that are; 0 in HuBERT.
        predictor_dim: Width of the space in which frames and unit embeddings are compared.
        temperature: Temperature of their cosine similarities.
    """

    mask_share: float = 0.8
    mask_seconds: float = 0.2
    seen_weight: float = 0.0
    predictor_dim: int = 256
    temperature: float = 0.1


class HubertPretraining(L.LightningModule):
    """Masked prediction of k-means units (Hsu et al. 2021, arXiv 2106.07447).

    In the first stage the teacher's units are of filter-bank features, in the next of a layer of the network before. They
    are heard as training goes, from the very piece of speech in the batch, so that no labels have to be kept; where the
    teacher's rate is another than the network's, a frame takes the label nearest to its middle.

    Logs ``{train,val}/loss`` in nats per frame, ``{train,val}/accuracy`` on hidden frames, ``val/seen_accuracy`` on the
    others, ``val/majority``, the share of hidden frames with their commonest label, and the perplexity of labels and predictions.

    Args:
        network: Trained.
        teacher: Waveform to units.
        learning_rate: Peak learning rate, reached after the warm-up.
        objective: What is masked and how units are predicted. Defaults to that of HuBERT.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        conv_gradient: Factor on the gradient of the convolutions over the waveform.
        gradient_clip: Largest norm of the gradient.
        weight_decay: Of AdamW.
    """

    def __init__(
        self,
        network: HubertModel,
        teacher: PhoneticUnits,
        learning_rate: float,
        objective: MaskedPrediction | None = None,
        warmup_steps: int = 1000,
        conv_gradient: float = 0.1,
        gradient_clip: float = 10.0,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        config, num_units = network.config, teacher.stream.size
        self.network, self.teacher = network, teacher.requires_grad_(False)
        self.objective = objective or MaskedPrediction()
        self.predictor = UnitPredictor(
            config.hidden_size, num_units, self.objective.predictor_dim, self.objective.temperature
        )
        self.normalize = config.feat_extract_norm == "layer"  # as an encoder does that loads the network
        self.field, self.hop = receptive_field(config.conv_kernel, config.conv_stride)
        self.mask_frames = max(1, round(self.objective.mask_seconds * SAMPLE_RATE / self.hop))
        self.conv_gradient = conv_gradient
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.gradient_clip, self.weight_decay = gradient_clip, weight_decay
        self.accuracy, self.seen_accuracy = (MulticlassAccuracy(num_units, average="micro") for _ in range(2))
        self.perplexity, self.label_perplexity = (UnitPerplexity(num_units) for _ in range(2))

    def train(self, mode: bool = True) -> "HubertPretraining":
        """Dropout stays off in the teacher."""
        super().train(mode)
        self.teacher.eval()
        return self

    @torch.no_grad()
    def labels(self, waveforms: Tensor, frames: int) -> Tensor:
        """The teacher's units at the middles of the network's frames: (B, N) -> (B, frames)."""
        encoder = self.teacher.encoder
        centers = (np.arange(frames) * self.hop + self.field / 2) / SAMPLE_RATE
        with torch.autocast(waveforms.device.type, enabled=False):  # the units that the teacher gives anywhere else
            units = self.teacher.encode_batch(list(waveforms))
        rows = [frame_labels(each, encoder.first_frame_seconds, encoder.frame_rate, centers) for each in units]
        return torch.from_numpy(np.stack(rows)).to(waveforms.device)

    def logits(self, waveforms: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of the units (B, T, units), the frames that were hidden (B, T), and the penalty on the convolutions' output.

        Args:
            waveforms: (B, N), all of one length.
            hidden: Frames (B, T) to hide; drawn if None.
        """
        if self.normalize:
            waveforms = (waveforms - waveforms.mean(1, keepdim=True)) / torch.sqrt(
                waveforms.var(1, correction=0, keepdim=True) + 1e-7
            )
        features = self.network.feature_extractor(waveforms).transpose(1, 2)  # (B, T, C)
        penalty = features.float().square().mean()
        features = self.conv_gradient * features + (1 - self.conv_gradient) * features.detach()
        if hidden is None:
            hidden = mask_spans(*features.shape[:2], self.objective.mask_share, self.mask_frames, features.device)
        inside = self.network.feature_projection(features)
        inside = torch.where(hidden.unsqueeze(-1), self.network.masked_spec_embed.to(inside.dtype), inside)
        return self.predictor(self.network.encoder(inside).last_hidden_state), hidden, penalty

    def loss(self, logits: Tensor, labels: Tensor, hidden: Tensor) -> Tensor:
        """Cross entropy in nats per frame, of hidden frames and, by its weight, of the others."""
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
        loss = losses[hidden].mean()
        return loss + self.objective.seen_weight * losses[~hidden].mean() if self.objective.seen_weight else loss

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        logits, hidden, penalty = self.logits(batch["waveform"])
        labels = self.labels(batch["waveform"], logits.shape[1])
        loss, size = self.loss(logits, labels, hidden), len(labels)
        self.log("train/loss", loss, prog_bar=True, batch_size=size)
        self.log("train/accuracy", (logits.argmax(-1) == labels)[hidden].float().mean(), prog_bar=True, batch_size=size)
        return loss + FEATURE_PENALTY * penalty

    def on_validation_epoch_start(self) -> None:
        self.label_counts = torch.zeros(self.predictor.units.shape[0], dtype=torch.int64, device=self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        with seeded(batch_idx):  # the same spans at every validation, and training draws on as if there were none
            hidden = self._spans(batch["waveform"])
        logits, hidden, _ = self.logits(batch["waveform"], hidden)
        labels, predicted = self.labels(batch["waveform"], logits.shape[1]), logits.argmax(-1)
        self.log("val/loss", self.loss(logits, labels, hidden), batch_size=len(labels))
        self.label_counts += torch.bincount(labels[hidden], minlength=len(self.label_counts))
        for metric, name, values in (
            (self.accuracy, "accuracy", (predicted[hidden], labels[hidden])),
            (self.perplexity, "perplexity", (predicted[hidden],)),
            (self.label_perplexity, "label_perplexity", (labels[hidden],)),
            (self.seen_accuracy, "seen_accuracy", (predicted[~hidden], labels[~hidden])),
        ):
            if len(values[0]):
                metric.update(*values)
                self.log(f"val/{name}", metric, batch_size=len(labels))

    def on_validation_epoch_end(self) -> None:
        counts = self.all_gather(self.label_counts).view(-1, len(self.label_counts)).sum(0)
        self.log("val/majority", counts.max() / counts.sum().clamp(min=1))

    def _spans(self, waveforms: Tensor) -> Tensor:
        frames = (waveforms.shape[1] - self.field) // self.hop + 1
        return mask_spans(len(waveforms), frames, self.objective.mask_share, self.mask_frames).to(waveforms.device)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_([*self.network.parameters(), *self.predictor.parameters()], self.gradient_clip)

    def configure_optimizers(self) -> dict[str, Any]:
        return adamw_with_warmup(
            nn.ModuleList([self.network, self.predictor]),
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            betas=(0.9, 0.98),
            weight_decay=self.weight_decay,
        )
