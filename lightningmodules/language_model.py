"""Training of a language model on rows of text and speech tokens."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from lightningmodules.optimizers import adamw_with_warmup
from zoo.language.document_positions import Positions, RowPositions
from zoo.language.losses import NextTokenLoss, TokenLosses
from zoo.language.sharding import shard
from zoo.metrics.modality_loss import ModalityLoss
from zoo.ranges import FinalLearningRate, LearningRate, NonNegativeFloat, NonNegativeInt, PositiveFloat, Size
from zoo.tokens.vocabulary import Vocabulary


class SpeechTextLM(L.LightningModule):
    """Next-token training of all weights of ``network`` that require gradients, such as those of adapters.

    Logs ``{train,val}/loss`` and, by modality, ``{train,val}/{text,speech}_loss``, in nats per token, and
    ``train/skipped_steps``: optimizer steps that were skipped because a gradient was not finite. On one device, or with
    whole weights on each, also ``train/gradient_norm`` before clipping.

    Args:
        network: A causal transformers model, as the builders in ``zoo.language`` return.
        vocabulary: Vocabulary of the ids, which distinguishes text and speech in the logs.
        learning_rate: Peak learning rate, reached after the warm-up.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        final_learning_rate: End of the cosine decay; equal to ``learning_rate`` for the paper's constant rate.
        gradient_clip: Largest norm of the gradient; None to leave it as it is.
        weight_decay: Weight decay of AdamW.
        positions: Which tokens of a packed row attend to each other. Defaults to ``RowPositions()``.
        chunk_tokens: Tokens whose logits are in memory at once.
    """

    def __init__(
        self,
        network: PreTrainedModel | PeftModel,
        vocabulary: Vocabulary,
        learning_rate: LearningRate,
        warmup_steps: NonNegativeInt = 100,
        final_learning_rate: FinalLearningRate = 0.0,
        gradient_clip: PositiveFloat | None = 1.0,
        weight_decay: NonNegativeFloat = 0.1,
        positions: Positions | None = None,
        chunk_tokens: Size = 1024,
    ) -> None:
        super().__init__()
        # A loaded checkpoint is in evaluation mode, in which activations are not checkpointed.
        self.next_token = NextTokenLoss(network.train(), positions or RowPositions(), chunk_tokens)
        self.vocabulary = vocabulary
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.final_learning_rate = final_learning_rate
        self.gradient_clip = gradient_clip
        self.weight_decay = weight_decay
        self.losses = nn.ModuleDict({name: ModalityLoss() for name in ("text", "speech")})
        self.register_buffer("skipped_steps", torch.zeros((), dtype=torch.int64))
        self.strict_loading = False  # frozen weights are not in the checkpoint

    @property
    def network(self) -> PreTrainedModel | PeftModel:
        return self.next_token.network

    def configure_model(self) -> None:
        if self.device_mesh is not None:
            if self.device_mesh["tensor_parallel"].size() > 1:
                raise ValueError(
                    "language models are trained data-parallel: give ModelParallelStrategy tensor_parallel_size: 1 "
                    "and data_parallel_size: devices x num_nodes"
                )
            # Weights are cast to bfloat16 only for the forward and backward pass; those that are updated stay float32.
            precision = torch.bfloat16 if "bf16" in self.trainer.precision else None
            shard(self.next_token, self.device_mesh["data_parallel"], precision)

    def by_modality(self, ids: Tensor) -> dict[str, Tensor]:
        """Return a mask (B, T - 1) of the predicted tokens of each modality."""
        return {"text": self.vocabulary.is_text(ids[:, 1:]), "speech": self.vocabulary.is_unit(ids[:, 1:])}

    def training_step(self, ids: Tensor, batch_idx: int) -> Tensor:
        losses: TokenLosses = self.next_token(ids)
        self.log("train/loss", losses.mean, prog_bar=True)
        for name, mask in self.by_modality(ids).items():
            if mask.any():
                self.log(f"train/{name}_loss", losses.tokens[mask].mean())
        return losses.mean

    def validation_step(self, ids: Tensor, batch_idx: int) -> None:
        losses: TokenLosses = self.next_token(ids)
        self.log("val/loss", losses.mean, batch_size=len(ids), sync_dist=True)
        for name, mask in self.by_modality(ids).items():
            metric = self.losses[name]
            assert isinstance(metric, ModalityLoss)
            metric.update(losses.tokens, mask)
            self.log(f"val/{name}_loss", metric)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Lightning does not clip gradients for a fused optimizer, and the norm of sharded weights must include all
        # shards.
        trained = []
        gradients = []
        for weight in self.network.parameters():
            if weight.grad is not None:
                trained.append(weight)
                gradients.append(weight.grad)
        norm = nn.utils.get_total_norm(gradients)
        if not norm.isfinite():
            self.skipped_steps += 1
            # The optimizer ignores weights without a gradient and keeps its running averages as they are.
            for weight in trained:
                weight.grad = None
        elif self.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(trained, self.gradient_clip, norm)
        self.log("train/skipped_steps", self.skipped_steps.float())
        if self.device_mesh is None:  # the norm over shards is itself sharded
            self.log("train/gradient_norm", norm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.device_mesh is not None:
            return
        # Frozen weights are not saved: a resumed run reads them from the pretrained checkpoint again.
        named = self.named_parameters(remove_duplicate=False)
        frozen = {name for name, weight in named if not weight.requires_grad}
        scales = tuple(f"{name}." for name in frozen)  # those of quantized weights
        state = {}
        for name, value in checkpoint["state_dict"].items():
            if name not in frozen and not name.startswith(scales):
                state[name] = value
        checkpoint["state_dict"] = state

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return adamw_with_warmup(
            self.network,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
        )
