"""Phonetic units: features of a speech encoder, quantized."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.files import atomic_folder, reading
from zoo.ranges import Rate
from zoo.speech.ctc_quantizer import ContextCTCQuantizer, CTCQuantizer
from zoo.speech.encoders import (
    FilterbankEncoder,
    HubertEncoder,
    PooledEncoder,
    SpeechEncoder,
    W2vBertEncoder,
    WhisperEncoder,
)
from zoo.speech.kmeans import KMeans
from zoo.speech.supervised_units import SupervisedQuantizer
from zoo.speech.unit_extractor import UnitExtractor, find_class, read_config, save_state
from zoo.speech.vtln import VTLNFilterbankEncoder
from zoo.tokens.contract import checksum
from zoo.tokens.units import Stream
from zoo.weights import load_weights

Quantizer = KMeans | CTCQuantizer | SupervisedQuantizer

# Classes that a saved configuration may name.
ENCODERS: dict[str, type[SpeechEncoder]] = {
    "FilterbankEncoder": FilterbankEncoder,
    "VTLNFilterbankEncoder": VTLNFilterbankEncoder,
    "HubertEncoder": HubertEncoder,
    "WhisperEncoder": WhisperEncoder,
    "W2vBertEncoder": W2vBertEncoder,
    "PooledEncoder": PooledEncoder,
}
QUANTIZERS: dict[str, type[KMeans] | type[CTCQuantizer] | type[SupervisedQuantizer]] = {
    "KMeans": KMeans,
    "CTCQuantizer": CTCQuantizer,
    "ContextCTCQuantizer": ContextCTCQuantizer,
    "SupervisedQuantizer": SupervisedQuantizer,
}
CONFIG = "phonetic.json"
WEIGHTS = "quantizer.safetensors"
ENCODER = "encoder"
MAX_CLOCK_DEVIATION = 0.01  # largest difference of the clock from the encoder's frame rate, relative to the rate


class PhoneticUnits(UnitExtractor):
    """Extractor of the phonetic stream, Hu: one unit per frame of an encoder.

    Args:
        encoder: Encoder that maps waveforms to features.
        quantizer: Quantizer that maps features to units.
        clock: Units per second by which tokens are ordered in time, the encoder's frame rate if None; see ``Stream``.

    Raises:
        ValueError: If encoder and quantizer differ in the width of the features, or the clock differs from the
            encoder's frame rate by more than 1%.
    """

    def __init__(self, encoder: SpeechEncoder, quantizer: Quantizer, clock: Rate | None = None) -> None:
        super().__init__()
        if quantizer.dim != encoder.dim:
            raise ValueError(
                f"the quantizer takes features of width {quantizer.dim}, but the encoder's are {encoder.dim} wide: "
                "use the encoder that the quantizer was trained on"
            )
        if clock is not None and abs(clock / encoder.frame_rate - 1) > MAX_CLOCK_DEVIATION:
            raise ValueError(f"a clock of {clock:g} does not fit {encoder.frame_rate:g} units a second: leave it out")
        self.encoder = encoder
        self.quantizer = quantizer
        self.sample_rate = encoder.sample_rate
        self.min_samples = encoder.min_samples
        self.stream = Stream("Hu", quantizer.stream_size, encoder.frame_rate, clock=clock)
        self.eval()

    def encode(self, waveform: Tensor) -> np.ndarray:
        return self.encode_batch([waveform])[0]

    @torch.inference_mode()
    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[np.ndarray]:
        for waveform in waveforms:
            self.check_length(waveform)
        if not waveforms:
            return []
        features = self.encoder.batch([waveform.to(self.device) for waveform in waveforms])
        return [self.quantizer(row).cpu().numpy() for row in features]

    def config(self) -> dict[str, Any]:
        return {
            "encoder": {"class": type(self.encoder).__name__, "arguments": self.encoder.config()},
            "quantizer": {"class": type(self.quantizer).__name__, "arguments": self.quantizer.config()},
            "clock": self.stream.clock,
        }

    def checksum(self) -> str:
        if not isinstance(self.quantizer, KMeans):
            return super().checksum()
        # This form of the checksum is kept for k-means units, since language models trained on them have stored it.
        state = dict(sorted(self.state_dict().items()))
        weights = checksum(["Base", *state, *state.values()])
        return checksum([weights, type(self.encoder).__name__, self.encoder.config(), self.quantizer.switch_penalty])

    def save(self, folder: Path | str) -> None:
        """Write ``phonetic.json`` and the weights of quantizer and encoder, completely or not at all."""
        folder = Path(folder)
        with atomic_folder(folder) as out:
            (out / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
            save_state(self.quantizer, out / WEIGHTS)
            self.encoder.save_weights(out / ENCODER)

    @classmethod
    def load(cls, folder: Path | str, clock: Rate | None = None) -> "PhoneticUnits":
        """Load what ``save`` wrote.

        Args:
            folder: Folder written by ``save``.
            clock: Clock that replaces the saved one; None keeps the saved one.

        Raises:
            FileNotFoundError: If the folder holds no phonetic units.
            ValueError: If the configuration names an unknown encoder or quantizer.
        """
        folder = Path(folder)
        config = read_config(folder / CONFIG, "phonetic")
        with reading(folder / CONFIG):
            return cls.from_config({**config, "clock": clock or config["clock"]}, folder)

    @classmethod
    def from_config(cls, config: dict[str, Any], folder: Path) -> "PhoneticUnits":
        """Build the units of a ``config`` with the weights in a folder.

        Args:
            config: As the method ``config`` returns it.
            folder: Folder with the weights that ``save`` wrote.

        Raises:
            ValueError: If the configuration names an unknown encoder or quantizer.
        """
        quantizer_config = config["quantizer"]
        quantizer_class = find_class(quantizer_config["class"], QUANTIZERS, "quantizer", folder)
        encoder = load_encoder(config["encoder"], folder / ENCODER)
        quantizer = quantizer_class.from_config(quantizer_config["arguments"])
        load_weights(quantizer, folder / WEIGHTS)
        return cls(encoder, quantizer, config["clock"])


def load_encoder(config: dict[str, Any], weights: Path) -> SpeechEncoder:
    """Build a saved encoder.

    Args:
        config: Name of the class and its arguments, as ``PhoneticUnits.config`` has them.
        weights: Folder that ``SpeechEncoder.save_weights`` wrote. There is none if the encoder has no weights.

    Raises:
        ValueError: If the configuration names an unknown encoder.
    """
    encoder_class = find_class(config["class"], ENCODERS, "encoder", weights.parent)
    arguments = dict(config["arguments"])
    if "encoder" in arguments:  # an encoder around another one, which has the weights
        arguments["encoder"] = load_encoder(arguments["encoder"], weights)
    elif weights.is_dir():
        arguments["source"] = str(weights)
    return encoder_class(**arguments)
