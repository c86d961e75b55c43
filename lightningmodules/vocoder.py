"""Training of a unit vocoder."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import Metric

from lightningmodules.optimizers import GANOptimizer, set_learning_rate
from lightningmodules.vocoder_losses import VocoderLosses
from zoo.metrics.mel_distance import MelDistance
from zoo.metrics.speech_quality import named_values
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.speech.f0 import F0Extractor
from zoo.tokens.units import Stream
from zoo.vocoder.duration import DurationPredictor
from zoo.vocoder.generator import Generator
from zoo.vocoder.harmonic_source import F0Contour, frames_of_f0
from zoo.vocoder.losses import (
    adversarial_loss,
    discriminator_loss,
    duration_loss,
    feature_loss,
    inner_runs,
    mel_loss,
    pitch_losses,
)
from zoo.vocoder.mel import LogMel
from zoo.vocoder.vocoder import Vocoder

Batch = dict[str, Any]


class UnitVocoder(L.LightningModule):
    """Least-squares GAN with feature matching, mel and duration losses (Kong et al. 2020; Polyak et al. 2021).

    One batch is one step. Lightning counts the generator's steps only, so ``max_steps``, checkpoints, logs and the order
    of the data go by them.

    Args:
        generator: Trained.
        durations: Trained on the generator's unit embeddings; None for a vocoder of raw units only.
        discriminators: Trained against the generator; None for the mel loss alone.
        optimizer: Settings of both optimizers. Defaults to ``GANOptimizer()``.
        losses: Weights and settings of the losses. Defaults to ``VocoderLosses()``.
        micro_batches: Equal parts that a batch is processed in, for less memory and the same step.
        ema_decay: Decay of the exponential moving average of the weights, which validation and the saved vocoder use; None to
            use the weights themselves.
        f0: F0 extractor of the speech, which a generator with ``harmonics`` learns to predict, and is conditioned on in training.
        tokenizer: Has ``encode(waveform) -> units by prefix``; with it, validation measures the unit edit distance.
        metrics: Further validation metrics by name: their ``update`` takes generated and real waveforms (B, N).

    Raises:
        ValueError: Where the generator has ``harmonics`` and nothing hears F0, or at another sample rate.
    """

    def __init__(
        self,
        generator: Generator,
        durations: DurationPredictor | None = None,
        discriminators: nn.Module | None = None,
        optimizer: GANOptimizer | None = None,
        losses: VocoderLosses | None = None,
        micro_batches: int = 1,
        ema_decay: float | None = None,
        f0: F0Extractor | None = None,
        tokenizer: Any = None,
        metrics: dict[str, Metric] | None = None,
    ) -> None:
        super().__init__()
        if generator.harmonics and (f0 is None or f0.sample_rate != generator.sample_rate):
            raise ValueError(
                f"the generator has harmonics {generator.harmonics}, so its pitch must be learned from speech at {generator.sample_rate} Hz, but f0 "
                f"{'is not given' if f0 is None else f'takes {f0.sample_rate} Hz'}: give zoo.speech.f0_autocorrelation.Autocorrelation, or harmonics 0"
            )
        self.f0 = f0 if generator.harmonics else None
        self.automatic_optimization = False
        self.trained = nn.ModuleDict({"generator": generator} | ({"durations": durations} if durations else {})).train()
        self.averaged = AveragedModel(self.trained, multi_avg_fn=get_ema_multi_avg_fn(ema_decay)) if ema_decay else None
        self.discriminators = discriminators
        self.optimizer = optimizer or GANOptimizer()
        self.losses = losses or VocoderLosses()
        self.weights = self.losses.weights
        self.micro_batches = micro_batches
        self.sample_rate, self.steps = generator.sample_rate, 0
        windows = self.losses.mel_windows
        self.mels = nn.ModuleList(LogMel(self.sample_rate, min(80, size // 8), size, size // 4) for size in windows)
        self.further_losses = nn.ModuleDict(self.losses.further or {})
        self.mel_distance = MelDistance(self.sample_rate)
        self.unit_edit_distance = UnitEditDistance()
        self.metrics = nn.ModuleDict(metrics or {})
        self._tokenizer = [tokenizer]  # in a list, so that its weights are not taken for this module's

    def setup(self, stage: str) -> None:
        if self.trainer.precision == "16-mixed":
            raise ValueError(
                "precision 16-mixed scales gradients, which clipping and two optimizers do not allow for here: take bf16-mixed or 32-true"
            )
        data, generator = self.trainer.datamodule, self.trained["generator"]
        for kind, names, count in (
            ("speakers", getattr(data, "speakers", []), generator.num_speakers),
            ("styles", getattr(data, "styles", []), generator.num_styles),
        ):
            if count and len(names) > count:
                raise ValueError(
                    f"the tokens have {len(names)} {kind}, but the generator has num_{kind} {count}: raise it to at least {len(names)}"
                )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        networks = [self.trained] + ([self.discriminators] if self.discriminators else [])
        return [self.optimizer.adamw(network.parameters()) for network in networks]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        optimizers = self.optimizers(use_pl_optimizer=False)
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        for optimizer in optimizers:
            set_learning_rate(optimizer, self.optimizer.learning_rate_at(self.steps))
        adversarial = self.discriminators is not None and self.steps >= self.losses.adversarial_from_step
        parts = _parts(self._with_f0_contour(batch), self.micro_batches)
        made = (
            self.speak(parts[0]) if len(parts) == 1 else None
        )  # one part serves both steps; of several, only one is in memory
        if adversarial:
            self._train_discriminators(parts, made, optimizers[1])
        optimizers[0].zero_grad()
        for part in parts:
            losses = self.compute_losses(part, self.speak(part) if made is None else made, adversarial)
            loss = losses["loss"] + (_share_of_runs(part, parts) - 1) * self.weights["duration"] * losses.get(
                "duration", 0.0
            )
            self.manual_backward(loss / len(parts))
            self.log_dict({f"train/{name}": value.detach() for name, value in losses.items() if name != "mel"})
            self.log("train/mel", losses["mel"].detach(), prog_bar=True)
        self._clip(self.trained, "generator")
        counted = self.optimizers()
        (counted[0] if isinstance(counted, list) else counted).step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.trained)
        self.steps += 1

    def _train_discriminators(
        self, parts: Sequence[Batch], made: Tensor | None, optimizer: torch.optim.Optimizer
    ) -> None:
        self.discriminators.requires_grad_(True)
        optimizer.zero_grad()
        for part in parts:
            with torch.no_grad():
                spoken = self.speak(part) if made is None else made.detach()
            loss = discriminator_loss(self.discriminators(part["waveform"]), self.discriminators(spoken))
            self.manual_backward(loss / len(parts))
            self.log("train/discriminator", loss.detach())
        self._clip(self.discriminators, "discriminator")
        # Past Lightning's wrapper, which would count this as one more global step.
        self.trainer.strategy.optimizer_step(optimizer, lambda: None)
        self.discriminators.requires_grad_(False)

    def _clip(self, network: nn.Module, name: str) -> None:
        if self.optimizer.clip_norm is not None:
            self.log(f"train/{name}_norm", nn.utils.clip_grad_norm_(network.parameters(), self.optimizer.clip_norm))

    def _with_f0_contour(self, batch: Batch) -> Batch:
        """The batch with the F0 and voicing of its speech, (B, frames of the generator) each, where the generator learns them."""
        if self.f0 is None:
            return batch
        frequency, voiced = frames_of_f0(batch["waveform"], self.f0, self.trained["generator"].hop)
        return batch | {"f0": frequency, "voiced": voiced}

    def speak(self, batch: Batch, network: nn.Module | None = None) -> Tensor:
        """Waveforms (B, N) of the segments of a batch: by the melody of its speech where it has that, as in training."""
        generator = (network or self.trained)["generator"]
        if "f0" not in batch:
            return generator(batch["units"], batch["speaker"], batch["style"])
        melody = F0Contour.of(batch["f0"], batch["voiced"], generator.frame_rate)
        return generator(batch["units"], batch["speaker"], batch["style"], melody=melody)

    def compute_losses(
        self, batch: Batch, made: Tensor, adversarial: bool, network: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """Losses by name, and their weighted sum as ``loss``; the same in training and validation.

        Args:
            batch: As the data module makes them.
            made: Waveforms (B, N) of its segments.
            adversarial: Whether the discriminators judge.
            network: The one in training if None.
        """
        network = network or self.trained
        losses = {"mel": sum(mel_loss(mel(batch["waveform"]), mel(made)) for mel in self.mels) / len(self.mels)}
        losses |= {name: loss(made, batch) for name, loss in self.further_losses.items()}
        if "durations" in network:
            frames = batch["run_frames"]
            predicted = network["durations"](network["generator"].phonetic(batch["run_units"]), frames > 0)
            losses["duration"] = duration_loss(predicted.float(), frames)
        if "f0" in batch:
            told = network["generator"].predicted_pitch(batch["units"], batch["speaker"], batch["style"])
            losses |= pitch_losses(*told, batch["f0"], batch["voiced"])
        if adversarial:
            with torch.no_grad():
                real = self.discriminators(batch["waveform"])
            judged = self.discriminators(made)
            losses |= {"adversarial": adversarial_loss(judged), "features": feature_loss(real, judged)}
        return losses | {"loss": sum(self.weights[name] * value for name, value in losses.items())}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        network = self.trained if self.averaged is None else self.averaged.module
        made = self.speak(batch, network)
        size = len(made)
        self.log_dict(
            {
                f"val/{name}": value
                for name, value in self.compute_losses(self._with_f0_contour(batch), made, False, network).items()
            },
            batch_size=size,
        )
        self.mel_distance.update(made, batch["waveform"])
        self.log("val/mel_distance", self.mel_distance, batch_size=size)
        if self._tokenizer[0] is not None:
            phonetic = next(iter(batch["units"]))
            for waveform, units in zip(made, batch["units"][phonetic]):
                self.unit_edit_distance.update(self._tokenizer[0].encode(waveform.float())[phonetic], units)
            self.log("val/unit_edit_distance", self.unit_edit_distance, batch_size=size)
        for metric in self.metrics.values():
            metric.update(made, batch["waveform"])
        return {"real": batch["waveform"], "made": made}

    def on_validation_start(self) -> None:
        if isinstance(self._tokenizer[0], nn.Module):
            with torch.inference_mode(False):  # a loss may learn through the same weights
                self._tokenizer[0].to(self.device)

    def on_validation_epoch_end(self) -> None:
        for name, metric in self.metrics.items():
            self.log_dict({f"val/{each}": value for each, value in named_values(name, metric).items()})
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
        """A copy for inference of what is trained, its running mean if there is one; arguments as of ``Vocoder``."""
        network = deepcopy(self.trained if self.averaged is None else self.averaged.module).cpu()
        durations = network["durations"] if "durations" in network else None
        return Vocoder(network["generator"], streams, durations, speakers, styles, missing=missing, contract=contract)


def _share_of_runs(part: Batch, parts: Sequence[Batch]) -> Tensor | float:
    """How many runs of a part the duration loss is a mean of, beside the mean of all parts: their mean is that of the whole batch."""
    if len(parts) == 1:
        return 1.0
    return (
        len(parts)
        * inner_runs(part["run_frames"]).sum()
        / sum(inner_runs(each["run_frames"]).sum() for each in parts).clamp(min=1)
    )


def _parts(batch: Batch, count: int) -> list[Batch]:
    """Equal parts of a batch, along the first dimension of everything in it."""
    size = len(batch["waveform"])
    if size % count:
        raise ValueError(f"micro_batches {count} must divide the batch of {size}")

    def part(value: Any, rows: slice) -> Any:
        return {key: part(each, rows) for key, each in value.items()} if isinstance(value, dict) else value[rows]

    return [batch] if count == 1 else [part(batch, slice(i, i + size // count)) for i in range(0, size, size // count)]
