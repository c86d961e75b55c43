"""Speech tokenizers: a waveform to streams of units, saved to and loaded from one folder."""
import json
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from zoo.files import whole_folder
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder, SpeechEncoder
from zoo.speech.kmeans import KMeans
from zoo.tokens.contract import checksum, write_contract
from zoo.tokens.units import Stream, Tokens, merge, parse

ENCODERS = {kind.__name__: kind for kind in (FilterbankEncoder, HubertEncoder)}


class SpeechTokenizer(nn.Module, ABC):
    """What every tokenizer offers; it states ``streams``, and its contract is made of them and of its weights."""

    streams: tuple[Stream, ...]
    sample_rate: int

    @abstractmethod
    def encode(self, waveform: Tensor) -> dict[str, np.ndarray]:
        """Raw units (T,) by prefix of one waveform (num_samples,) at ``sample_rate``; empty where it is too short."""

    def tokens(self, waveform: Tensor) -> Tokens:
        """The deduplicated, merged tokens of one waveform (num_samples,)."""
        return merge(self.encode(waveform), self.streams)

    def parse(self, text: str) -> Tokens:
        """Tokens of their string form."""
        return parse(text, self.streams)

    @cached_property
    def contract(self) -> dict[str, Any]:
        return {"tokenizer": {"streams": [vars(stream) for stream in self.streams], "checksum": self.checksum()}}

    def checksum(self) -> str:
        """Hash of everything that the units depend on."""
        state = {name: tensor for name, tensor in sorted(self.state_dict().items())}
        return checksum([type(self).__name__, *state, *state.values()])


class Base(SpeechTokenizer):
    """Phonetic units alone, as Spirit LM Base.

    Args:
        encoder: Waveform to features.
        quantizer: Features to units.
    """

    def __init__(self, encoder: SpeechEncoder, quantizer: KMeans) -> None:
        super().__init__()
        self.encoder, self.quantizer = encoder, quantizer
        self.sample_rate = encoder.sample_rate
        self.streams = (Stream("Hu", quantizer.size, encoder.frame_rate),)
        self.eval()

    @torch.inference_mode()
    def encode(self, waveform: Tensor) -> dict[str, np.ndarray]:
        if len(waveform) < self.encoder.min_samples:
            return {"Hu": np.zeros(0, dtype=np.int64)}
        return {"Hu": self.quantizer(self.encoder(waveform)).cpu().numpy()}

    def checksum(self) -> str:
        return checksum([super().checksum(), type(self.encoder).__name__, self.encoder.config(), self.quantizer.switch_price])

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, the weights and the contract; the folder appears whole."""
        with whole_folder(folder) as out:
            form = {"class": "Base", "encoder": type(self.encoder).__name__, "arguments": self.encoder.config(),
                    "num_clusters": self.quantizer.size, "switch_price": self.quantizer.switch_price}
            (out / "tokenizer.json").write_text(json.dumps(form, indent=2) + "\n")
            save_file(self.quantizer.state_dict(), out / "quantizer.safetensors")
            self.encoder.save_weights(out / "encoder")
            write_contract(out, self.contract)

    @classmethod
    def load(cls, folder: Path) -> "Base":
        """The opposite of ``save``; ``load_tokenizer`` finds the class by itself."""
        form = json.loads((folder / "tokenizer.json").read_text())
        where = {} if form["encoder"] == "FilterbankEncoder" else {"source": str(folder / "encoder")}
        encoder = ENCODERS[form["encoder"]](**where, **form["arguments"])
        quantizer = KMeans(form["num_clusters"], encoder.dim, form["switch_price"])
        quantizer.load_state_dict(load_file(folder / "quantizer.safetensors"))
        return cls(encoder, quantizer)


TOKENIZERS = {kind.__name__: kind for kind in (Base,)}


def load_tokenizer(folder: Path) -> SpeechTokenizer:
    """Load whatever tokenizer was saved in a folder.

    Raises:
        FileNotFoundError: Where the folder holds no tokenizer.
    """
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise FileNotFoundError(f"no tokenizer.json in {folder}: run the tokenizer stage first, or name another folder")
    return TOKENIZERS[json.loads(path.read_text())["class"]].load(Path(folder))
