"""Training of a pitch VQ-VAE."""

from dataclasses import dataclass

import lightning as L
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F

from lightningmodules.optimizers import adamw_with_warmup
from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.metrics.unit_perplexity import UnitPerplexity
from zoo.ranges import FinalLearningRate, LearningRate, NonNegativeFloat, NonNegativeInt
from zoo.speech.f0_normalization import track_from_output
from zoo.speech.pitch_vqvae import PitchVQVAE

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Reconstruction:
    """F0 tracks that were encoded to units and decoded.

    Args:
        losses: Losses by name, with their weighted sum under the name ``loss``.
        tracks: Reconstructed tracks, (B, 2, T).
        units: Units, (B, T / frames per unit).
        replaced: Number of codes that were replaced by a latent of the batch.
    """

    losses: dict[str, Tensor]
    tracks: Tensor
    units: Tensor
    replaced: int


class PitchAutoencoder(L.LightningModule):
    """Reconstruction of F0 tracks through a codebook: mean squared error and commitment loss (Polyak et al. 2021).

    The codes are running means of the latents, updated in the forward pass; a code that is no longer used is replaced
    by a latent of the batch. Logs the losses, how many codes were replaced, the perplexity and number of codes in use,
    and the errors of the decoded F0.

    Args:
        network: Network to train.
        learning_rate: Peak learning rate, reached after the warm-up.
        final_learning_rate: End of the cosine decay; constant if None.
        warmup_steps: Optimizer steps of linear warm-up from zero to the peak.
        commitment_weight: Weight of the commitment loss.
        weight_decay: Weight decay of matrices.

    Raises:
        ValueError: If the network has no decoder.
    """

    def __init__(
        self,
        network: PitchVQVAE,
        learning_rate: LearningRate = 2e-4,
        final_learning_rate: FinalLearningRate | None = None,
        warmup_steps: NonNegativeInt = 0,
        commitment_weight: NonNegativeFloat = 0.02,
        weight_decay: NonNegativeFloat = 0.01,
    ) -> None:
        super().__init__()
        if network.decoder is None:
            raise ValueError("a pitch VQ-VAE without a decoder cannot be trained")
        self.network = network.train()
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.final_learning_rate = learning_rate if final_learning_rate is None else final_learning_rate
        self.commitment_weight = commitment_weight
        self.weight_decay = weight_decay
        size = network.codebook.size
        self.train_perplexity = UnitPerplexity(size)
        self.perplexity = UnitPerplexity(size)
        self.frame_error = F0FrameError()
        self.log_error = LogF0Error()
        self.mean_log_error = LogF0Error()

    def losses(self, tracks: Tensor) -> Reconstruction:
        """Encode and reconstruct tracks (B, 2, T), where T is a multiple of the network's frames per unit."""
        tracks_of_codes, quantized = self.network(tracks)
        losses = {
            "reconstruction": F.mse_loss(tracks_of_codes / self.network.scale, tracks / self.network.scale),
            "commitment": quantized.commitment,
        }
        losses["loss"] = losses["reconstruction"] + self.commitment_weight * losses["commitment"]
        return Reconstruction(losses, tracks_of_codes, quantized.units, quantized.replaced)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        reconstruction = self.losses(batch["tracks"])
        loss = reconstruction.losses["loss"]
        for name, value in reconstruction.losses.items():
            self.log(f"train/{name}", value.detach(), prog_bar=name == "loss")
        self.train_perplexity.reset()
        self.train_perplexity.update(reconstruction.units)
        self.log_dict(
            {
                "train/perplexity": self.train_perplexity.compute(),
                "train/codes_used": float(self.train_perplexity.used),
                "train/codes_reseeded": float(reconstruction.replaced),
            }
        )
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        tracks, mean = batch["tracks"], batch["mean_hz"]
        reconstruction = self.losses(tracks)
        losses = {f"val/{name}": value for name, value in reconstruction.losses.items()}
        self.log_dict(losses, batch_size=len(tracks))
        decoded = track_from_output(reconstruction.tracks, mean)
        truth = track_from_output(tracks, mean)
        self.perplexity.update(reconstruction.units)
        self.frame_error.update(decoded.frequency, decoded.voiced, truth.frequency, truth.voiced)
        # F0 is compared in all frames that are voiced in the input, whether or not they are decoded as voiced.
        self.log_error.update(decoded.frequency, truth.voiced, truth.frequency, truth.voiced)
        # The baseline is the mean F0 of each utterance, (B, 1).
        num_voiced = truth.voiced.sum(-1, keepdim=True).clamp(min=1)
        average = (truth.frequency * truth.voiced).sum(-1, keepdim=True) / num_voiced
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

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return adamw_with_warmup(
            self.network,
            self.learning_rate,
            self.warmup_steps,
            int(self.trainer.estimated_stepping_batches),
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
        )
