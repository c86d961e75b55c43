"""Pitch units: F0, less its mean, through the encoder of a VQ-VAE; and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.files import atomic_folder
from zoo.speech.f0 import HOP_SAMPLES, F0Extractor, F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.units import Stream

CONFIG, WEIGHTS = "pitch.json", "vqvae.safetensors"
MIN_SAMPLES = 1280
F0_EXTRACTORS = {kind.__name__: kind for kind in (FCPE, Autocorrelation)}


class PitchUnits(UnitExtractor):
    """The stream Pi: one unit for each ``vqvae.factor`` frames of F0 at 200 Hz, 12.5 a second in Spirit LM.

    Silence has units too: those of a track of zeros.

    Args:
        f0: Waveform to F0.
        vqvae: F0 to units.
        normalize: Whether F0 goes in less its mean over the voiced frames of the waveform.
    """

    def __init__(self, f0: F0Extractor, vqvae: PitchVQVAE, normalize: bool = True) -> None:
        super().__init__()
        self.f0, self.vqvae, self.normalize = f0, vqvae, normalize
        self.sample_rate, self.min_samples = f0.sample_rate, max(MIN_SAMPLES, (vqvae.factor - 1) * HOP_SAMPLES)
        self.stream = Stream("Pi", vqvae.codebook.size, f0.frame_rate / vqvae.factor)
        self.eval()

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> np.ndarray:
        self.check_length(waveform)
        return self.encode_track(self.f0(waveform.to(self.device))).cpu().numpy()

    @torch.inference_mode()
    def encode_track(self, track: F0Track) -> Tensor:
        """Units (T // factor,) int64 of a track of T frames."""
        mean = voiced_mean(track) if self.normalize else torch.zeros(1, device=track.frequency.device)
        return self.vqvae.encode(network_input(track, mean)[None])[0]

    @torch.inference_mode()
    def decode(self, units: np.ndarray | Tensor, mean_hz: float) -> F0Track:
        """The track that units (T,) stand for, T * factor frames.

        Args:
            units: Of this extractor.
            mean_hz: Of the voiced frames, which the units do not tell; 0 where F0 is not normalized.

        Raises:
            ValueError: Where the VQ-VAE has no decoder.
        """
        units = torch.as_tensor(units, dtype=torch.int64, device=self.device)
        return track_from_output(self.vqvae.decode(units[None])[0], mean_hz)

    def config(self) -> dict[str, Any]:
        return {
            "f0": {"class": type(self.f0).__name__, "arguments": self.f0.config()},
            "vqvae": self.vqvae.config(),
            "normalize": self.normalize,
        }

    def save(self, folder: Path) -> None:
        """Write ``pitch.json`` and the weights of the VQ-VAE; the folder appears whole."""
        with atomic_folder(folder) as out:
            (out / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
            save_file(
                {name: value.cpu().contiguous() for name, value in self.vqvae.state_dict().items()}, out / WEIGHTS
            )

    @classmethod
    def load(cls, folder: Path) -> "PitchUnits":
        folder = Path(folder)
        if not (folder / CONFIG).is_file():
            raise FileNotFoundError(
                f"no {CONFIG} in {folder}: run the stage that makes the pitch units first, or name another folder"
            )
        form = json.loads((folder / CONFIG).read_text())
        if form["f0"]["class"] not in F0_EXTRACTORS:
            raise ValueError(
                f"{folder / CONFIG}: unknown F0 extractor {form['f0']['class']!r}; known are {', '.join(F0_EXTRACTORS)}"
            )
        vqvae = PitchVQVAE.from_config(form["vqvae"])
        vqvae.load_state_dict(load_file(folder / WEIGHTS))
        return cls(F0_EXTRACTORS[form["f0"]["class"]](**form["f0"]["arguments"]), vqvae, form["normalize"])


def voiced_mean(track: F0Track) -> Tensor:
    """Mean frequency of the voiced frames in Hz, (); 0 where there is none."""
    return track.frequency[track.voiced].mean() if track.voiced.any() else track.frequency.new_zeros(())


def network_input(track: F0Track, mean_hz: Tensor) -> Tensor:
    """What the VQ-VAE sees of a track: frequency less a mean in Hz, unless it is 0, and 1 where voiced: (2, T)."""
    frequency = torch.where(track.frequency != 0, track.frequency - mean_hz, track.frequency)
    return torch.stack([frequency, track.voiced.to(frequency.dtype)])


def track_from_output(output: Tensor, mean_hz: float | Tensor) -> F0Track:
    """The track that an output (2, T) of the VQ-VAE stands for; (B, 2, T) and means (B, 1) make tracks (B, T)."""
    return F0Track((output[..., 0, :] + mean_hz).clamp(min=1.0), output[..., 1, :] > 0.5)
