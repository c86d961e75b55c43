"""Training of a unit vocoder."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import Metric

from lightningmodules.attached import data_module_of
from lightningmodules.micro_batches import Batch, duration_scale, split_batch
from lightningmodules.optimizers import GANOptimizer, set_learning_rate
from lightningmodules.vocoder_loss_weights import VocoderLosses
from lightningmodules.vocoder_networks import VocoderNetworks, check_names
from zoo.metrics.mel_distance import MelDistance
from zoo.metrics.speech_quality import named_values
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.ranges import Share, Size
from zoo.speech.f0 import F0Extractor
from zoo.tokens.units import Stream
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.generator import Generator
from zoo.vocoder.harmonic_source import f0_of_frames
from zoo.vocoder.istft import ISTFTGenerator
from zoo.vocoder.losses import adversarial_loss, discriminator_loss, feature_loss, mel_loss
from zoo.vocoder.mel import LogMel
from zoo.vocoder.vocoder import Vocoder


class UnitVocoder(L.LightningModule):
    """Least-squares GAN with feature matching, mel and duration losses (Kong et al. 2020; Polyak et al. 2021).

    Each batch is one step of the generator, and of the discriminators if they take part. Lightning counts only the
    generator's steps, so ``max_steps``, checkpoints, logs and the order of the data refer to them.

    Args:
        generator: Generator to train.
        durations: Duration predictor, trained on the generator's unit embeddings; None for a vocoder of raw units only.
        discriminators: Discriminators, trained against the generator; None for the mel loss alone.
        optimizer: Settings of both optimizers. Defaults to ``GANOptimizer()``.
        losses: Weights and settings of the losses. Defaults to ``VocoderLosses()``.
        micro_batches: Number of equal parts in which a batch is processed, to save memory; the step is the same.
        ema_decay: Decay of a moving average of the weights for validation and the saved vocoder; None for no average.
        f0: F0 extractor. A generator with ``harmonics`` learns to predict the F0 that it extracts, and is conditioned
            on this F0 in training.
        tokenizer: Tokenizer with a method ``encode(waveform)`` that returns units by prefix; with it, validation
            measures the unit edit distance.
        metrics: Additional validation metrics by name, whose ``update`` takes generated and real waveforms (B, N).

    Raises:
        ValueError: If the generator has ``harmonics``, and ``f0`` is None or has another sample rate.
    """

    averaged: AveragedModel | None
    discriminators: nn.Module | None

    def __init__(
        self,
        generator: Generator,
        durations: DurationPredictor | None = None,
        discriminators: nn.Module | None = None,
        optimizer: GANOptimizer | None = None,
        losses: VocoderLosses | None = None,
        micro_batches: Size = 1,
        ema_decay: Share | None = None,
        f0: F0Extractor | None = None,
        tokenizer: Any = None,
        metrics: dict[str, Metric] | None = None,
    ) -> None:
        super().__init__()
        if generator.harmonics and (f0 is None or f0.sample_rate != generator.sample_rate):
            problem = "is not given" if f0 is None else f"takes {f0.sample_rate} Hz"
            raise ValueError(
                f"the generator has harmonics {generator.harmonics}, so its pitch must be learned from speech at "
                f"{generator.sample_rate} Hz, but f0 {problem}: give zoo.speech.f0_autocorrelation.Autocorrelation, "
                "or harmonics 0"
            )
        self.f0 = f0 if generator.harmonics else None
        self.automatic_optimization = False  # two optimizers take turns
        self.trained = VocoderNetworks(generator, durations).train()
        self.averaged = None
        if ema_decay:
            self.averaged = AveragedModel(self.trained, multi_avg_fn=get_ema_multi_avg_fn(ema_decay))
        self.discriminators = discriminators
        self.optimizer = optimizer or GANOptimizer()
        self.losses = losses or VocoderLosses()
        self.micro_batches = micro_batches
        self.sample_rate = generator.sample_rate
        self.steps = 0  # of the generator
        self.mels = nn.ModuleList()
        for size in self.losses.mel_windows:
            self.mels.append(LogMel(self.sample_rate, min(80, size // 8), size, size // 4))
        self.further_losses = nn.ModuleDict(self.losses.further or {})
        self.mel_distance = MelDistance(self.sample_rate)
        self.unit_edit_distance = UnitEditDistance()
        self.metrics = nn.ModuleDict(metrics or {})
        self._tokenizer = [tokenizer]  # in a list, so that its weights are not registered as this module's

    @property
    def evaluated(self) -> VocoderNetworks:
        """The networks that validation and the saved vocoder use: the moving average, if there is one."""
        if self.averaged is None:
            return self.trained
        networks = self.averaged.module
        assert isinstance(networks, VocoderNetworks)
        return networks

    def setup(self, stage: str) -> None:
        """Check that generator, data and precision fit together.

        Raises:
            ValueError: If the data has more speakers or styles than the generator, or the precision scales
                gradients.
        """
        if self.trainer.precision == "16-mixed":
            raise ValueError(
                "precision 16-mixed scales gradients, which clipping and two optimizers do not allow for here: "
                "take bf16-mixed or 32-true"
            )
        check_names(data_module_of(self.trainer), self.trained.generator)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        optimizers: list[torch.optim.Optimizer] = [self.optimizer.adamw(self.trained.parameters())]
        if self.discriminators is not None:
            optimizers.append(self.optimizer.adamw(self.discriminators.parameters()))
        return optimizers

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Train the discriminators, from step ``adversarial_from_step`` on, and then the generator."""
        optimizers = _as_list(self.optimizers(use_pl_optimizer=False))
        for optimizer in optimizers:
            set_learning_rate(optimizer, self.optimizer.learning_rate_at(self.steps))
        adversarial = self.discriminators is not None and self.steps >= self.losses.adversarial_from_step
        parts = split_batch(self._with_f0(batch), self.micro_batches)
        # Both steps use the speech of a single part. With several, it is generated twice, to hold only one in memory.
        generated = self.trained.synthesize(parts[0]) if len(parts) == 1 else None
        if adversarial:
            self._train_discriminators(parts, generated, optimizers[1])
        optimizers[0].zero_grad()
        for part in parts:
            speech = self.trained.synthesize(part) if generated is None else generated
            losses = self.compute_losses(part, speech, adversarial, self.trained)
            # The mean over parts equals the loss of the batch, except for the duration loss, which is a mean over runs.
            correction = (duration_scale(part, parts) - 1) * self.losses.duration_weight * losses.get("duration", 0.0)
            self.manual_backward((losses["loss"] + correction) / len(parts))
            self.log_dict({f"train/{name}": value.detach() for name, value in losses.items() if name != "mel"})
            self.log("train/mel", losses["mel"].detach(), prog_bar=True)
        self._clip(self.trained, "generator")
        # Lightning's wrapper of the generator's optimizer counts the step as a global step.
        _as_list(self.optimizers())[0].step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.trained)
        self.steps += 1

    def _train_discriminators(
        self, parts: Sequence[Batch], generated: Tensor | None, optimizer: torch.optim.Optimizer
    ) -> None:
        """Take one step of the discriminators; ``generated`` is the speech (B, N) of the only part, or None."""
        assert self.discriminators is not None
        self.discriminators.requires_grad_(True)
        optimizer.zero_grad()
        for part in parts:
            with torch.no_grad():
                speech = self.trained.synthesize(part) if generated is None else generated.detach()
            loss = discriminator_loss(self.discriminators(part["waveform"]), self.discriminators(speech))
            self.manual_backward(loss / len(parts))
            self.log("train/discriminator", loss.detach())
        self._clip(self.discriminators, "discriminator")
        # This bypasses Lightning's wrapper, which would count the step as another global step.
        self.trainer.strategy.optimizer_step(optimizer, lambda: None)
        # The discriminators' weights need no gradients in the generator's step.
        self.discriminators.requires_grad_(False)

    def _clip(self, network: nn.Module, name: str) -> None:
        if self.optimizer.clip_norm is not None:
            norm = nn.utils.clip_grad_norm_(network.parameters(), self.optimizer.clip_norm)
            self.log(f"train/{name}_norm", norm)

    def _with_f0(self, batch: Batch) -> Batch:
        """Add ``f0`` and ``voiced``, (B, frames of the generator) each, if the generator learns to predict them."""
        generator = self.trained.generator
        if self.f0 is None or not isinstance(generator, ISTFTGenerator):
            return batch
        frequency, voiced = f0_of_frames(batch["waveform"], self.f0, generator.hop)
        return batch | {"f0": frequency, "voiced": voiced}

    def compute_losses(
        self, batch: Batch, generated: Tensor, adversarial: bool, networks: VocoderNetworks
    ) -> dict[str, Tensor]:
        """Return the losses by name, with their weighted sum under the name ``loss``.

        Args:
            batch: Batch of the DataModule, with F0 and voicing if the generator learns to predict them.
            generated: Generated waveforms of the segments in the batch, (B, N).
            adversarial: Whether to include the losses that depend on the discriminators.
            networks: Networks that generated the waveforms.
        """
        real = batch["waveform"]
        mel_losses = [mel_loss(mel(real), mel(generated)) for mel in self.mels]
        losses = {"mel": reduce(torch.add, mel_losses) / len(self.mels)}
        for name, loss in self.further_losses.items():
            losses[name] = loss(generated, batch)
        losses |= networks.prediction_losses(batch)
        if adversarial:
            assert self.discriminators is not None
            with torch.no_grad():
                real_outputs = self.discriminators(real)
            generated_outputs = self.discriminators(generated)
            losses["adversarial"] = adversarial_loss(generated_outputs)
            losses["features"] = feature_loss(real_outputs, generated_outputs)
        weights = self.losses.weights
        weighted = [weights[name] * value for name, value in losses.items()]
        losses["loss"] = reduce(torch.add, weighted)
        return losses

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Log losses and metrics, and return ``real`` and ``generated`` waveforms (B, N) for ``SpeechSamples``."""
        networks = self.evaluated
        real = batch["waveform"]
        generated = networks.synthesize(batch)  # with the F0 that is predicted, as in inference
        size = len(generated)
        losses = self.compute_losses(self._with_f0(batch), generated, False, networks)
        self.log_dict({f"val/{name}": value for name, value in losses.items()}, batch_size=size)
        self.mel_distance.update(generated, real)
        self.log("val/mel_distance", self.mel_distance, batch_size=size)
        tokenizer = self._tokenizer[0]
        if tokenizer is not None:
            phonetic = next(iter(batch["units"]))
            for waveform, units in zip(generated, batch["units"][phonetic], strict=True):
                self.unit_edit_distance.update(tokenizer.encode(waveform.float())[phonetic], units)
            self.log("val/unit_edit_distance", self.unit_edit_distance, batch_size=size)
        for metric in self._metrics.values():
            metric.update(generated, real)
        return {"real": real, "generated": generated}

    @property
    def _metrics(self) -> dict[str, Metric]:
        metrics = {}
        for name, metric in self.metrics.items():
            assert isinstance(metric, Metric), f"{name} is no torchmetrics metric"
            metrics[name] = metric
        return metrics

    def on_validation_start(self) -> None:
        tokenizer = self._tokenizer[0]
        if isinstance(tokenizer, nn.Module):
            # Validation runs in inference mode; weights moved in it could not be used by a loss with a gradient.
            with torch.inference_mode(False):
                tokenizer.to(self.device)

    def on_validation_epoch_end(self) -> None:
        for name, metric in self._metrics.items():
            self.log_dict({f"val/{quantity}": value for quantity, value in named_values(name, metric).items()})
            metric.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["generator_steps"] = self.steps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.steps = checkpoint["generator_steps"]

    def vocoder(
        self,
        streams: Sequence[Stream],
        speakers: Sequence[str] = (),
        styles: Sequence[str] = (),
        missing: Mapping[str, Sequence[int]] | None = None,
        contract: dict[str, Any] | None = None,
    ) -> Vocoder:
        """Return a copy of the trained networks, or of their moving average, for inference.

        Args:
            streams: Streams of the tokenizer.
            speakers: Names of the speakers in the order of their indices.
            styles: Names of the styles in the order of their indices.
            missing: Substitute units by prefix; if a stream is missing entirely, one of its substitutes is repeated.
            contract: Contract of the tokens that the vocoder was trained on.

        Raises:
            ValueError: If ``streams`` does not match the streams of the generator.
        """
        networks = deepcopy(self.evaluated).cpu()
        return Vocoder(
            networks.generator,
            streams,
            networks.durations,
            speakers,
            styles,
            missing=missing,
            contract=contract,
        )


def _as_list(optimizers: Any) -> list[Any]:
    """Return optimizers as a list, since Lightning returns a single optimizer without one."""
    return optimizers if isinstance(optimizers, list) else [optimizers]
