"""The weighted losses of a unit vocoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from torch import nn

from zoo.ranges import NONEMPTY, NonNegativeFloat, NonNegativeInt, WindowLength, check_ranges


@dataclass(frozen=True)
class VocoderLosses:
    """Weights and settings of the losses that train a generator; most follow HiFi-GAN (Kong et al. 2020).

    Args:
        mel_weight: Weight of the L1 distance of log-mel spectrograms.
        mel_windows: Window lengths, in samples, of the spectrograms that the mel loss averages over. Short windows
            resolve loudness changes that 1024 samples smooth over.
        feature_weight: Weight of the distance between discriminator features of real and generated speech.
        duration_weight: Weight of the duration loss.
        f0_weight: Weight of the F0 loss and of the voicing loss, for a generator with ``harmonics``.
        adversarial_from_step: First step of the generator at which the discriminators take part.
        further: Additional losses by the name they are logged under, such as ``UnitConsistencyLoss``: each has a
            ``weight`` and maps generated speech (B, N) and the batch to a scalar. Polyak et al. (2021) have none.
    """

    mel_weight: NonNegativeFloat = 45.0
    mel_windows: Annotated[tuple[WindowLength, ...], NONEMPTY] = (1024,)
    feature_weight: NonNegativeFloat = 2.0
    duration_weight: NonNegativeFloat = 1.0
    f0_weight: NonNegativeFloat = 10.0
    adversarial_from_step: NonNegativeInt = 0
    further: Mapping[str, nn.Module] | None = None

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each loss by the name it is logged under."""
        weights = {
            "mel": self.mel_weight,
            "duration": self.duration_weight,
            "adversarial": 1.0,
            "features": self.feature_weight,
            "f0": self.f0_weight,
            "voicing": self.f0_weight,
        }
        for name, loss in (self.further or {}).items():
            weight: Any = loss.weight  # nn.Module declares attributes to be tensors or modules
            weights[name] = weight
        return weights
