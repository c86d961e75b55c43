"""Pitch units: F0 minus its mean, quantized by a VQ-VAE, which also decodes units to F0."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.files import atomic_folder, reading
from zoo.speech.f0 import HOP_SAMPLES, F0Extractor, F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.f0_normalization import network_input, track_from_output, voiced_mean
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.unit_extractor import UnitExtractor, find_class, read_config, save_state
from zoo.tokens.units import Stream
from zoo.weights import load_weights

F0_EXTRACTORS: dict[str, type[F0Extractor]] = {"FCPE": FCPE, "Autocorrelation": Autocorrelation}
CONFIG = "pitch.json"
WEIGHTS = "vqvae.safetensors"
MIN_SAMPLES = 1280


class PitchUnits(UnitExtractor):
    """Extractor of the pitch stream, Pi: one unit per ``vqvae.factor`` frames of F0 at 200 Hz (12.5 Hz in Spirit LM).

    Speech without voiced frames has units as well: those of a track of zeros.

    Args:
        f0: Extractor that maps waveforms to F0.
        vqvae: VQ-VAE that maps F0 to units.
        normalize: Whether to subtract the mean F0 over the voiced frames of the waveform.
    """

    def __init__(self, f0: F0Extractor, vqvae: PitchVQVAE, normalize: bool = True) -> None:
        super().__init__()
        self.f0 = f0
        self.vqvae = vqvae
        self.normalize = normalize
        self.sample_rate = f0.sample_rate
        self.min_samples = max(MIN_SAMPLES, (vqvae.factor - 1) * HOP_SAMPLES)
        self.stream = Stream("Pi", vqvae.codebook.size, f0.frame_rate / vqvae.factor)
        self.eval()

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> np.ndarray:
        self.check_length(waveform)
        return self.encode_track(self.f0(waveform.to(self.device))).cpu().numpy()

    @torch.inference_mode()
    def encode_track(self, track: F0Track) -> Tensor:
        """Return the units (T // factor,) int64 of a track of T frames."""
        mean = voiced_mean(track) if self.normalize else torch.zeros(1, device=track.frequency.device)
        return self.vqvae.encode(network_input(track, mean)[None])[0]

    @torch.inference_mode()
    def decode(self, units: np.ndarray | Tensor, mean_hz: float) -> F0Track:
        """Decode units (T,) to a track of T * factor frames.

        Args:
            units: Units of this extractor, (T,).
            mean_hz: Mean of the voiced frames, which the units do not contain; 0 if F0 is not normalized.

        Raises:
            ValueError: If the VQ-VAE has no decoder.
        """
        units = torch.as_tensor(units, dtype=torch.int64, device=self.device)
        return track_from_output(self.vqvae.decode(units[None])[0], mean_hz)

    def config(self) -> dict[str, Any]:
        return {
            "f0": {"class": type(self.f0).__name__, "arguments": self.f0.config()},
            "vqvae": self.vqvae.config(),
            "normalize": self.normalize,
        }

    def save(self, folder: Path | str) -> None:
        """Write ``pitch.json`` and the weights of the VQ-VAE, completely or not at all."""
        folder = Path(folder)
        with atomic_folder(folder) as out:
            (out / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
            save_state(self.vqvae, out / WEIGHTS)

    @classmethod
    def load(cls, folder: Path | str) -> "PitchUnits":
        """Load what ``save`` wrote.

        Raises:
            FileNotFoundError: If the folder holds no pitch units.
            ValueError: If the configuration names an unknown F0 extractor.
        """
        folder = Path(folder)
        config = read_config(folder / CONFIG, "pitch")
        with reading(folder / CONFIG):
            f0_class = find_class(config["f0"]["class"], F0_EXTRACTORS, "F0 extractor", folder / CONFIG)
            vqvae = PitchVQVAE.from_config(config["vqvae"])
            load_weights(vqvae, folder / WEIGHTS)
            return cls(f0_class(**config["f0"]["arguments"]), vqvae, config["normalize"])
