"""Phonetic units: an encoder's features, quantized."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.files import atomic_folder
from zoo.speech.ctc_quantizer import ContextCTCQuantizer, CTCQuantizer
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder, SpeechEncoder
from zoo.speech.kmeans import KMeans
from zoo.speech.unit_extractor import UnitExtractor
from zoo.speech.vtln import VTLNFilterbankEncoder
from zoo.tokens.contract import checksum
from zoo.tokens.units import Stream

ENCODERS = {kind.__name__: kind for kind in (FilterbankEncoder, VTLNFilterbankEncoder, HubertEncoder)}
QUANTIZERS = {kind.__name__: kind for kind in (KMeans, CTCQuantizer, ContextCTCQuantizer)}
CONFIG, WEIGHTS, ENCODER = "phonetic.json", "quantizer.safetensors", "encoder"

Quantizer = KMeans | CTCQuantizer


class PhoneticUnits(UnitExtractor):
    """The stream Hu.

    Args:
        encoder: Waveform to features.
        quantizer: Features to units.
        clock: Units per second by which tokens are put in order of time, the encoder's rate if None; see ``Stream``.

    Raises:
        ValueError: Where the quantizer wants features of another width, or the clock is not nearly the encoder's rate.
    """

    def __init__(self, encoder: SpeechEncoder, quantizer: Quantizer, clock: float | None = None) -> None:
        super().__init__()
        if quantizer.dim != encoder.dim:
            raise ValueError(
                f"the quantizer takes features of width {quantizer.dim}, but the encoder's are {encoder.dim} wide: "
                "it was trained on another encoder"
            )
        if clock is not None and abs(clock / encoder.frame_rate - 1) > 0.01:
            raise ValueError(
                f"a clock of {clock:g} does not go with {encoder.frame_rate:g} units a second: leave it out"
            )
        self.encoder, self.quantizer = encoder, quantizer
        self.sample_rate, self.min_samples = encoder.sample_rate, encoder.min_samples
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
        # What a tokenizer of k-means units has always been known by, so that models trained on one still know it.
        state = dict(sorted(self.state_dict().items()))
        weights = checksum(["Base", *state, *state.values()])
        return checksum([weights, type(self.encoder).__name__, self.encoder.config(), self.quantizer.switch_penalty])

    def save(self, folder: Path) -> None:
        """Write ``phonetic.json``, the quantizer's weights and the encoder's; the folder appears whole."""
        with atomic_folder(folder) as out:
            (out / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
            save_file(
                {name: value.cpu().contiguous() for name, value in self.quantizer.state_dict().items()}, out / WEIGHTS
            )
            self.encoder.save_weights(out / ENCODER)

    @classmethod
    def load(cls, folder: Path, clock: float | None = None) -> "PhoneticUnits":
        """The opposite of ``save``.

        Args:
            folder: Filled by ``save``.
            clock: Another than the saved one; the saved one if None.

        Raises:
            FileNotFoundError: Where the folder holds no phonetic units.
            ValueError: Where they are of a kind that is not known here.
        """
        folder = Path(folder)
        path = folder / CONFIG
        if not path.is_file():
            raise FileNotFoundError(
                f"no {CONFIG} in {folder}: run the stage that makes the phonetic units first, or name another folder"
            )
        form = json.loads(path.read_text())
        return cls.from_config({**form, "clock": clock or form["clock"]}, folder)

    @classmethod
    def from_config(cls, form: dict[str, Any], folder: Path) -> "PhoneticUnits":
        """Build what ``config`` tells, with the weights in a folder.

        Args:
            form: As ``config`` gives it.
            folder: Holds the weights that ``save`` wrote.

        Raises:
            ValueError: Where it names an unknown encoder or quantizer.
        """
        for part, known in (("encoder", ENCODERS), ("quantizer", QUANTIZERS)):
            if form[part]["class"] not in known:
                raise ValueError(f"{folder}: unknown {part} {form[part]['class']!r}; known are {', '.join(known)}")
        source = {"source": str(folder / ENCODER)} if (folder / ENCODER).is_dir() else {}
        encoder = ENCODERS[form["encoder"]["class"]](**source, **form["encoder"]["arguments"])
        quantizer = QUANTIZERS[form["quantizer"]["class"]](**form["quantizer"]["arguments"])
        quantizer.load_state_dict(load_file(folder / WEIGHTS))
        return cls(encoder, quantizer, form["clock"])
