"""Training of a language model on rows of text and speech tokens."""
import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.likelihood import ModalityLoss
from zoo.tokens.vocabulary import Vocabulary


class SpeechTextLM(L.LightningModule):
    """Next-token training; whether all weights or only adapters learn is up to ``network``.

    Logs ``{train,val}/loss`` and, apart by modality, ``{train,val}/{text,speech}_loss``, in nats per token.

    Args:
        network: Maps ids (B, T) to ``.logits`` (B, T, V), as the builders in ``zoo.language.networks`` return.
        vocabulary: Tells speech ids from text ids, for the logs.
        learning_rate: Peak, reached after the warm-up.
        warmup_steps: Optimizer steps from zero to the peak.
        final_learning_rate: Where the cosine that follows ends; equal to ``learning_rate`` for the paper's constant rate.
        gradient_clip: Largest norm of the gradient; None leaves it as it is.
        weight_decay: Of AdamW.
    """

    def __init__(self, network: nn.Module, vocabulary: Vocabulary, learning_rate: float, warmup_steps: int = 100,
                 final_learning_rate: float = 0.0, gradient_clip: float | None = 1.0, weight_decay: float = 0.1) -> None:
        super().__init__()
        self.network, self.vocabulary = network, vocabulary
        self.learning_rate, self.warmup_steps, self.final_learning_rate = learning_rate, warmup_steps, final_learning_rate
        self.gradient_clip, self.weight_decay = gradient_clip, weight_decay
        self.losses = nn.ModuleDict({name: ModalityLoss() for name in ("text", "speech")})

    def token_losses(self, ids: Tensor) -> Tensor:
        """Cross entropy in nats of each token given those before it: (B, T) -> (B, T - 1)."""
        logits = self.network(input_ids=ids).logits[:, :-1]
        return F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)

    def by_modality(self, ids: Tensor) -> dict[str, Tensor]:
        """Masks (B, T - 1) of the predicted tokens of each modality."""
        return {"text": self.vocabulary.is_text(ids[:, 1:]), "speech": self.vocabulary.is_unit(ids[:, 1:])}

    def training_step(self, ids: Tensor, batch_idx: int) -> Tensor:
        losses = self.token_losses(ids)
        self.log("train/loss", losses.mean(), prog_bar=True)
        for name, mask in self.by_modality(ids).items():
            if mask.any():
                self.log(f"train/{name}_loss", losses[mask].mean().detach())
        return losses.mean()

    def validation_step(self, ids: Tensor, batch_idx: int) -> None:
        losses = self.token_losses(ids)
        self.log("val/loss", losses.mean(), batch_size=len(ids))
        for name, mask in self.by_modality(ids).items():
            self.losses[name].update(losses, mask)
            self.log(f"val/{name}_loss", self.losses[name])

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.gradient_clip is not None:  # by hand: Lightning refuses to clip for a fused optimizer
            nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)

    def configure_optimizers(self) -> dict:
        return adamw_with_warmup(self.network, self.learning_rate, self.warmup_steps, int(self.trainer.estimated_stepping_batches),
                                 final_learning_rate=self.final_learning_rate, weight_decay=self.weight_decay)
