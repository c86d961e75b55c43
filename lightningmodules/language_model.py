"""Training of a language model on rows of text and speech tokens."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from lightningmodules.optimizers import adamw_with_warmup
from zoo.language.losses import NextTokenLoss, TokenLosses
from zoo.language.positions import Positions, RowPositions
from zoo.language.sharding import shard
from zoo.metrics.likelihood import ModalityLoss
from zoo.tokens.vocabulary import Vocabulary


class SpeechTextLM(L.LightningModule):
    """Next-token training; whether all weights or only adapters learn is up to ``network``.

    Logs ``{train,val}/loss`` and, apart by modality, ``{train,val}/{text,speech}_loss``, in nats per token, and
    ``train/skipped_steps``: optimizer steps left out because a gradient was not finite.

    Args:
        network: A causal transformers model, as the builders in ``zoo.language`` return.
        vocabulary: Tells speech ids from text ids, for the logs.
        learning_rate: Peak, reached after the warm-up.
        warmup_steps: Optimizer steps from zero to the peak.
        final_learning_rate: Where the cosine that follows ends; equal to ``learning_rate`` for the paper's constant rate.
        gradient_clip: Largest norm of the gradient; None leaves it as it is.
        weight_decay: Of AdamW.
        positions: What a token of a packed row may attend to.
        chunk_tokens: Tokens whose logits are in memory at once.
    """

    def __init__(
        self,
        network: nn.Module,
        vocabulary: Vocabulary,
        learning_rate: float,
        warmup_steps: int = 100,
        final_learning_rate: float = 0.0,
        gradient_clip: float | None = 1.0,
        weight_decay: float = 0.1,
        positions: Positions = RowPositions(),
        chunk_tokens: int = 1024,
    ) -> None:
        super().__init__()
        # A checkpoint comes in evaluation mode, in which activations are not checkpointed.
        self.next_token, self.vocabulary = NextTokenLoss(network.train(), positions, chunk_tokens), vocabulary
        self.learning_rate, self.warmup_steps, self.final_learning_rate = (
            learning_rate,
            warmup_steps,
            final_learning_rate,
        )
        self.gradient_clip, self.weight_decay = gradient_clip, weight_decay
        self.losses = nn.ModuleDict({name: ModalityLoss() for name in ("text", "speech")})
        self.register_buffer("skipped_steps", torch.zeros((), dtype=torch.int64))
        self.strict_loading = False  # weights that are frozen are in no checkpoint

    @property
    def network(self) -> nn.Module:
        return self.next_token.network

    def configure_model(self) -> None:
        if self.device_mesh is not None:
            if self.device_mesh["tensor_parallel"].size() > 1:
                raise ValueError(
                    "language models are trained data-parallel: give ModelParallelStrategy tensor_parallel_size: 1 "
                    "and data_parallel_size: devices x num_nodes"
                )
            # bf16: only for the length of a pass; the weights that learn stay in float32.
            shard(
                self.next_token,
                self.device_mesh["data_parallel"],
                torch.bfloat16 if "bf16" in self.trainer.precision else None,
            )

    def by_modality(self, ids: Tensor) -> dict[str, Tensor]:
        """Masks (B, T - 1) of the predicted tokens of each modality."""
        return {"text": self.vocabulary.is_text(ids[:, 1:]), "speech": self.vocabulary.is_unit(ids[:, 1:])}

    def training_step(self, ids: Tensor, batch_idx: int) -> Tensor:
        found: TokenLosses = self.next_token(ids)
        self.log("train/loss", found.mean, prog_bar=True)
        for name, mask in self.by_modality(ids).items():
            if mask.any():
                self.log(f"train/{name}_loss", found.tokens[mask].mean())
        return found.mean

    def validation_step(self, ids: Tensor, batch_idx: int) -> None:
        found: TokenLosses = self.next_token(ids)
        self.log("val/loss", found.mean, batch_size=len(ids), sync_dist=True)
        for name, mask in self.by_modality(ids).items():
            self.losses[name].update(found.tokens, mask)
            self.log(f"val/{name}_loss", self.losses[name])

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # By hand: Lightning refuses to clip for a fused optimizer, and over shards the norm is that of all of them.
        learning = [weight for weight in self.network.parameters() if weight.grad is not None]
        norm = nn.utils.get_total_norm([weight.grad for weight in learning])
        if not norm.isfinite():
            self.skipped_steps += 1
            for (
                weight
            ) in learning:  # the optimizer passes over weights without a gradient, and its averages stay as they are
                weight.grad = None
        elif self.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(learning, self.gradient_clip, norm)
        self.log("train/skipped_steps", self.skipped_steps.float())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.device_mesh is None:  # a base that does not learn is read from where it came from
            frozen = {
                name for name, weight in self.named_parameters(remove_duplicate=False) if not weight.requires_grad
            }
            scales = tuple(f"{name}." for name in frozen)  # of quantized weights
            kept = {
                name: value
                for name, value in checkpoint["state_dict"].items()
                if name not in frozen and not name.startswith(scales)
            }
            checkpoint["state_dict"] = kept

    def configure_optimizers(self) -> dict:
        return adamw_with_warmup(
            self.network,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
        )
