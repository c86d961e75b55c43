"""Features of the encoder of Whisper."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder as WhisperNetwork

from zoo.pretrained_networks import read_network
from zoo.ranges import LayerNumber, OptionalSeconds
from zoo.speech.encoders.checkpoints import (
    check_layer,
    check_model_type,
    read_configuration,
    read_feature_extractor,
)
from zoo.speech.encoders.log_mel import WhisperLogMel
from zoo.speech.encoders.packed_whisper import encode_packed
from zoo.speech.encoders.pretrained import PretrainedEncoder
from zoo.speech.encoders.whisper_windows import Window, overlapping_windows

MODEL_TYPES = ("whisper",)
CONVOLUTION_STRIDE = 2  # spectrogram frames per frame of the network
# Frames that are encoded at once, which bounds the memory for long speech.
CPU_PACK_FRAMES = 3000
ACCELERATOR_PACK_FRAMES = 30_000


class WhisperEncoder(PretrainedEncoder):
    """Output of one layer of the frozen encoder of a Whisper (Radford et al. 2023), for speech of any length.

    Speech is not padded to 30 s: positions are cut to its length. Its frames then attend to speech alone and not to the
    silence after it, so that their features differ from those of the padded window. Speech with more frames than the
    network has positions (30 s) is divided into overlapping windows of equal length, each of which is encoded alone.

    Args:
        source: Name or folder of a checkpoint, or the network itself, which is then truncated after ``layer``.
        layer: Number of transformer layers to keep; the features are the output of the last one. None keeps all layers
            and the norm after them.
        overlap_seconds: Time that two neighboring windows have in common, in seconds, at most half a window; each keeps
            the features of its half of it.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is no Whisper, is incomplete or has fewer layers than ``layer``, or
            ``overlap_seconds`` is out of range.
    """

    def __init__(
        self, source: str | PreTrainedModel, layer: LayerNumber | None, overlap_seconds: OptionalSeconds = 2.0
    ) -> None:
        if isinstance(source, PreTrainedModel):
            network = _truncated(source, layer)
            name = str(source.config.name_or_path)
        else:
            network = _read_network(source, layer)
            name = source
        settings = _feature_extractor(name, network.config)
        super().__init__(network, layer, settings)
        self.log_mel = WhisperLogMel(settings)
        self.sample_rate = settings.sampling_rate
        self.hop_samples = CONVOLUTION_STRIDE * settings.hop_length
        self.frame_rate = self.sample_rate / self.hop_samples
        self.first_frame_seconds = 0.0  # windows and convolutions are centered
        self.min_samples = settings.n_fft
        self.dim = network.config.d_model
        self.max_frames = network.config.max_source_positions
        self.overlap_seconds = overlap_seconds
        self.overlap_frames = round(overlap_seconds * self.frame_rate)
        if not 0 <= self.overlap_frames <= self.max_frames // 2:
            raise ValueError(
                f"overlap_seconds must be from 0 to {self.max_frames / 2 / self.frame_rate:g}, got {overlap_seconds:g}"
            )

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        windows_of_waveforms = [self.windows(len(waveform)) for waveform in waveforms]
        parts = []
        for waveform, windows in zip(waveforms, windows_of_waveforms, strict=True):
            for window in windows[:-1]:
                parts.append(waveform[window.start * self.hop_samples : window.stop * self.hop_samples])
            parts.append(waveform[windows[-1].start * self.hop_samples :])
        rows = iter(super().batch(parts))
        features = []
        for windows in windows_of_waveforms:
            features.append(torch.cat([next(rows)[window.kept] for window in windows]))
        return features

    def windows(self, num_samples: int) -> list[Window]:
        """Return the windows in which a waveform of ``num_samples`` is encoded, in frames."""
        num_frames = -(-(num_samples // (self.hop_samples // CONVOLUTION_STRIDE)) // CONVOLUTION_STRIDE)
        return overlapping_windows(num_frames, self.max_frames, self.overlap_frames)

    def hidden_states(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        network = cast(WhisperNetwork, self.network)
        rows = []
        for pack in self._packs(waveforms):
            rows += encode_packed(network, [self.log_mel(waveform) for waveform in pack])
        return rows

    def _packs(self, waveforms: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        """Divide waveforms into lists of limited total length."""
        pack_frames = CPU_PACK_FRAMES if self.network.device.type == "cpu" else ACCELERATOR_PACK_FRAMES
        pack: list[Tensor] = []
        for waveform in waveforms:
            if pack and sum(map(len, pack)) + len(waveform) > pack_frames * self.hop_samples:
                yield pack
                pack = []
            pack.append(waveform)
        yield pack

    def config(self) -> dict[str, Any]:
        return {"layer": self.layer, "overlap_seconds": self.overlap_seconds}


def _read_network(source: str, layer: int | None) -> WhisperNetwork:
    """Read the first layers of the encoder of a checkpoint: of a complete Whisper, or of an encoder alone."""
    config = read_configuration(source)
    check_model_type(config, MODEL_TYPES, source)
    check_layer(layer, config.encoder_layers, source)
    config.encoder_layers = layer or config.encoder_layers
    optional = () if layer is None else ("layer_norm.", "encoder.layer_norm.")
    unexpected = "parts" if layer is None else "all"
    if (config.architectures or [""])[0] == WhisperNetwork.__name__:
        network = read_network(WhisperNetwork, source, config, optional=optional, unexpected=unexpected)
    else:
        config.decoder_layers = 0
        network = read_network(WhisperModel, source, config, optional=optional, unexpected=unexpected)
    return _truncated(network, layer)


def _truncated(network: PreTrainedModel, layer: int | None) -> WhisperNetwork:
    """Return the encoder of a network without the layers after ``layer`` and the norm that follows the last."""
    encoder = cast(WhisperNetwork, network if isinstance(network, WhisperNetwork) else network.get_encoder())
    if layer is not None:
        check_layer(layer, len(encoder.layers), str(network.config.name_or_path))
        encoder.config.encoder_layers = layer
        encoder.layers = encoder.layers[:layer]
        encoder.layer_norm = nn.Identity()  # pyrefly: ignore[bad-assignment]
    return encoder


def _feature_extractor(source: str, config: WhisperConfig) -> WhisperFeatureExtractor:
    """Return the feature extractor of a checkpoint; Whisper's usual one if it has none."""
    settings = read_feature_extractor(source)
    if settings is None:
        return WhisperFeatureExtractor(feature_size=config.num_mel_bins)
    if not isinstance(settings, WhisperFeatureExtractor) or settings.feature_size != config.num_mel_bins:
        raise ValueError(
            f"{source}: the feature extractor is a {type(settings).__name__} of {settings.feature_size} values a "
            f"frame, but the network takes those of a WhisperFeatureExtractor, {config.num_mel_bins}"
        )
    return settings
