"""What encoders with a frozen network of transformers have in common."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from zoo.ranges import LayerNumber
from zoo.speech.encoders.interface import SpeechEncoder


class PretrainedEncoder(SpeechEncoder):
    """A frozen network of transformers, truncated after a layer.

    Args:
        network: The truncated network.
        layer: Layer whose output are the features; None for the last.
        feature_extractor: Feature extractor of transformers that is saved with the weights; None if there is none.
    """

    network: PreTrainedModel

    def __init__(
        self, network: PreTrainedModel, layer: LayerNumber | None, feature_extractor: Any | None = None
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.layer = layer
        self.feature_extractor = feature_extractor
        self.is_bfloat16 = False

    def forward(self, waveform: Tensor) -> Tensor:
        return self.batch([waveform])[0]

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the features (T, dim) of several waveforms, bit-identical to calling ``forward`` on each alone.

        Raises:
            ValueError: If a waveform is shorter than ``min_samples``.
        """
        if not waveforms:
            return []
        shortest = min(map(len, waveforms))
        if shortest < self.min_samples:
            raise ValueError(f"{shortest} samples are too few for a frame: want {self.min_samples} or more")
        with torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            rows = self.hidden_states(waveforms)
        return [row.float() for row in rows]

    @abstractmethod
    def hidden_states(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the output (T, dim) of the last kept layer for each waveform (num_samples,)."""

    def use_bfloat16(self) -> None:
        """Compute matrix products in bfloat16 from now on; features stay float32.

        The weights are rounded to bfloat16 as well, so this encoder should not be saved afterwards.
        """
        if self.is_bfloat16:
            return
        self.is_bfloat16 = True
        for module in self.network.modules():
            is_convolution = isinstance(module, nn.Conv1d)
            is_large = isinstance(module, nn.Linear) or (is_convolution and module.in_channels > 1)
            if is_convolution and module.groups > 1 and module.in_channels // module.groups < 16:
                # oneDNN 3.10 returns wrong sums in bfloat16 with AMX.
                module.forward = _without_autocast(module.forward)  # pyrefly: ignore[bad-assignment]
            elif is_large and not parametrize.is_parametrized(module):
                module.to(torch.bfloat16)

    def config(self) -> dict[str, Any]:
        return {"layer": self.layer}

    def save_weights(self, folder: Path) -> None:
        """Write network and feature extractor as a folder of transformers, which ``source`` may name."""
        self.network.save_pretrained(folder)
        if self.feature_extractor is not None:
            self.feature_extractor.save_pretrained(folder)


def _without_autocast(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Wrap the forward of a module so that it runs in float32."""

    def in_float32(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return in_float32
