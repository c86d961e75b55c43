"""Features of HuBERT, wav2vec 2.0 and WavLM."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from zoo.speech.encoders.checkpoints import check_layer, read_configuration, read_feature_extractor, read_network
from zoo.speech.encoders.packed_wav2vec2 import encode_packed, has_packed_form
from zoo.speech.encoders.pretrained import PretrainedEncoder
from zoo.speech.receptive_field import receptive_field


class HubertEncoder(PretrainedEncoder):
    """Output of one layer of a frozen HuBERT, wav2vec 2.0 or WavLM of transformers.

    Args:
        source: Name or folder of a checkpoint, or the network itself, which is then truncated after ``layer``.
        layer: Number of transformer layers to keep; the features are the output of the last one. None keeps all layers.
        normalize: Whether to normalize each waveform to zero mean and unit variance; None follows the checkpoint.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is incomplete or has fewer layers than ``layer``.
    """

    def __init__(self, source: str | PreTrainedModel, layer: int | None, normalize: bool | None = None) -> None:
        if isinstance(source, PreTrainedModel):
            config = source.config
            name = str(config.name_or_path)
        else:
            config = read_configuration(source)
            name = source
        check_layer(layer, config.num_hidden_layers, name)
        config.num_hidden_layers = layer or config.num_hidden_layers
        config.apply_spec_augment = False
        if isinstance(source, PreTrainedModel):
            network = source
        else:
            optional = ("masked_spec_embed",) if layer is None else ("masked_spec_embed", "encoder.layer_norm.")
            network = read_network(AutoModel, source, config, optional)
        encoder = network.get_submodule("encoder")
        encoder.layers = nn.ModuleList(list(encoder.get_submodule("layers").children())[:layer])
        if layer is not None and getattr(config, "do_stable_layer_norm", False):
            # The final norm belongs only after the last layer of the complete network.
            encoder.layer_norm = nn.Identity()
        super().__init__(network, layer)
        self.dim = config.hidden_size
        self.normalize = _expects_normalized(name, config.feat_extract_norm) if normalize is None else normalize
        self.min_samples, hop = receptive_field(config.conv_kernel, config.conv_stride)
        self.frame_rate = self.sample_rate / hop
        self.first_frame_seconds = self.min_samples / 2 / self.sample_rate

    def hidden_states(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        if self.normalize:
            waveforms = [_normalize(waveform) for waveform in waveforms]
        if has_packed_form(self.network):
            return encode_packed(self.network, waveforms)
        return [self.network(waveform[None]).last_hidden_state[0] for waveform in waveforms]

    def config(self) -> dict[str, Any]:
        return {"layer": self.layer, "normalize": self.normalize}


def _normalize(waveform: Tensor) -> Tensor:
    """Normalize a waveform (num_samples,) to zero mean and unit variance, like the feature extractor of wav2vec 2.0."""
    return (waveform - waveform.mean()) / torch.sqrt(waveform.var(correction=0) + 1e-7)


def _expects_normalized(source: str, feat_extract_norm: str) -> bool:
    """Return whether a checkpoint expects waveforms of zero mean and unit variance.

    The feature extractor saved with the checkpoint decides. If there is none, networks whose convolutions have layer
    norm expect normalized waveforms, and networks with group norm do not.

    Args:
        source: Name or folder of the checkpoint; empty for a network that was not loaded from one.
        feat_extract_norm: Kind of norm in the convolutional feature extractor, ``group`` or ``layer``.
    """
    feature_extractor = read_feature_extractor(source)
    if feature_extractor is None:
        return feat_extract_norm == "layer"
    return bool(feature_extractor.do_normalize)
