"""Training of a pitch VQ-VAE."""

import lightning as L
from torch import Tensor
from torch.nn import functional as F

from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.speech.pitch_units import track_from_output
from zoo.speech.pitch_vqvae import PitchVQVAE

Batch = dict[str, Tensor]


class PitchAutoencoder(L.LightningModule):
    """Reconstruction of F0 tracks through a codebook: mean squared error and commitment loss (Polyak et al. 2021).

    The codes are running means, moved in the forward pass; a code that falls out of use is put on a latent of the batch.
    Logged are how many codes were re-seeded, the perplexity and number of those in use, and the errors of the decoded F0.

    Args:
        network: Trained.
        learning_rate: Of AdamW.
        final_learning_rate: At the end of a cosine; constant if None.
        warmup_steps: Over which the learning rate grows to its value.
        commitment_weight: Of that loss.
        weight_decay: Of matrices.

    Raises:
        ValueError: Where the network has no decoder.
    """

    def __init__(
        self,
        network: PitchVQVAE,
        learning_rate: float = 2e-4,
        final_learning_rate: float | None = None,
        warmup_steps: int = 0,
        commitment_weight: float = 0.02,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        if network.decoder is None:
            raise ValueError("a pitch VQ-VAE without a decoder cannot be trained")
        self.network, self.learning_rate, self.warmup_steps = network.train(), learning_rate, warmup_steps
        self.final_learning_rate = learning_rate if final_learning_rate is None else final_learning_rate
        self.commitment_weight, self.weight_decay = commitment_weight, weight_decay
        size = network.codebook.size
        self.train_perplexity, self.perplexity = UnitPerplexity(size), UnitPerplexity(size)
        self.frame_error, self.log_error, self.mean_log_error = F0FrameError(), LogF0Error(), LogF0Error()

    def losses(self, tracks: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor, int]:
        """Losses by name, their weighted sum as ``loss``; reconstructed tracks (B, 2, T), units (B, T'), re-seeded codes.

        Args:
            tracks: (B, 2, T), T a multiple of the network's factor.
        """
        made, quantized = self.network(tracks)
        losses = {
            "reconstruction": F.mse_loss(made / self.network.scale, tracks / self.network.scale),
            "commitment": quantized.commitment,
        }
        losses["loss"] = losses["reconstruction"] + self.commitment_weight * losses["commitment"]
        return losses, made, quantized.units, quantized.replaced

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        losses, _, units, replaced = self.losses(batch["tracks"])
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items() if name != "loss"})
        self.log("train/loss", losses["loss"].detach(), prog_bar=True)
        self.train_perplexity.reset()
        self.train_perplexity.update(units)
        self.log_dict(
            {
                "train/perplexity": self.train_perplexity.compute(),
                "train/codes_used": float(self.train_perplexity.used),
                "train/codes_reseeded": float(replaced),
            }
        )
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        tracks, mean = batch["tracks"], batch["mean_hz"]
        losses, made, units, _ = self.losses(tracks)
        self.log_dict({f"val/{name}": value for name, value in losses.items()}, batch_size=len(tracks))
        found, truth = track_from_output(made, mean), track_from_output(tracks, mean)
        self.perplexity.update(units)
        self.frame_error.update(found.frequency, found.voiced, truth.frequency, truth.voiced)
        # Pitch is judged wherever there is one, so that a poor voicing decision hides nothing.
        self.log_error.update(found.frequency, truth.voiced, truth.frequency, truth.voiced)
        average = (truth.frequency * truth.voiced).sum(-1, keepdim=True) / truth.voiced.sum(-1, keepdim=True).clamp(
            min=1
        )
        self.mean_log_error.update(average.expand_as(truth.frequency), truth.voiced, truth.frequency, truth.voiced)
        self.log_dict(
            {
                "val/f0_frame_error": self.frame_error,
                "val/log_f0_error": self.log_error,
                "val/mean_log_f0_error": self.mean_log_error,
                "val/perplexity": self.perplexity,
            },
            batch_size=len(tracks),
        )

    def on_validation_epoch_end(self) -> None:
        self.log("val/codes_used", float(self.perplexity.used))

    def configure_optimizers(self) -> dict:
        return adamw_with_warmup(
            self.network,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
        )
