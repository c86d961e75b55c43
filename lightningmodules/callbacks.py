"""What happens around training: seeds, and audio and pictures to listen to and look at."""

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from zoo.vocoder.mel import LogMel

# Dark to light, in steps of equal brightness, so that louder is always brighter.
COLOURS = torch.tensor(
    [[0.0, 0.0, 0.1], [0.25, 0.05, 0.45], [0.65, 0.15, 0.45], [0.95, 0.45, 0.25], [1.0, 0.85, 0.45], [1.0, 1.0, 0.9]]
)


class SeededSteps(L.Callback):
    """Makes dropout and all other chance within a training step a pure function of (seed, batch, rank).

    Together with data in the order of the step, a run that was killed and resumed ends with the same weights as one that was not.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        accumulate = trainer.accumulate_grad_batches
        number = trainer.global_step * accumulate + batch_idx % accumulate
        torch.manual_seed(int(np.random.SeedSequence([self.seed, number, trainer.global_rank]).generate_state(1)[0]))


class TokenLedger(L.Callback):
    """Keeps account of what a language model was trained on: ``tokens/{text,speech,other}`` and ``epochs/STREAM`` in TensorBoard.

    Tokens are counted over all processes, markers as other; the account is kept in the checkpoint. The module tells its
    ``vocabulary``, the data module the ``epochs`` of its streams.
    """

    def __init__(self) -> None:
        self.tokens = dict.fromkeys(("text", "speech", "other"), 0)
        self.since: Tensor | None = None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Tensor, batch_idx: int
    ) -> None:
        text, speech = pl_module.vocabulary.is_text(batch).sum(), pl_module.vocabulary.is_unit(batch).sum()
        counts = torch.stack([text, speech, batch.numel() - text - speech])
        self.since = counts if self.since is None else self.since + counts
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        counts, self.since = trainer.strategy.reduce(self.since, reduce_op="sum"), None
        for name, count in zip(self.tokens, counts.tolist()):
            self.tokens[name] += count
        if trainer.logger is not None and trainer.global_step % trainer.log_every_n_steps == 0:
            trainer.logger.log_metrics(self.account(trainer), trainer.global_step)

    def account(self, trainer: L.Trainer) -> dict[str, float]:
        """All so far, by the names in TensorBoard."""
        epochs = {f"epochs/{name}": count for name, count in trainer.datamodule.epochs().items()}
        return {f"tokens/{name}": float(count) for name, count in self.tokens.items()} | epochs

    def state_dict(self) -> dict[str, int]:
        return dict(self.tokens)

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.tokens = dict(state_dict)


class SpeechSamples(L.Callback):
    """Puts the first validation utterances into TensorBoard: real and made, as audio and as mel spectrograms.

    The module's validation step returns ``real`` and ``made``, each (B, N), and the module tells ``sample_rate``.

    Args:
        num_samples: Utterances, the first of each validation batch.
    """

    def __init__(self, num_samples: int = 4) -> None:
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
        logger = trainer.logger
        if (
            not isinstance(logger, TensorBoardLogger)
            or batch_idx >= self.num_samples
            or not outputs
            or trainer.sanity_checking
        ):
            return
        real, made, rate = outputs["real"][0].float().cpu(), outputs["made"][0].float().cpu(), pl_module.sample_rate
        for name, waveform in (("real", real), ("made", made)):
            logger.experiment.add_audio(
                f"{batch_idx}/{name}", waveform.clamp(-1, 1).unsqueeze(0), trainer.global_step, rate
            )
        logger.experiment.add_image(
            f"{batch_idx}/real_above_made", mel_picture([real, made], rate), trainer.global_step
        )


def mel_picture(waveforms: list[Tensor], sample_rate: int) -> Tensor:
    """Mel spectrograms one above the other, low frequencies at the bottom: waveforms (N,) of one length -> (3, H, W) in 0 to 1."""
    mels = LogMel(sample_rate)(torch.stack(waveforms))  # (B, M, F)
    low, high = mels[0].min(), mels[0].max()
    level = ((mels - low) / (high - low).clamp(min=1e-6)).clamp(0, 1).flip(1).flatten(0, 1)  # (B * M, F)
    place = level * (len(COLOURS) - 1)
    below = place.long().clamp(max=len(COLOURS) - 2)
    share = (place - below).unsqueeze(-1)
    return torch.lerp(COLOURS[below], COLOURS[below + 1], share).permute(2, 0, 1)
