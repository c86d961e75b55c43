"""F0 by FCPE, the neural pitch estimator of Spirit LM (Luo et al. 2025)."""

import contextlib
import io
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import Hertz, Probability
from zoo.speech.f0 import HOP_SAMPLES, F0Extractor, F0Track, interpolate_unvoiced, unvoiced_track


class FCPE(F0Extractor):
    """FCPE with the weights that are bundled with the torchfcpe package.

    The network runs at 100 Hz, and each of its frames is repeated to reach 200 Hz. Its group norm normalizes over the
    whole waveform, so every frame depends on the whole waveform.

    Args:
        threshold: Frames with at most this confidence are unvoiced.
        f0_min: Frames below this frequency in Hz are unvoiced.
        f0_max: Frames above this frequency in Hz are clipped to it.
    """

    def __init__(self, threshold: Probability = 0.05, f0_min: Hertz = 50.0, f0_max: Hertz = 1100.0) -> None:
        super().__init__()
        self.threshold = threshold
        self.f0_min = f0_min
        self.f0_max = f0_max
        # Loaded at the first use because loading is slow. A list, so that the weights of another package are not
        # registered as parameters of this module.
        self._network: list[nn.Module] = []

    @torch.no_grad()
    def forward(self, waveform: Tensor) -> F0Track:
        if len(waveform) == 0:
            return unvoiced_track(0, waveform.device)
        network = self.network(waveform.device)
        with contextlib.redirect_stdout(io.StringIO()):  # torchfcpe prints a line for each sample beyond [-1, 1]
            raw = network(waveform[None, :, None], self.sample_rate, "local_argmax", self.threshold)[0, :, 0]
        voiced = raw >= self.f0_min
        if not voiced.any():
            return unvoiced_track(len(waveform), waveform.device)
        frequency = interpolate_unvoiced(raw, voiced).clamp(max=self.f0_max)
        rows = torch.stack([frequency, voiced.to(raw.dtype)])  # (2, T / 2) at 100 Hz
        num_frames = len(waveform) // HOP_SAMPLES + 1
        frequency, flags = F.interpolate(rows[None], size=num_frames, mode="nearest")[0]
        return F0Track(frequency, flags > 0.5)

    def network(self, device: torch.device) -> nn.Module:
        """Return torchfcpe's model on a device; the first call loads it."""
        if not self._network:
            with contextlib.redirect_stdout(io.StringIO()):
                import torchfcpe  # here, since the import takes a second and other extractors do not need it

                self._network.append(torchfcpe.spawn_bundled_infer_model("cpu").requires_grad_(False))
        return self._network[0].to(device)

    def config(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "f0_min": self.f0_min, "f0_max": self.f0_max}
