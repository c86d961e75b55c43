"""Features of w2v-BERT 2.0."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel, SeamlessM4TFeatureExtractor

from zoo.ranges import LayerNumber
from zoo.speech.encoders.adapter_rate import AdapterRate, adapter_rate
from zoo.speech.encoders.checkpoints import (
    check_layer,
    check_model_type,
    read_feature_extractor,
    read_truncated,
)
from zoo.speech.encoders.filterbank_input import HOP_SAMPLES, WINDOW_SAMPLES, StackedFilterbanks
from zoo.speech.encoders.pretrained import PretrainedEncoder

MODEL_TYPES = ("wav2vec2-bert",)


class W2vBertEncoder(PretrainedEncoder):
    """Output of one layer of a frozen w2v-BERT 2.0 (Seamless Communication et al. 2023), one utterance at a time.

    Args:
        source: Name or folder of a checkpoint, or the network itself, which is then truncated after ``layer``.
        layer: Number of Conformer layers to keep; the features are the output of the last one. None keeps all layers
            and what follows them, such as an adapter, which lowers the frame rate.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is of another kind, is incomplete or has fewer layers than ``layer``.
    """

    def __init__(self, source: str | PreTrainedModel, layer: LayerNumber | None) -> None:
        network, name = read_truncated(
            source, partial(_truncate_configuration, layer=layer), optional=("masked_spec_embed",)
        )
        config: Any = network.config
        settings = _feature_extractor(name, config)
        super().__init__(_truncated(network, layer), layer, settings)
        self.filterbanks = StackedFilterbanks(settings)
        adapter = _adapter_rate(config)
        hop = settings.stride * HOP_SAMPLES
        self.sample_rate = settings.sampling_rate
        self.dim = config.output_hidden_size if config.add_adapter else config.hidden_size
        self.min_samples = self.filterbanks.min_samples + (adapter.min_frames - 1) * hop
        self.frame_rate = self.sample_rate / (hop * adapter.stride)
        first_center = (WINDOW_SAMPLES + (settings.stride - 1) * HOP_SAMPLES) / 2
        self.first_frame_seconds = (first_center + adapter.first_frame * hop) / self.sample_rate

    def hidden_states(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        rows = []
        for waveform in waveforms:
            rows.append(self.network(self.filterbanks(waveform)[None]).last_hidden_state[0])
        return rows


def _truncate_configuration(config: PretrainedConfig, source: str, layer: int | None) -> None:
    """Change the configuration of a checkpoint to that of the network without what follows ``layer``."""
    check_model_type(config, MODEL_TYPES, source)
    check_layer(layer, config.num_hidden_layers, source)
    config.apply_spec_augment = False
    if layer is not None:
        config.num_hidden_layers = layer
        config.add_adapter = False
        config.use_intermediate_ffn_before_adapter = False


def _truncated(network: PreTrainedModel, layer: int | None) -> PreTrainedModel:
    """Remove what follows ``layer`` from a network."""
    if layer is not None:
        encoder = network.get_submodule("encoder")
        encoder.layers = encoder.layers[:layer]  # pyrefly: ignore[bad-index, unsupported-operation]
        for name in {"adapter", "intermediate_ffn"} & dict(network.named_children()).keys():
            network.register_module(name, None)
    return network


def _adapter_rate(config: PretrainedConfig) -> AdapterRate:
    if not config.add_adapter:
        return AdapterRate()
    stride = config.adapter_stride
    return adapter_rate(config.num_adapter_layers, config.adapter_kernel_size, stride, padding=stride // 2)


def _feature_extractor(source: str, config: PretrainedConfig) -> SeamlessM4TFeatureExtractor:
    """Return the feature extractor of a checkpoint; the usual one if it has none."""
    settings = read_feature_extractor(source)
    if settings is None:
        settings = SeamlessM4TFeatureExtractor()
    is_expected = isinstance(settings, SeamlessM4TFeatureExtractor)
    width = settings.num_mel_bins * settings.stride if is_expected else "other"
    if width != config.feature_projection_input_dim:
        raise ValueError(
            f"{source}: the feature extractor is a {type(settings).__name__} of {width} values a frame, but the "
            f"network takes those of a SeamlessM4TFeatureExtractor, {config.feature_projection_input_dim}"
        )
    return settings
