"""Finetuning of a style encoder."""

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from lightningmodules.attached import data_module_of
from lightningmodules.optimizers import adamw_with_warmup
from zoo.ranges import FinalLearningRate, LearningRate, NonNegativeFloat, NonNegativeInt, Share
from zoo.speech.style_encoders import StyleEncoder
from zoo.speech.style_units import StyleClassifier

Batch = dict[str, Tensor]


class StyleFinetuning(L.LightningModule):
    """Training of an encoder and a classifier that predict the style of each second of speech (Nguyen et al. 2024).

    Args:
        encoder: Encoder to finetune, or to train from random weights.
        head: Classifier, whose first outputs are the styles of the data, in their order.
        learning_rate: Peak learning rate, reached after the warm-up.
        final_learning_rate: End of the cosine decay.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        freeze_front_end: Whether the encoder's convolutions over the waveform are frozen.
        balance_styles: Whether all styles have the same total weight in the loss, regardless of their share of speech.
        label_smoothing: Label smoothing of the cross entropy.
        weight_decay: Weight decay of matrices.
    """

    style_weights: Tensor

    def __init__(
        self,
        encoder: StyleEncoder,
        head: StyleClassifier,
        learning_rate: LearningRate = 3e-5,
        final_learning_rate: FinalLearningRate = 0.0,
        warmup_steps: NonNegativeInt = 0,
        freeze_front_end: bool = True,
        balance_styles: bool = True,
        label_smoothing: Share = 0.0,
        weight_decay: NonNegativeFloat = 0.01,
    ) -> None:
        super().__init__()
        self.encoder = encoder.train()
        self.head = head.train()
        front_end = encoder.front_end()
        if freeze_front_end and front_end is not None:
            front_end.requires_grad_(False)
        self.learning_rate = learning_rate
        self.final_learning_rate = final_learning_rate
        self.warmup_steps = warmup_steps
        self.balance_styles = balance_styles
        self.label_smoothing = label_smoothing
        self.weight_decay = weight_decay
        self.frames_per_unit = round(encoder.frame_rate)
        self.register_buffer("style_weights", torch.ones(head.size))
        self.accuracies = torch.nn.ModuleDict(
            {
                "second_accuracy": MulticlassAccuracy(head.size, average="micro"),
                "accuracy": MulticlassAccuracy(head.size, average="micro"),
                "balanced_accuracy": MulticlassAccuracy(head.size, average="macro"),
            }
        )

    def setup(self, stage: str) -> None:
        """Set the weight of each style in the loss to the inverse of its relative duration in the data.

        Raises:
            ValueError: If the corpus has more styles than the head.
        """
        data = data_module_of(self.trainer)
        if len(data.styles) > self.head.size:
            raise ValueError(
                f"the corpus has {len(data.styles)} styles, but the head has num_styles {self.head.size}: "
                f"raise it to at least {len(data.styles)}"
            )
        if self.balance_styles:
            seconds = data.style_seconds
            self.style_weights[: len(seconds)] = seconds.mean() / seconds

    def loss(self, logits: Tensor, styles: Tensor) -> Tensor:
        """Return the cross entropy of the logits of each second, (B, S, num_styles), with styles (B,)."""
        return F.cross_entropy(
            logits.flatten(0, 1),
            styles.repeat_interleave(logits.shape[1]),
            self.style_weights,
            label_smoothing=self.label_smoothing,
        )

    def logits(self, waveforms: Tensor) -> Tensor:
        """Map waveforms (B, N) to the logits of each second, (B, S, num_styles)."""
        return self.head(self.encoder(waveforms), self.frames_per_unit).float()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        logits = self.logits(batch["waveform"])
        loss = self.loss(logits, batch["style"])
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log("train/accuracy", (logits.mean(1).argmax(-1) == batch["style"]).float().mean())
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        logits = self.logits(batch["waveform"])
        styles = batch["style"]
        self.log("val/loss", self.loss(logits, styles), batch_size=len(styles))
        for name, metric in self.accuracies.items():
            assert isinstance(metric, MulticlassAccuracy)
            if name == "second_accuracy":
                metric.update(logits.flatten(0, 1), styles.repeat_interleave(logits.shape[1]))
            else:
                metric.update(logits.mean(1), styles)
            self.log(f"val/{name}", metric, batch_size=len(styles))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        trained = torch.nn.ModuleList([self.encoder, self.head])
        return adamw_with_warmup(
            trained,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
        )
