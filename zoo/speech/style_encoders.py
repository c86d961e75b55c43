"""Encoders of speaking style: a finetuned speech encoder, or a small network over prosodic features."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedModel

from zoo.pretrained_networks import read_network
from zoo.ranges import NonNegativeFloat, NumLayers, NumMels, Share, Size
from zoo.speech.f0 import centered_frames
from zoo.speech.f0_autocorrelation import NormalizedAutocorrelation
from zoo.speech.receptive_field import receptive_field
from zoo.speech.unit_extractor import save_state
from zoo.weights import load_weights


class StyleEncoder(nn.Module, ABC):
    """Interface of all style encoders.

    Attributes:
        sample_rate: Sample rate of the input waveforms in Hz.
        frame_rate: Feature vectors per second.
        dim: Width of a feature vector.
        min_samples: Length of the shortest waveform that has a frame.
    """

    sample_rate: int = 16000
    frame_rate: float
    dim: int
    min_samples: int

    @abstractmethod
    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the features of waveforms of equal length: (B, N) -> (B, T, dim)."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return everything besides the weights that the features depend on, as JSON-serializable values."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights and everything else that ``load`` needs besides ``config``."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> "StyleEncoder":
        """Load what ``save`` wrote.

        Args:
            folder: Folder with the weights.
            config: As the method ``config`` returned it.
        """

    def front_end(self) -> nn.Module | None:
        """Return the submodule that usually stays frozen in finetuning; None if there is none."""
        return None


class TransformerStyleEncoder(StyleEncoder):
    """Style encoder that returns the last hidden states of a wav2vec 2.0, HuBERT or WavLM of transformers.

    Args:
        network: A wav2vec 2.0, HuBERT or WavLM; its configuration is changed in place.
        normalize: Whether to normalize each waveform to zero mean and unit variance.
    """

    network: PreTrainedModel

    def __init__(self, network: PreTrainedModel, normalize: bool = True) -> None:
        super().__init__()
        config = network.config
        # SpecAugment draws its masks from NumPy's global generator, whose state training checkpoints do not contain.
        config.apply_spec_augment = False
        self.network = network
        self.normalize = normalize
        self.dim = config.hidden_size
        self.min_samples, hop = receptive_field(config.conv_kernel, config.conv_stride)
        self.frame_rate = self.sample_rate / hop

    @classmethod
    def from_pretrained(cls, source: str, normalize: bool = True) -> "TransformerStyleEncoder":
        """Load a pretrained checkpoint.

        Args:
            source: Name or folder of the checkpoint.
            normalize: Whether the checkpoint was pretrained on normalized waveforms; true for facebook/wav2vec2-base.
        """
        return cls(read_network(AutoModel, source, optional=("masked_spec_embed",)), normalize)

    @classmethod
    def untrained(
        cls,
        model_type: str = "wav2vec2",
        hidden_size: Size = 768,
        num_layers: NumLayers = 12,
        num_heads: Size = 12,
        feed_forward: Size = 3072,
        conv_dim: Size = 512,
        normalize: bool = True,
    ) -> "TransformerStyleEncoder":
        """Build an encoder with random weights and the convolutions of wav2vec 2.0.

        Args:
            model_type: Name of the architecture in transformers: wav2vec2, hubert or wavlm.
            hidden_size: Width of the transformer.
            num_layers: Number of transformer layers.
            num_heads: Number of attention heads.
            feed_forward: Width of the feed-forward layers.
            conv_dim: Channels of the convolutions.
            normalize: Whether to normalize each waveform to zero mean and unit variance.
        """
        config = AutoConfig.for_model(
            model_type,
            hidden_size=hidden_size,
            num_hidden_layers=num_layers,
            num_attention_heads=num_heads,
            intermediate_size=feed_forward,
            conv_dim=(conv_dim,) * 7,
        )
        return cls(AutoModel.from_config(config, trust_remote_code=False), normalize)

    def forward(self, waveforms: Tensor) -> Tensor:
        if self.normalize:
            mean = waveforms.mean(1, keepdim=True)
            variance = waveforms.var(1, correction=0, keepdim=True)
            waveforms = (waveforms - mean) / torch.sqrt(variance + 1e-7)
        return self.network(waveforms).last_hidden_state

    def front_end(self) -> nn.Module:
        return self.network.get_submodule("feature_extractor")

    def config(self) -> dict[str, Any]:
        return {"normalize": self.normalize}

    def save(self, folder: Path) -> None:
        self.network.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> "TransformerStyleEncoder":
        return cls(read_network(AutoModel, folder, unexpected="none"), **config)


class ProsodyStyleEncoder(StyleEncoder):
    """Dilated convolutions over prosodic features, small enough to train on minutes of speech on a CPU.

    The features are partly normalized within the waveform, so that the pitch and timbre of the speaker matter little.

    Args:
        dim: Width of the features.
        depth: Number of residual blocks, each with twice the dilation of the one before.
        num_cepstra: Number of cepstral coefficients.
        dropout: Dropout of the residual blocks.
        pitch_jitter_octaves: Standard deviation of the random pitch shift of each waveform in training, in octaves,
            which simulates more speakers.
        gain_jitter_db: Standard deviation of the random gain of each waveform in training, in dB.
    """

    frame_rate = 50.0
    min_samples = 1280

    def __init__(
        self,
        dim: Size = 48,
        depth: NumLayers = 3,
        num_cepstra: NumMels = 6,
        dropout: Share = 0.3,
        pitch_jitter_octaves: NonNegativeFloat = 0.15,
        gain_jitter_db: NonNegativeFloat = 3.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.depth = depth
        self.num_cepstra = num_cepstra
        self.dropout = dropout
        self.pitch_jitter_octaves = pitch_jitter_octaves
        self.gain_jitter_db = gain_jitter_db
        self.front = ProsodyFeatures(num_cepstra, self.sample_rate)
        self.down = nn.Conv1d(self.front.dim, dim, 5, 2, 2)  # 100 Hz to 50 Hz
        self.blocks = nn.ModuleList(nn.Conv1d(dim, dim, 5, padding=2 * 2**i, dilation=2**i) for i in range(depth))
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in range(depth + 1))

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.front(waveforms)  # (B, C, frames at 100 Hz)
        if self.training:
            x = self._jitter(x)
        first_norm, *norms = self.norms
        x = F.gelu(first_norm(self.down(x)))
        for block, norm in zip(self.blocks, norms, strict=True):
            x = x + F.dropout(F.gelu(norm(block(x))), self.dropout, self.training)
        num_frames = waveforms.shape[1] * 50 // self.sample_rate
        return x.transpose(1, 2)[:, :num_frames]

    def _jitter(self, x: Tensor) -> Tensor:
        """Shift pitch and loudness of each waveform at random: prosodic features (B, C, T) -> (B, C, T).

        Only absolute pitch (channel 0) and loudness (channel 2) are shifted; the channels relative to the waveform do
        not change.
        """
        pitch, gain = torch.randn(2, len(x), 1, device=x.device)  # (B, 1) each
        voicing = x[:, 1:2]
        shifted_pitch = x[:, :1] + self.pitch_jitter_octaves * pitch[:, :, None] * voicing
        shifted_loudness = x[:, 2:3] + self.gain_jitter_db / 20 * gain[:, :, None]
        return torch.cat([shifted_pitch, voicing, shifted_loudness, x[:, 3:]], 1)

    def config(self) -> dict[str, Any]:
        return {
            "dim": self.dim,
            "depth": self.depth,
            "num_cepstra": self.num_cepstra,
            "dropout": self.dropout,
            "pitch_jitter_octaves": self.pitch_jitter_octaves,
            "gain_jitter_db": self.gain_jitter_db,
        }

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_state(self, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> "ProsodyStyleEncoder":
        encoder = cls(**config)
        load_weights(encoder, folder / "model.safetensors")
        return encoder


class ProsodyFeatures(nn.Module):
    """Prosodic features at 100 Hz: (B, N) -> (B, 5 + num_cepstra, T).

    The channels are pitch, voicing, loudness, pitch relative to its mean over the waveform, loudness relative to its
    maximum, and cepstra relative to their mean. Pitch is in octaves above 150 Hz and multiplied by voicing. Voicing is
    a soft decision, 0 to 1, from the height of the autocorrelation peak. Loudness is in units of 20 dB.

    Args:
        num_cepstra: Number of cepstral coefficients, from coefficient 1 on.
        sample_rate: Sample rate of the waveforms in Hz.
    """

    def __init__(self, num_cepstra: int, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.num_cepstra = num_cepstra
        self.dim = 5 + num_cepstra
        # Pitch is searched between 75 and 500 Hz.
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
        mean_pitch = (pitch * voicing).sum(1, keepdim=True) / voicing.sum(1, keepdim=True).clamp(min=1e-3)
        relative_pitch = pitch - mean_pitch
        loudness = torch.log10(frames.square().mean(-1).sqrt() + 1e-4)
        relative_loudness = loudness - loudness.amax(1, keepdim=True)
        cepstra = self.cepstra(waveforms)[:, 1:] / 10
        cepstra = cepstra - cepstra.mean(2, keepdim=True)
        prosody = torch.stack(
            [pitch * voicing, voicing, loudness + 1.5, relative_pitch * voicing, relative_loudness], 1
        )
        return torch.cat([prosody, cepstra], 1)

    def _highest_peak(self, heights: Tensor) -> tuple[Tensor, Tensor]:
        """Return height and lag (B, T) of the highest peak of an autocorrelation (B, T, lags).

        A cost per octave of lag makes the shortest of several peaks of similar height win, which avoids octave errors.
        """
        inner = heights[..., self.first_lag : -1]
        is_peak = (inner > heights[..., self.first_lag - 1 : -2]) & (inner >= heights[..., self.first_lag + 1 :])
        lags = torch.arange(self.first_lag, heights.shape[-1] - 1, device=heights.device)
        score = torch.where(is_peak, inner - 0.05 * torch.log2(lags / self.first_lag), -1.0)
        best = score.argmax(-1, keepdim=True)
        return inner.gather(-1, best)[..., 0], lags[best[..., 0]]
