"""Finetuning of a style encoder."""

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from lightningmodules.optimizers import adamw_with_warmup
from zoo.speech.style_encoders import StyleEncoder
from zoo.speech.style_units import StyleClassifier

Batch = dict[str, Tensor]


class StyleFinetuning(L.LightningModule):
    """An encoder and a classifier that tell the style of each second of speech (Nguyen et al. 2024).

    Args:
        encoder: Finetuned, or trained from the start.
        head: Its first outputs are the styles of the data, in their order.
        learning_rate: Peak of AdamW.
        final_learning_rate: At the end of a cosine.
        warmup_steps: Over which the learning rate grows to its value.
        freeze_front_end: Whether the encoder's convolutions over the waveform keep their weights.
        balance_styles: Whether each style weighs as much in the loss, however much speech there is of it.
        label_smoothing: Share of the probability that is asked of the other styles.
        weight_decay: Of matrices.
    """

    def __init__(
        self,
        encoder: StyleEncoder,
        head: StyleClassifier,
        learning_rate: float = 3e-5,
        final_learning_rate: float = 0.0,
        warmup_steps: int = 0,
        freeze_front_end: bool = True,
        balance_styles: bool = True,
        label_smoothing: float = 0.0,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        self.encoder, self.head = encoder.train(), head.train()
        if freeze_front_end and encoder.front_end() is not None:
            encoder.front_end().requires_grad_(False)
        self.learning_rate, self.final_learning_rate, self.warmup_steps = (
            learning_rate,
            final_learning_rate,
            warmup_steps,
        )
        self.balance_styles, self.label_smoothing, self.weight_decay = balance_styles, label_smoothing, weight_decay
        self.frames_per_unit = round(encoder.frame_rate)
        self.register_buffer("style_weights", torch.ones(head.size))
        accuracies = {"second_accuracy": "micro", "accuracy": "micro", "balanced_accuracy": "macro"}
        self.accuracies = torch.nn.ModuleDict(
            {name: MulticlassAccuracy(head.size, average=average) for name, average in accuracies.items()}
        )

    def setup(self, stage: str) -> None:
        data = self.trainer.datamodule
        if len(data.styles) > self.head.size:
            raise ValueError(
                f"the corpus has {len(data.styles)} styles, but the head has num_styles {self.head.size}: raise it to at least {len(data.styles)}"
            )
        if self.balance_styles:
            seconds = data.style_seconds
            self.style_weights[: len(seconds)] = seconds.mean() / seconds

    def loss(self, logits: Tensor, styles: Tensor) -> Tensor:
        """Cross entropy of the logits of each second (B, S, num_styles), with styles (B,)."""
        return F.cross_entropy(
            logits.flatten(0, 1),
            styles.repeat_interleave(logits.shape[1]),
            self.style_weights,
            label_smoothing=self.label_smoothing,
        )

    def logits(self, waveforms: Tensor) -> Tensor:
        """(B, N) to (B, S, num_styles)."""
        return self.head(self.encoder(waveforms), self.frames_per_unit).float()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        logits = self.logits(batch["waveform"])
        loss = self.loss(logits, batch["style"])
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log("train/accuracy", (logits.mean(1).argmax(-1) == batch["style"]).float().mean())
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        logits, styles = self.logits(batch["waveform"]), batch["style"]
        self.log("val/loss", self.loss(logits, styles), batch_size=len(styles))
        for name, metric in self.accuracies.items():
            if name == "second_accuracy":
                metric.update(logits.flatten(0, 1), styles.repeat_interleave(logits.shape[1]))
            else:
                metric.update(logits.mean(1), styles)
            self.log(f"val/{name}", metric, batch_size=len(styles))

    def configure_optimizers(self) -> dict:
        trained = torch.nn.ModuleList([self.encoder, self.head])
        return adamw_with_warmup(
            trained,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
        )
