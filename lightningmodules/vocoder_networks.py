"""The networks that a vocoder consists of, and their predictions for a batch."""

from typing import Any

from torch import Tensor, nn

from lightningmodules.micro_batches import Batch
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.generator import Generator
from zoo.vocoder.harmonic_source import F0Contour
from zoo.vocoder.istft import ISTFTGenerator
from zoo.vocoder.losses import duration_loss, pitch_losses


class VocoderNetworks(nn.Module):
    """Generator and duration predictor.

    Args:
        generator: Generator that maps units to waveforms.
        durations: Duration predictor of units; None for a vocoder of raw units only.
    """

    def __init__(self, generator: Generator, durations: DurationPredictor | None) -> None:
        super().__init__()
        self.generator = generator
        self.durations = durations

    def synthesize(self, batch: Batch) -> Tensor:
        """Return waveforms (B, N) of the segments of a batch, with the F0 of the speech if the batch contains it."""
        inputs = (batch["units"], batch["speaker"], batch["style"])
        if "f0" not in batch:
            return self.generator(*inputs)
        assert isinstance(self.generator, ISTFTGenerator)
        contour = F0Contour.of(batch["f0"], batch["voiced"], self.generator.frame_rate)
        return self.generator(*inputs, contour=contour)

    def prediction_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return, by name, the loss of durations, and the losses of F0 and voicing if the batch contains them."""
        losses = {}
        if self.durations is not None:
            frames = batch["run_frames"]
            embedded = self.generator.phonetic(batch["run_units"])
            losses["duration"] = duration_loss(self.durations(embedded, frames > 0).float(), frames)
        if "f0" in batch:
            assert isinstance(self.generator, ISTFTGenerator)
            octaves, logits = self.generator.predict_pitch(batch["units"], batch["speaker"], batch["style"])
            losses |= pitch_losses(octaves, logits, batch["f0"], batch["voiced"])
        return losses


def check_names(data: Any, generator: Generator) -> None:
    """Check that the generator has an embedding for every speaker and style of the data.

    Raises:
        ValueError: If the data has more speakers or styles than the generator.
    """
    for kind, count in (("speakers", generator.num_speakers), ("styles", generator.num_styles)):
        names = getattr(data, kind, [])
        if count and len(names) > count:
            raise ValueError(
                f"the tokens have {len(names)} {kind}, but the generator has num_{kind} {count}: "
                f"raise it to at least {len(names)}"
            )
