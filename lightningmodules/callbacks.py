"""Training callbacks: seeds of training steps, token counts, and audio and mel spectrograms in TensorBoard."""

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from lightningmodules.attached import data_module_of
from zoo.ranges import Size
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.mel import LogMel

# RGB from dark to light in steps of equal brightness, so that louder is always brighter, (colors, 3).
COLORS = torch.tensor(
    [[0.0, 0.0, 0.1], [0.25, 0.05, 0.45], [0.65, 0.15, 0.45], [0.95, 0.45, 0.25], [1.0, 0.85, 0.45], [1.0, 1.0, 0.9]]
)


class SeededSteps(L.Callback):
    """Seeds dropout and all other randomness within a training step by (seed, batch number, rank).

    If the order of batches depends only on the step, too, an interrupted and resumed run ends with the same weights as
    an uninterrupted one.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        accumulated = trainer.accumulate_grad_batches
        batch_number = trainer.global_step * accumulated + batch_idx % accumulated
        sequence = np.random.SeedSequence([self.seed, batch_number, trainer.global_rank])
        torch.manual_seed(int(sequence.generate_state(1)[0]))


class TokenLedger(L.Callback):
    """Counts training tokens and epochs: ``tokens/{text,speech,other}`` and ``epochs/STREAM`` in TensorBoard.

    Tokens are counted over all processes; markers count as ``other``. The counts are saved in the checkpoint. The
    module must have an attribute ``vocabulary``, and the DataModule a method ``epochs``, which returns the number of
    epochs of each stream by name.
    """

    def __init__(self) -> None:
        self.tokens = dict.fromkeys(("text", "speech", "other"), 0)
        self.since_step: Tensor | None = None  # counts (3,) of this process since the last optimizer step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Tensor, batch_idx: int
    ) -> None:
        vocabulary: Any = pl_module.vocabulary
        assert isinstance(vocabulary, Vocabulary)
        text = vocabulary.is_text(batch).sum()
        speech = vocabulary.is_unit(batch).sum()
        counts = torch.stack([text, speech, batch.numel() - text - speech])
        self.since_step = counts if self.since_step is None else self.since_step + counts
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        counts = trainer.strategy.reduce(self.since_step, reduce_op="sum")
        self.since_step = None
        for name, count in zip(self.tokens, counts.tolist(), strict=True):
            self.tokens[name] += count
        every = trainer.log_every_n_steps  # pyrefly: ignore[missing-attribute]  # set by a connector of the trainer
        if trainer.logger is not None and every and trainer.global_step % every == 0:
            for logger in trainer.loggers:
                logger.log_metrics(self.account(trainer), trainer.global_step)

    def account(self, trainer: L.Trainer) -> dict[str, float]:
        """Return the current token counts and epochs, by their names in TensorBoard."""
        account = {f"tokens/{name}": float(count) for name, count in self.tokens.items()}
        for name, epochs in data_module_of(trainer).epochs().items():
            account[f"epochs/{name}"] = epochs
        return account

    def state_dict(self) -> dict[str, int]:
        return dict(self.tokens)

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.tokens = dict(state_dict)


class SpeechSamples(L.Callback):
    """Logs the first validation utterances to TensorBoard: real and generated, as audio and as mel spectrograms.

    The module's validation step must return ``real`` and ``generated``, (B, N) each, and the module must have an
    attribute ``sample_rate``.

    Args:
        num_samples: Number of utterances; the first of each validation batch is logged.
    """

    def __init__(self, num_samples: Size = 4) -> None:
        self.num_samples = num_samples

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        logger = next((logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)), None)
        if logger is None or not outputs or trainer.sanity_checking:
            return
        if batch_idx >= self.num_samples:
            return
        sample_rate: Any = pl_module.sample_rate
        waveforms = {name: outputs[name][0].float().cpu() for name in ("real", "generated")}
        step = trainer.global_step
        for name, waveform in waveforms.items():
            audio = waveform.clamp(-1, 1).unsqueeze(0)
            logger.experiment.add_audio(f"{batch_idx}/{name}", audio, step, sample_rate)
        image = mel_image(list(waveforms.values()), sample_rate)
        logger.experiment.add_image(f"{batch_idx}/real_above_generated", image, step)


def mel_image(waveforms: list[Tensor], sample_rate: int) -> Tensor:
    """Draw mel spectrograms above each other, with low frequencies at the bottom of each.

    Args:
        waveforms: Waveforms (N,) of equal length; the first one determines the range of the color scale.
        sample_rate: Sample rate in Hz.

    Returns:
        An RGB image (3, H, W) with values from 0 to 1.
    """
    mels = LogMel(sample_rate)(torch.stack(waveforms))  # (B, M, F)
    low = mels[0].min()
    high = mels[0].max()
    level = ((mels - low) / (high - low).clamp(min=1e-6)).clamp(0, 1).flip(1).flatten(0, 1)  # (B * M, F)
    # Interpolate between the two nearest colors.
    position = level * (len(COLORS) - 1)
    color_below = position.long().clamp(max=len(COLORS) - 2)
    fraction = (position - color_below).unsqueeze(-1)
    return torch.lerp(COLORS[color_below], COLORS[color_below + 1], fraction).permute(2, 0, 1)
