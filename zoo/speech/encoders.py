"""Waveforms to sequences of feature vectors: filter-bank features, or a layer of a pretrained speech encoder."""

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
from zoo.speech.receptive_field import receptive_field


class SpeechEncoder(nn.Module, ABC):
    """Interface of all speech encoders.

    Attributes:
        sample_rate: Sample rate of the input waveforms in Hz.
        frame_rate: Feature vectors per second.
        dim: Width of a feature vector.
        min_samples: Length of the shortest waveform that has a frame.
        first_frame_seconds: Time of the center of the first frame.
    """

    sample_rate: int = 16000
    frame_rate: float
    dim: int
    min_samples: int
    first_frame_seconds: float

    @abstractmethod
    def forward(self, waveform: Tensor) -> Tensor:
        """Return the features of one waveform: (num_samples,) -> (T, dim)."""

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the features (T, dim) of several waveforms, bit-identical to calling ``forward`` on each alone."""
        return [self(waveform) for waveform in waveforms]

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        """Adapt the encoder to a corpus of waveforms (num_samples,); most encoders need no adaptation."""

    def use_bfloat16(self) -> None:
        """Compute matrix products in bfloat16 from now on; features stay float32.

        Encoders without large matrices ignore the call.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, except the folder of the weights, as JSON-serializable values."""

    def save_weights(self, folder: Path) -> None:
        """Write the weights, which ``config`` does not contain, to a new folder; do nothing if there are none."""


class FilterbankEncoder(SpeechEncoder):
    """Mel-frequency cepstral coefficients (MFCCs) and their deltas, normalized per utterance.

    The encoder has no weights and suits small offline runs. Over each utterance, the mean of every coefficient is
    subtracted, and its variance is normalized partly: full normalization amplifies the noise of the high coefficients,
    and without any, loudness dominates.

    Args:
        frame_rate: Frames per second, a divisor of 100.
        num_mels: Number of mel filters between 20 Hz and half the sample rate.
        num_cepstra: Number of cepstral coefficients, including the first (loudness); at most ``num_mels``.
        delta_seconds: Half-width of the regression window of the deltas, in seconds.
        delta_weight: Factor on the normalized deltas, relative to the normalized coefficients.
        variance_normalization: Exponent of the variance normalization, 0 to 1. At 1, every coefficient has unit
            variance in each utterance; at 0, all coefficients are divided by the largest of their standard deviations.

    Raises:
        ValueError: If ``frame_rate``, ``num_cepstra`` or ``variance_normalization`` is out of range.
    """

    def __init__(
        self,
        frame_rate: int = 25,
        num_mels: int = 40,
        num_cepstra: int = 13,
        delta_seconds: float = 0.04,
        delta_weight: float = 0.3,
        variance_normalization: float = 0.5,
    ) -> None:
        super().__init__()
        if 100 % frame_rate or not num_cepstra <= num_mels or not 0 <= variance_normalization <= 1:
            raise ValueError(
                "frame_rate must divide 100, num_cepstra be at most num_mels and variance_normalization be 0 to 1, "
                f"got {frame_rate=}, {num_cepstra=}, {num_mels=}, {variance_normalization=}"
            )
        self.frame_rate = frame_rate
        self.num_mels = num_mels
        self.num_cepstra = num_cepstra
        self.delta_seconds = delta_seconds
        self.delta_weight = delta_weight
        self.variance_normalization = variance_normalization
        self.dim = 2 * num_cepstra
        self.min_samples = 1280
        self.pool = 100 // frame_rate  # number of analysis windows, 10 ms apart, that are averaged into a frame
        self.first_frame_seconds = (self.pool - 1) / 200  # analysis windows are centered on multiples of 10 ms
        self.delta_window = 2 * max(1, round(100 * delta_seconds)) + 1
        self.cepstra = torchaudio.transforms.MFCC(
            self.sample_rate,
            num_cepstra,
            log_mels=True,
            melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": num_mels, "f_min": 20.0},
        )

    def forward(self, waveform: Tensor) -> Tensor:
        return self._features(self.cepstra(waveform), len(waveform))

    def _features(self, cepstra: Tensor, num_samples: int) -> Tensor:
        """Append deltas, pool and normalize: (..., C, windows at 100 Hz) -> (..., T, dim)."""
        num_frames = int(num_samples * self.frame_rate // self.sample_rate)
        cepstra = cepstra[..., : num_frames * self.pool]
        deltas = torchaudio.functional.compute_deltas(cepstra, self.delta_window)
        normalized_cepstra = self._pool_and_normalize(cepstra, num_frames)
        normalized_deltas = self._pool_and_normalize(deltas, num_frames)
        return torch.cat([normalized_cepstra, self.delta_weight * normalized_deltas], dim=-1)

    def _pool_and_normalize(self, x: Tensor, num_frames: int) -> Tensor:
        """Average windows into frames and normalize them: (..., C, windows at 100 Hz) -> (..., T, C)."""
        x = x.unflatten(-1, (num_frames, self.pool)).mean(-1).transpose(-1, -2)
        deviation = x.std(-2, correction=0, keepdim=True) + 1e-3
        largest = deviation.amax(-1, keepdim=True)
        # A weighted geometric mean of each coefficient's own deviation and the largest deviation of all.
        exponent = self.variance_normalization
        return (x - x.mean(-2, keepdim=True)) / (deviation**exponent * largest ** (1 - exponent))

    def config(self) -> dict[str, Any]:
        return {
            "frame_rate": self.frame_rate,
            "num_mels": self.num_mels,
            "num_cepstra": self.num_cepstra,
            "delta_seconds": self.delta_seconds,
            "delta_weight": self.delta_weight,
            "variance_normalization": self.variance_normalization,
        }


class HubertEncoder(SpeechEncoder):
    """Output of one layer of a frozen HuBERT, wav2vec 2.0 or WavLM of transformers.

    Args:
        source: Name or folder of a checkpoint, or the network itself, which is then truncated after ``layer``.
        layer: Number of transformer layers to keep; the features are the output of the last one. None keeps all layers.
        normalize: Whether to normalize each waveform to zero mean and unit variance; None follows the checkpoint.

    Raises:
        ValueError: If the checkpoint has fewer layers than ``layer``.
    """

    network: PreTrainedModel

    def __init__(self, source: str | PreTrainedModel, layer: int | None, normalize: bool | None = None) -> None:
        super().__init__()
        if isinstance(source, PreTrainedModel):
            config = source.config
            name = str(config.name_or_path)
        else:
            config = AutoConfig.from_pretrained(source, trust_remote_code=False)
            name = source
        if layer is not None and not 1 <= layer <= config.num_hidden_layers:
            raise ValueError(f"layer is {layer}, but {name} has layers 1 to {config.num_hidden_layers}")
        config.num_hidden_layers = layer or config.num_hidden_layers
        config.apply_spec_augment = False
        if isinstance(source, PreTrainedModel):
            network = source
        else:
            network = AutoModel.from_pretrained(source, config=config, trust_remote_code=False)
        encoder = network.get_submodule("encoder")
        encoder.layers = nn.ModuleList(list(encoder.get_submodule("layers").children())[:layer])
        if layer is not None and getattr(config, "do_stable_layer_norm", False):
            # The final norm belongs only after the last layer of the complete network.
            encoder.layer_norm = nn.Identity()
        self.network = network.eval().requires_grad_(False)
        self.layer = layer
        self.dim = config.hidden_size
        self.is_bfloat16 = False
        self.normalize = _expects_normalized(name, config.feat_extract_norm) if normalize is None else normalize
        self.min_samples, hop = receptive_field(config.conv_kernel, config.conv_stride)
        self.frame_rate = self.sample_rate / hop
        self.first_frame_seconds = self.min_samples / 2 / self.sample_rate

    def forward(self, waveform: Tensor) -> Tensor:
        return self.batch([waveform])[0]

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the features (T, dim) of several waveforms, each as if it were encoded alone.

        ``zoo.speech.packed_encoder`` explains how.

        Raises:
            ValueError: If a waveform is shorter than ``min_samples``.
        """
        shortest = min(map(len, waveforms), default=self.min_samples)
        if shortest < self.min_samples:
            raise ValueError(f"{shortest} samples are too few for a frame: want {self.min_samples} or more")
        if self.normalize:
            waveforms = [_normalize(waveform) for waveform in waveforms]
        with torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            if has_packed_form(self.network):
                rows = encode_packed(self.network, waveforms)
            else:
                rows = [self.network(waveform[None]).last_hidden_state[0] for waveform in waveforms]
        return [row.float() for row in rows]

    def use_bfloat16(self) -> None:
        """Compute matrix products in bfloat16 from now on; features stay float32.

        The weights are rounded to bfloat16 as well, so this encoder should not be saved afterwards.
        """
        self.is_bfloat16 = True
        for module in self.network.modules():
            is_convolution = isinstance(module, nn.Conv1d)
            is_large = isinstance(module, nn.Linear) or (is_convolution and module.in_channels > 1)
            if is_large and not parametrize.is_parametrized(module):
                module.to(torch.bfloat16)
            if is_convolution and module.groups > 1 and module.in_channels // module.groups < 16:
                # oneDNN 3.10 returns wrong sums in bfloat16 with AMX.
                module.forward = _without_autocast(module.forward)  # pyrefly: ignore[bad-assignment]

    def config(self) -> dict[str, Any]:
        return {"layer": self.layer, "normalize": self.normalize}

    def save_weights(self, folder: Path) -> None:
        self.network.save_pretrained(folder)


def _normalize(waveform: Tensor) -> Tensor:
    """Normalize a waveform (num_samples,) to zero mean and unit variance, like the feature extractor of wav2vec 2.0."""
    return (waveform - waveform.mean()) / torch.sqrt(waveform.var(correction=0) + 1e-7)


def _without_autocast(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Wrap the forward of a module so that it runs in float32."""

    def in_float32(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return in_float32


def _expects_normalized(source: str, feat_extract_norm: str) -> bool:
    """Return whether a checkpoint expects waveforms of zero mean and unit variance.

    The feature extractor saved with the checkpoint decides. If there is none, networks whose convolutions have layer
    norm expect normalized waveforms, and networks with group norm do not.

    Args:
        source: Name or folder of the checkpoint; empty for a network that was not loaded from one.
        feat_extract_norm: Kind of norm in the convolutional feature extractor, ``group`` or ``layer``.
    """
    if not source:
        return feat_extract_norm == "layer"
    try:
        return bool(AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False).do_normalize)
    except OSError:  # a folder without preprocessor_config.json
        return feat_extract_norm == "layer"
