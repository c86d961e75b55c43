"""Features of HuBERT, wav2vec 2.0, WavLM and others that take waveforms."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, Wav2Vec2FeatureExtractor

from zoo.ranges import LayerNumber
from zoo.speech.encoders.adapter_rate import AdapterRate, adapter_rate
from zoo.speech.encoders.checkpoints import (
    check_layer,
    check_model_type,
    read_feature_extractor,
    read_truncated,
)
from zoo.speech.encoders.packed_wav2vec2 import encode_packed
from zoo.speech.encoders.pretrained import PretrainedEncoder
from zoo.speech.receptive_field import receptive_field

MODEL_TYPES = (
    "hubert",
    "wav2vec2",
    "wavlm",
    "unispeech",
    "unispeech-sat",
    "data2vec-audio",
    "wav2vec2-conformer",
)


class HubertEncoder(PretrainedEncoder):
    """Output of one layer of a frozen HuBERT, or of a network of transformers that takes waveforms as HuBERT does.

    These are wav2vec 2.0, WavLM, UniSpeech, UniSpeech-SAT, data2vec-audio and wav2vec 2.0 Conformer. The sample rate is
    that of the feature extractor that is saved with the checkpoint, 16 kHz if there is none.

    Args:
        source: Name or folder of a checkpoint, or the network itself, which is then truncated after ``layer``.
        layer: Number of transformer layers to keep; the features are the output of the last one. None keeps all layers
            and what follows them: a norm, and an adapter, which lowers the frame rate.
        normalize: Whether to normalize each waveform to zero mean and unit variance; None follows the checkpoint.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is of another kind, is incomplete or has fewer layers than ``layer``.
    """

    def __init__(self, source: str | PreTrainedModel, layer: LayerNumber | None, normalize: bool | None = None) -> None:
        optional = ("masked_spec_embed",) if layer is None else ("masked_spec_embed", "encoder.layer_norm.")
        network, name = read_truncated(source, partial(_truncate_configuration, layer=layer), optional)
        config = network.config
        settings = _feature_extractor(name)
        super().__init__(_truncated(network, layer), layer, settings)
        self.normalize = _expects_normalized(config, settings) if normalize is None else normalize
        if settings is not None:
            self.sample_rate = settings.sampling_rate
        field, hop = receptive_field(config.conv_kernel, config.conv_stride)
        adapter = _adapter_rate(config)
        self.dim = config.output_hidden_size if getattr(config, "add_adapter", False) else config.hidden_size
        self.min_samples = field + (adapter.min_frames - 1) * hop
        self.frame_rate = self.sample_rate / (hop * adapter.stride)
        self.first_frame_seconds = (field / 2 + adapter.first_frame * hop) / self.sample_rate

    def hidden_states(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        if self.normalize:
            waveforms = [_normalize(waveform) for waveform in waveforms]
        rows = encode_packed(self.network, waveforms)
        adapter = getattr(self.network, "adapter", None)
        return [adapter(row[None])[0] for row in rows] if isinstance(adapter, nn.Module) else rows

    def config(self) -> dict[str, Any]:
        return {"layer": self.layer, "normalize": self.normalize}


def _truncate_configuration(config: PretrainedConfig, source: str, layer: int | None) -> None:
    """Change the configuration of a checkpoint to that of the network without what follows ``layer``."""
    check_model_type(config, MODEL_TYPES, source)
    check_layer(layer, config.num_hidden_layers, source)
    config.apply_spec_augment = False
    if layer is not None:
        config.num_hidden_layers = layer
        config.add_adapter = False


def _truncated(network: PreTrainedModel, layer: int | None) -> PreTrainedModel:
    """Remove what follows ``layer`` from a network: layers, the norm after the last and the adapter."""
    if layer is None:
        return network
    encoder = network.get_submodule("encoder")
    encoder.layers = nn.ModuleList(list(encoder.get_submodule("layers").children())[:layer])
    config = network.config
    if getattr(config, "do_stable_layer_norm", False) or config.model_type == "wav2vec2-conformer":
        # The final norm belongs only after the last layer of the complete network.
        encoder.layer_norm = nn.Identity()
    if "adapter" in dict(network.named_children()):
        network.register_module("adapter", None)
    return network


def _adapter_rate(config: PretrainedConfig) -> AdapterRate:
    if not getattr(config, "add_adapter", False):
        return AdapterRate()
    return adapter_rate(config.num_adapter_layers, config.adapter_kernel_size, config.adapter_stride, padding=1)


def _feature_extractor(source: str) -> Wav2Vec2FeatureExtractor | None:
    """Return the feature extractor of a checkpoint, None if it has none."""
    settings = read_feature_extractor(source)
    if settings is not None and not isinstance(settings, Wav2Vec2FeatureExtractor):
        raise ValueError(
            f"{source}: the feature extractor is a {type(settings).__name__}, but the network takes waveforms, "
            "those of a Wav2Vec2FeatureExtractor"
        )
    return settings


def _expects_normalized(config: PretrainedConfig, settings: Wav2Vec2FeatureExtractor | None) -> bool:
    """Return whether a checkpoint expects waveforms of zero mean and unit variance.

    The feature extractor saved with the checkpoint decides. If there is none, networks whose convolutions have layer
    norm expect normalized waveforms, and networks with group norm do not.
    """
    if settings is not None:
        return settings.do_normalize
    return getattr(config, "feat_extract_norm", "layer") == "layer"  # data2vec-audio has layer norm always


def _normalize(waveform: Tensor) -> Tensor:
    """Normalize a waveform (num_samples,) to zero mean and unit variance, like the feature extractor of wav2vec 2.0."""
    return (waveform - waveform.mean()) / torch.sqrt(waveform.var(correction=0) + 1e-7)
