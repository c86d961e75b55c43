"""Waveform to a sequence of feature vectors: filter-bank features, or a layer of a pretrained speech encoder."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PreTrainedModel

from zoo.speech.packed_encoder import encode_packed, has_packed_form


class SpeechEncoder(nn.Module, ABC):
    """What every encoder offers.

    Attributes:
        sample_rate: Of the waveforms it takes, in Hz.
        frame_rate: Feature vectors per second.
        dim: Width of a feature vector.
        min_samples: Shorter waveforms have no frames.
        first_frame_seconds: Middle of what the first frame tells of.
    """

    sample_rate: int = 16000
    frame_rate: float
    dim: int
    min_samples: int
    first_frame_seconds: float

    @abstractmethod
    def forward(self, waveform: Tensor) -> Tensor:
        """Features of one waveform: (num_samples,) -> (T, dim)."""

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Features (T, dim) of several waveforms, bit by bit those that ``forward`` gives for each alone."""
        return [self(waveform) for waveform in waveforms]

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        """Learn from speech (num_samples,) of the corpus what the encoder needs; most need nothing."""

    def use_bfloat16(self) -> None:
        """Multiply matrices in bfloat16 from now on; the features stay float32. Without large matrices nothing changes."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments that make this encoder again from its folder."""

    def save_weights(self, folder: Path) -> None:
        """Write what ``config`` does not tell; nothing, where there are no weights."""


class FilterbankEncoder(SpeechEncoder):
    """Mel-cepstra and their deltas, balanced over the utterance: no weights, made for small offline runs.

    Each coefficient has its mean over the utterance taken away and is divided by a power of its deviation: by default halfway
    between the cepstrum as it is, where loudness drowns the rest, and unit variance, where the noise of high coefficients does.

    Args:
        frame_rate: Frames per second; ``sample_rate`` and 100 must be multiples of it.
        num_mels: Filters between 20 Hz and half the sample rate.
        num_cepstra: Coefficients kept, the first (loudness) among them.
        smoothing_seconds: Deltas are slopes over so long a time on either side.
        delta_weight: Deviation of the deltas beside that of the coefficients.
        evenness: 1 gives all coefficients the same deviation in every utterance, 0 leaves them as they are.
    """

    def __init__(
        self,
        frame_rate: int = 25,
        num_mels: int = 40,
        num_cepstra: int = 13,
        smoothing_seconds: float = 0.04,
        delta_weight: float = 0.3,
        evenness: float = 0.5,
    ) -> None:
        super().__init__()
        if 100 % frame_rate or not num_cepstra <= num_mels or not 0 <= evenness <= 1:
            raise ValueError(
                f"frame_rate must divide 100, num_cepstra be at most num_mels and evenness be 0 to 1, got {frame_rate=}, "
                f"{num_cepstra=}, {num_mels=}, {evenness=}"
            )
        self.frame_rate, self.num_mels, self.num_cepstra = frame_rate, num_mels, num_cepstra
        self.smoothing_seconds, self.delta_weight, self.evenness = smoothing_seconds, delta_weight, evenness
        self.pool, self.dim, self.min_samples = 100 // frame_rate, 2 * num_cepstra, 1280
        self.first_frame_seconds = (self.pool - 1) / 200  # the windows of the cepstra are centered on every 10 ms
        self.delta_window = 2 * max(1, round(100 * smoothing_seconds)) + 1
        self.cepstra = torchaudio.transforms.MFCC(
            self.sample_rate,
            num_cepstra,
            log_mels=True,
            melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": num_mels, "f_min": 20.0},
        )

    def forward(self, waveform: Tensor) -> Tensor:
        return self._features(self.cepstra(waveform), len(waveform))

    def _features(self, cepstra: Tensor, num_samples: int) -> Tensor:
        """Coefficients and deltas, pooled and balanced: (..., C, 100 Hz) -> (..., T, dim)."""
        frames = num_samples * self.frame_rate // self.sample_rate
        cepstra = cepstra[..., : frames * self.pool]
        deltas = torchaudio.functional.compute_deltas(cepstra, self.delta_window)
        return torch.cat([self._balanced(cepstra, frames), self.delta_weight * self._balanced(deltas, frames)], dim=-1)

    def _balanced(self, x: Tensor, frames: int) -> Tensor:
        """Pool to the frame rate and balance: (..., C, 100 Hz) -> (..., T, C)."""
        x = x.unflatten(-1, (frames, self.pool)).mean(-1).transpose(-1, -2)
        deviation = x.std(-2, correction=0, keepdim=True) + 1e-3
        return (x - x.mean(-2, keepdim=True)) / (
            deviation**self.evenness * deviation.amax(-1, keepdim=True) ** (1 - self.evenness)
        )

    def config(self) -> dict[str, Any]:
        return {
            "frame_rate": self.frame_rate,
            "num_mels": self.num_mels,
            "num_cepstra": self.num_cepstra,
            "smoothing_seconds": self.smoothing_seconds,
            "delta_weight": self.delta_weight,
            "evenness": self.evenness,
        }


class HubertEncoder(SpeechEncoder):
    """One layer of a transformers HuBERT, wav2vec 2.0 or WavLM.

    Args:
        source: Name or folder of the checkpoint; or the network itself, which is cut down to the layer.
        layer: Its output after so many transformer layers; the later ones are dropped. None for the output of the whole.
        normalize: Give each waveform zero mean and unit variance; None asks the checkpoint.

    Raises:
        ValueError: Where the checkpoint has fewer layers.
    """

    def __init__(self, source: str | PreTrainedModel, layer: int | None, normalize: bool | None = None) -> None:
        super().__init__()
        given = isinstance(source, PreTrainedModel)
        config = source.config if given else AutoConfig.from_pretrained(source)
        name = config.name_or_path if given else source
        if layer is not None and not 1 <= layer <= config.num_hidden_layers:
            raise ValueError(f"layer {layer} of {name}: it has layers 1 to {config.num_hidden_layers}")
        config.num_hidden_layers = layer or config.num_hidden_layers
        config.apply_spec_augment = False
        network = source if given else AutoModel.from_pretrained(source, config=config)
        network.encoder.layers = network.encoder.layers[:layer]
        self.network = network.eval().requires_grad_(False)
        if layer is not None and getattr(config, "do_stable_layer_norm", False):
            self.network.encoder.layer_norm = nn.Identity()  # belongs after the last layer of the whole network only
        self.layer, self.dim, self.is_bfloat16 = layer, config.hidden_size, False
        self.normalize = _wants_normalized(name, config.feat_extract_norm) if normalize is None else normalize
        self.frame_rate = self.sample_rate / math.prod(config.conv_stride)
        self.min_samples = 1
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride)):
            self.min_samples = (self.min_samples - 1) * stride + kernel
        self.first_frame_seconds = self.min_samples / 2 / self.sample_rate

    def forward(self, waveform: Tensor) -> Tensor:
        return self.batch([waveform])[0]

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Features (T, dim) of several waveforms, as ``SpeechEncoder``; see ``zoo.speech.packed_encoder``.

        Raises:
            ValueError: Where one is shorter than ``min_samples``.
        """
        shortest = min(map(len, waveforms), default=self.min_samples)
        if shortest < self.min_samples:
            raise ValueError(f"{shortest} samples are too few for a frame: want {self.min_samples} or more")
        if self.normalize:
            waveforms = [(w - w.mean()) / torch.sqrt(w.var(correction=0) + 1e-7) for w in waveforms]
        with torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            if has_packed_form(self.network):
                rows = encode_packed(self.network, waveforms)
            else:
                rows = [self.network(waveform[None]).last_hidden_state[0] for waveform in waveforms]
        return [row.float() for row in rows]

    def use_bfloat16(self) -> None:
        """As ``SpeechEncoder``. The weights are rounded too, so this encoder is one to read with, not one to save."""
        self.is_bfloat16 = True
        for part in self.network.modules():
            is_large = isinstance(part, nn.Linear) or (isinstance(part, nn.Conv1d) and part.in_channels > 1)
            if is_large and not parametrize.is_parametrized(part):
                part.to(torch.bfloat16)
            if isinstance(part, nn.Conv1d) and part.groups > 1 and part.in_channels // part.groups < 16:
                part.forward = _without_autocast(part.forward)  # oneDNN 3.10 gives wrong sums in bfloat16 with AMX

    def config(self) -> dict[str, Any]:
        return {"layer": self.layer, "normalize": self.normalize}

    def save_weights(self, folder: Path) -> None:
        self.network.save_pretrained(folder)


def _without_autocast(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def in_float32(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return in_float32


def _wants_normalized(source: str, feat_extract_norm: str) -> bool:
    if not source:
        return feat_extract_norm == "layer"
    try:
        return bool(AutoFeatureExtractor.from_pretrained(source).do_normalize)
    except OSError:  # a folder without preprocessor_config.json
        return feat_extract_norm == "layer"
