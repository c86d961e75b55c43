"""Waveforms to features that tell how something is said: a finetuned speech encoder, or a small one over prosody."""
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel


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
        config.apply_spec_augment = False  # its masks come from NumPy's state, which no checkpoint of a training run keeps
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
    def untrained(cls, model_type: str = "wav2vec2", hidden_size: int = 768, num_layers: int = 12, num_heads: int = 12, feed_forward: int = 3072,
                  conv_dim: int = 512, normalize: bool = True) -> "TransformerStyleEncoder":
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
        config = AutoConfig.for_model(model_type, hidden_size=hidden_size, num_hidden_layers=num_layers, num_attention_heads=num_heads,
                                      intermediate_size=feed_forward, conv_dim=(conv_dim,) * 7)
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
