"""Waveforms to features that tell how something is said: a finetuned speech encoder, or a small one over prosody."""

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
import torchaudio
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedModel

from zoo.speech.f0 import centered_frames
from zoo.speech.f0_autocorrelation import NormalizedAutocorrelation


class StyleEncoder(nn.Module, ABC):
    """What every style encoder offers.

    Attributes:
        sample_rate: Of the waveforms it takes, in Hz.
        frame_rate: Feature vectors per second.
        dim: Width of a feature vector.
        min_samples: Shorter waveforms have no frames.
    """

    sample_rate: int = 16000
    frame_rate: float
    dim: int
    min_samples: int

    @abstractmethod
    def forward(self, waveforms: Tensor) -> Tensor:
        """Features of waveforms of one length: (B, N) -> (B, T, dim)."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Everything beside the weights that the features depend on."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights and what is needed to build the encoder again."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> "StyleEncoder":
        """The opposite of ``save``.

        Args:
            folder: Holds the weights.
            config: What ``config`` gave.
        """

    def front_end(self) -> nn.Module | None:
        """The part that is usually kept as it is when the rest is finetuned; None where there is none."""
        return None


class TransformerStyleEncoder(StyleEncoder):
    """The last hidden state of a transformers wav2vec 2.0, HuBERT or WavLM.

    Args:
        network: The model.
        normalize: Give each waveform zero mean and unit variance.
    """

    def __init__(self, network: PreTrainedModel, normalize: bool = True) -> None:
        super().__init__()
        config = network.config
        config.apply_spec_augment = (
            False  # its masks come from NumPy's state, which no checkpoint of a training run keeps
        )
        self.network, self.normalize, self.dim = network, normalize, config.hidden_size
        self.frame_rate = self.sample_rate / math.prod(config.conv_stride)
        self.min_samples = 1
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride)):
            self.min_samples = (self.min_samples - 1) * stride + kernel

    @classmethod
    def from_pretrained(cls, source: str, normalize: bool = True) -> "TransformerStyleEncoder":
        """Load a checkpoint.

        Args:
            source: Its name or folder.
            normalize: As the checkpoint was pretrained; true for facebook/wav2vec2-base.
        """
        return cls(AutoModel.from_pretrained(source), normalize)

    @classmethod
    def untrained(
        cls,
        model_type: str = "wav2vec2",
        hidden_size: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        feed_forward: int = 3072,
        conv_dim: int = 512,
        normalize: bool = True,
    ) -> "TransformerStyleEncoder":
        """One with random weights and the convolutions of wav2vec 2.0, for languages and sizes nobody has a checkpoint of.

        Args:
            model_type: As transformers calls it: wav2vec2, hubert, wavlm.
            hidden_size: Of the transformer.
            num_layers: Of the transformer.
            num_heads: Of the transformer.
            feed_forward: Width of its feed-forward layers.
            conv_dim: Channels of the convolutions.
            normalize: Give each waveform zero mean and unit variance.
        """
        config = AutoConfig.for_model(
            model_type,
            hidden_size=hidden_size,
            num_hidden_layers=num_layers,
            num_attention_heads=num_heads,
            intermediate_size=feed_forward,
            conv_dim=(conv_dim,) * 7,
        )
        return cls(AutoModel.from_config(config), normalize)

    def forward(self, waveforms: Tensor) -> Tensor:
        if self.normalize:
            mean, variance = waveforms.mean(1, keepdim=True), waveforms.var(1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / torch.sqrt(variance + 1e-7)
        return self.network(waveforms).last_hidden_state

    def front_end(self) -> nn.Module:
        return self.network.feature_extractor

    def config(self) -> dict[str, Any]:
        return {"normalize": self.normalize}

    def save(self, folder: Path) -> None:
        self.network.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> "TransformerStyleEncoder":
        return cls(AutoModel.from_pretrained(folder), **config)


class ProsodyStyleEncoder(StyleEncoder):
    """Dilated convolutions over pitch, voicing, loudness and a few cepstra: learns from minutes of speech, on a processor.

    What the convolutions see is balanced over the waveform, so that a voice's own pitch and timbre tell little.

    Args:
        dim: Width of the features.
        depth: Residual blocks, each with twice the dilation of the one before.
        num_cepstra: Coefficients of the spectral shape.
        dropout: In training.
        pitch_jitter_octaves: In training, the pitch of each waveform is moved by about so much, to stand for more speakers.
        gain_jitter_db: In training, its loudness likewise.
    """

    frame_rate = 50.0
    min_samples = 1280

    def __init__(
        self,
        dim: int = 48,
        depth: int = 3,
        num_cepstra: int = 6,
        dropout: float = 0.3,
        pitch_jitter_octaves: float = 0.15,
        gain_jitter_db: float = 3.0,
    ) -> None:
        super().__init__()
        self.dim, self.depth, self.num_cepstra, self.dropout = dim, depth, num_cepstra, dropout
        self.pitch_jitter_octaves, self.gain_jitter_db = pitch_jitter_octaves, gain_jitter_db
        self.front = ProsodyFeatures(num_cepstra, self.sample_rate)
        self.down = nn.Conv1d(self.front.dim, dim, 5, 2, 2)
        self.blocks = nn.ModuleList(nn.Conv1d(dim, dim, 5, padding=2 * 2**i, dilation=2**i) for i in range(depth))
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in range(depth + 1))

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.front(waveforms)  # (B, C, 100 Hz)
        if self.training:
            pitch, gain = torch.randn(2, len(x), 1, device=x.device)
            x = torch.cat(
                [
                    x[:, :1] + self.pitch_jitter_octaves * pitch[:, :, None] * x[:, 1:2],
                    x[:, 1:2],
                    x[:, 2:3] + self.gain_jitter_db / 20 * gain[:, :, None],
                    x[:, 3:],
                ],
                1,
            )
        x = F.gelu(self.norms[0](self.down(x)))
        for block, norm in zip(self.blocks, self.norms[1:]):
            x = x + F.dropout(F.gelu(norm(block(x))), self.dropout, self.training)
        return x.transpose(1, 2)[:, : waveforms.shape[1] * 50 // self.sample_rate]

    def config(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in ("dim", "depth", "num_cepstra", "dropout", "pitch_jitter_octaves", "gain_jitter_db")
        }

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.cpu().contiguous() for name, value in self.state_dict().items()}, folder / "model.safetensors"
        )

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> "ProsodyStyleEncoder":
        encoder = cls(**config)
        encoder.load_state_dict(load_file(folder / "model.safetensors"))
        return encoder


class ProsodyFeatures(nn.Module):
    """Frames of 10 ms (B, 5 + num_cepstra, T): pitch, voicing, loudness, pitch and loudness within the waveform, cepstra.

    Pitch is in octaves above 150 Hz, faded out where the autocorrelation has no clear peak; loudness is in units of 20 dB.

    Args:
        num_cepstra: Coefficients 1 to ``num_cepstra``, their mean over the waveform taken away.
        sample_rate: Hz.
    """

    def __init__(self, num_cepstra: int, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate, self.num_cepstra, self.dim = sample_rate, num_cepstra, 5 + num_cepstra
        self.correlate = NormalizedAutocorrelation(75.0, sample_rate)
        self.first_lag = sample_rate // 500
        self.cepstra = torchaudio.transforms.MFCC(
            sample_rate,
            num_cepstra + 1,
            log_mels=True,
            melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 40, "f_min": 50.0},
        )

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        frames = centered_frames(waveforms, self.correlate.frame_samples, 160)
        height, lag = self._highest_peak(self.correlate(frames))
        voicing = torch.sigmoid(20 * (height - 0.5))
        pitch = torch.log2(self.sample_rate / lag / 150)
        inner = pitch - (pitch * voicing).sum(1, keepdim=True) / voicing.sum(1, keepdim=True).clamp(min=1e-3)
        loudness = torch.log10(frames.square().mean(-1).sqrt() + 1e-4)  # of 20 dB
        cepstra = self.cepstra(waveforms)[:, 1:] / 10
        cepstra = cepstra - cepstra.mean(2, keepdim=True)
        prosody = torch.stack(
            [pitch * voicing, voicing, loudness + 1.5, inner * voicing, loudness - loudness.amax(1, keepdim=True)], 1
        )
        return torch.cat([prosody, cepstra], 1)

    def _highest_peak(self, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Height and lag (B, T) of the best peak of (B, T, lags); of peaks about as high, the one at the shortest lag."""
        middle = heights[..., self.first_lag : -1]
        is_peak = (middle > heights[..., self.first_lag - 1 : -2]) & (middle >= heights[..., self.first_lag + 1 :])
        lags = torch.arange(self.first_lag, heights.shape[-1] - 1, device=heights.device)
        score = torch.where(is_peak, middle - 0.05 * torch.log2(lags / self.first_lag), -1.0)
        best = score.argmax(-1, keepdim=True)
        return middle.gather(-1, best)[..., 0], lags[best[..., 0]]
