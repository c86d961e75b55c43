"""Pitch units of the official Spirit LM release: its F0 VQ-VAE."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch import Tensor

from zoo.error_messages import one_line
from zoo.interop.spiritlm.checkpoint import match_tensors, read_checkpoint
from zoo.interop.spiritlm.weight_names import pitch_name, rename_tensors
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder, ResidualOptions
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook

FEATURES = ("f0_interp,vuv", "f0,vuv", "norm_f0_interp,vuv", "norm_f0,vuv")
# Fields of config.yaml of which only one value is supported.
FIXED = {"sampling_rate": 16000, "f0_hop_size": 80, "f0_extractor": "fcpe"}
RUNNING_MEANS = ("codebook.sums", "codebook.usage")  # of the codebook in training; not part of the release


def load_pitch(folder: Path) -> PitchUnits:
    """Load ``config.yaml`` and ``model.pt`` of the folder ``vqvae_f0_quantizer/``.

    Raises:
        FileNotFoundError: One of the files is missing.
        ValueError: A field or a tensor is missing, unknown or of another size.
    """
    folder = Path(folder)
    for name in ("config.yaml", "model.pt"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: not the folder of a Spirit LM F0 quantizer")
    path = folder / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML ({one_line(error)}); copy it again from the release") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: want a mapping of names to values; copy it again from the release")
    try:
        _check(config, path)
        vqvae = _build(config)
    except KeyError as error:
        raise ValueError(f"{path}: no field {error}") from error
    weights = folder / "model.pt"
    _load_tensors(vqvae, read_checkpoint(weights, ("model",))["model"], weights)
    normalize = "norm_" in config["features"] or bool(config.get("speaker_norm"))
    return PitchUnits(FCPE(), vqvae, normalize)


def encode(pitch: PitchUnits, waveform: Tensor) -> np.ndarray:
    """Return the pitch units (T,) of a waveform (N,), and fail where the release fails.

    Args:
        pitch: Pitch units as ``load_pitch`` returns them.
        waveform: Waveform (N,) at 16 kHz.

    Raises:
        ValueError: No frame is voiced, or the waveform is too short.
    """
    pitch.check_length(waveform)
    track = pitch.f0(waveform.to(pitch.device))
    if not track.voiced.any():
        raise ValueError(
            "no frame of the waveform is voiced, and the release fails on it; PitchUnits.encode also encodes silence"
        )
    return pitch.encode_track(track).cpu().numpy()


def _check(config: dict[str, Any], path: Path) -> None:
    """Raise ValueError for an option that is not supported, or KeyError for a missing field."""
    if config["features"] not in FEATURES:
        raise ValueError(f"{path}: features is {config['features']!r}; want one of {', '.join(map(repr, FEATURES))}")
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise ValueError(f"{path}: {name} is {config[name]!r}; only {value!r} is supported")
    for part in ("vq_params", "encoder_params", "decoder_params"):
        if config[part]["levels"] != 1:
            raise ValueError(f"{path}: {part}.levels is {config[part]['levels']}; only one level is supported")


def _build(config: dict[str, Any]) -> PitchVQVAE:
    """Return the network that a configuration describes, with random weights."""
    quantizer = config["vq_params"]
    decoder = config["decoder_params"]
    return PitchVQVAE(
        PitchEncoder(**_arguments(config["encoder_params"])),
        EMACodebook(quantizer["l_bins"], quantizer["emb_width"], quantizer["mu"]),
        PitchDecoder(**_arguments(decoder), reverse_dilation=bool(decoder.get("reverse_decoder_dilation", False))),
    )


def _arguments(params: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that encoder and decoder have in common."""
    return {
        "channels": params["input_emb_width"],
        "dim": params["output_emb_width"],
        "width": params["width"],
        "depth": params["depth"],
        "num_downs": params["downs_t"][0],
        "stride": params["strides_t"][0],
        "residual": ResidualOptions(
            expansion=params["m_conv"],
            dilation_growth=params["dilation_growth_rate"],
            dilation_cycle=params.get("dilation_cycle"),
            scale_residual=bool(params.get("res_scale", False)),
            zero_out=bool(params.get("zero_out", False)),
        ),
    }


def _load_tensors(vqvae: PitchVQVAE, tensors: dict[str, Tensor], path: Path) -> None:
    """Load official tensors into a network; ``path`` is their file, for error messages."""
    renamed = rename_tensors(tensors, pitch_name)
    expected = {name: tensor for name, tensor in vqvae.state_dict().items() if name not in RUNNING_MEANS}
    match_tensors(path, renamed, expected, configuration="config.yaml")
    vqvae.load_state_dict(renamed, strict=False)
    vqvae.codebook.set_codes(vqvae.codebook.codes)
