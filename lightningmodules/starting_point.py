"""What a language model predicts before its first training step."""

import math
import warnings

import lightning as L
import torch

from lightningmodules.attached import data_module_of
from lightningmodules.language_model import SpeechTextLM
from zoo.metrics.modality_loss import ModalityLoss
from zoo.ranges import Size

SPEECH_MARGIN = 1.0  # nats per token above the uniform distribution over all rows
TEXT_LIMIT = 0.01  # nats per token


class StartingPoint(L.Callback):
    """Measures a text model with new rows for speech before its first step, on the first dev batches.

    Logs ``start/speech_loss`` in nats per speech token, and ``start/text_change`` in nats per text token that is
    predicted from text: what the probability that goes to the new rows adds to the loss. A warning says where a speech
    token costs over 1 nat more than a uniform choice among all rows, or text changes by more than 0.01 nats. A resumed
    run is not measured again.

    Args:
        num_batches: Number of dev batches on each device, at least 1.

    Raises:
        ValueError: If ``num_batches`` is below 1.
    """

    def __init__(self, num_batches: Size = 4) -> None:
        if num_batches < 1:
            raise ValueError(f"num_batches must be at least 1, got {num_batches}")
        self.num_batches = num_batches
        self.figures: dict[str, float] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, SpeechTextLM)
        if trainer.global_step:
            return
        self.figures = self.measure(trainer, pl_module)
        if trainer.logger is not None:
            trainer.logger.log_metrics(self.figures, 0)
        if trainer.is_global_zero:
            for line in shortcomings(self.figures, pl_module.vocabulary.num_rows):
                warnings.warn(line, stacklevel=2)

    @torch.no_grad()
    def measure(self, trainer: L.Trainer, module: SpeechTextLM) -> dict[str, float]:
        """Return the two figures by name, over all processes; one that has no token is left out."""
        vocabulary = module.vocabulary
        speech = ModalityLoss().to(module.device)
        text = ModalityLoss().to(module.device)
        numbers = range(trainer.global_rank, self.num_batches * trainer.world_size, trainer.world_size)
        module.eval()
        for batch in data_module_of(trainer).mixture("dev", numbers):
            ids = torch.as_tensor(batch).to(module.device)
            with trainer.precision_plugin.forward_context():
                losses = module.next_token(ids).tokens
                text_losses = module.next_token(ids, num_rows=vocabulary.num_text).tokens
            speech.update(losses, vocabulary.is_unit(ids[:, 1:]))
            text.update(losses - text_losses, vocabulary.is_text(ids[:, :-1]) & vocabulary.is_text(ids[:, 1:]))
        module.train()
        figures = {"start/speech_loss": float(speech.compute()), "start/text_change": float(text.compute())}
        return {name: value for name, value in figures.items() if not math.isnan(value)}


def shortcomings(figures: dict[str, float], num_rows: int) -> list[str]:
    """Return a line for each figure outside its limit.

    Args:
        figures: ``start/speech_loss`` and ``start/text_change``, each of which may be missing.
        num_rows: Number of rows of the embedding.
    """
    lines = []
    limit = math.log(num_rows) + SPEECH_MARGIN
    speech = figures.get("start/speech_loss", 0.0)
    remedy = "the initializer zoo.language.calibrated_rows.CalibratedRows is made for this"
    if not speech <= limit:
        lines.append(
            f"before training a speech token costs {speech:.2f} nats, more than ln({num_rows} rows) + 1 = {limit:.2f}: "
            f"{remedy}"
        )
    text = figures.get("start/text_change", 0.0)
    if not abs(text) <= TEXT_LIMIT:
        lines.append(
            f"before training the new rows change the loss of text by {text:.3f} nats per token, more than "
            f"{TEXT_LIMIT}: {remedy}"
        )
    return lines
