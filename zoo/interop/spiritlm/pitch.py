"""The F0 VQ-VAE of the official Spirit LM release."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch import Tensor

from zoo.interop.spiritlm.checkpoint import read_checkpoint
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder, ResidualOptions
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook

FEATURES = ("f0_interp,vuv", "f0,vuv", "norm_f0_interp,vuv", "norm_f0,vuv")
FIXED = {"sampling_rate": 16000, "f0_hop_size": 80, "f0_extractor": "fcpe"}
RENAMES = [
    (r"encoder\.level_blocks\.0\.model\.(\d+)\.0\.(\w+)", "encoder.downs.{0}.{1}"),
    (r"encoder\.level_blocks\.0\.model\.(\d+)\.1\.model\.(\d+)\.model\.(1|3)\.(\w+)", "encoder.stacks.{0}.{1}.{2}.{3}"),
    (r"encoder\.level_blocks\.0\.model\.\d+\.(weight|bias)", "encoder.out.{0}"),
    (r"vq\.level_blocks\.0\.k", "codebook.codes"),
    (r"decoder\.level_blocks\.0\.model\.0\.(weight|bias)", "decoder.pre.{0}"),
    (r"decoder\.level_blocks\.0\.model\.(\d+)\.0\.model\.(\d+)\.model\.(1|3)\.(\w+)", "decoder.stacks.{0}.{1}.{2}.{3}"),
    (r"decoder\.level_blocks\.0\.model\.(\d+)\.1\.(\w+)", "decoder.ups.{0}.{1}"),
    (r"decoder\.out\.(weight|bias)", "decoder.out.{0}"),
]
BOOKKEEPING = ("codebook.sums", "codebook.usage")  # the running means, which the release does not keep


def load_pitch(folder: Path) -> PitchUnits:
    """Read ``config.yaml`` and ``model.pt`` of ``vqvae_f0_quantizer/``.

    Raises:
        FileNotFoundError: Where one of them is missing.
        ValueError: Where a field or a tensor is missing, unknown or of another size.
    """
    folder = Path(folder)
    for name in ("config.yaml", "model.pt"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: not the folder of a Spirit LM F0 quantizer")
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    try:
        _check(config, path)
        vqvae = _build(config)
    except KeyError as error:
        raise ValueError(f"{path}: no field {error}") from error
    _fill(vqvae, read_checkpoint(folder / "model.pt", ("model",))["model"], folder / "model.pt")
    return PitchUnits(FCPE(), vqvae, "norm_" in config["features"] or bool(config.get("speaker_norm")))


def encode(pitch: PitchUnits, waveform: Tensor) -> np.ndarray:
    """Units (T,) of a waveform (N,), refused where the release fails.

    Raises:
        ValueError: Where no frame is voiced, or the waveform is too short.
    """
    pitch.check_length(waveform)
    track = pitch.f0(waveform.to(pitch.device))
    if not track.voiced.any():
        raise ValueError(
            "no frame of the waveform is voiced, at which the release fails; PitchUnits.encode has units for silence too"
        )
    return pitch.encode_track(track).cpu().numpy()


def _check(config: dict[str, Any], path: Path) -> None:
    if config["features"] not in FEATURES:
        raise ValueError(f"{path}: features is {config['features']!r}; want one of {', '.join(map(repr, FEATURES))}")
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise ValueError(f"{path}: {name} is {config[name]!r}; only {value!r} is known here")
    for part in ("vq_params", "encoder_params", "decoder_params"):
        if config[part]["levels"] != 1:
            raise ValueError(f"{path}: {part}.levels is {config[part]['levels']}; only one level is known here")


def _build(config: dict[str, Any]) -> PitchVQVAE:
    """The network that a config describes, with random weights."""
    quantizer, decoder = config["vq_params"], config["decoder_params"]
    return PitchVQVAE(
        PitchEncoder(**_arguments(config["encoder_params"])),
        EMACodebook(quantizer["l_bins"], quantizer["emb_width"], quantizer["mu"]),
        PitchDecoder(**_arguments(decoder), reverse_dilation=bool(decoder.get("reverse_decoder_dilation", False))),
    )


def _arguments(params: dict[str, Any]) -> dict[str, Any]:
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


def _fill(vqvae: PitchVQVAE, state: dict[str, Tensor], path: Path) -> None:
    renamed = {_rename(name): value for name, value in state.items()}
    own = {name: value for name, value in vqvae.state_dict().items() if name not in BOOKKEEPING}
    for word, names in (("unknown", renamed.keys() - own.keys()), ("no", own.keys() - renamed.keys())):
        if names:
            raise ValueError(f"{path}: {word} tensor {', '.join(sorted(names)[:3])}{' ...' if len(names) > 3 else ''}")
    for name, value in renamed.items():
        if value.shape != own[name].shape:
            raise ValueError(
                f"{path}: {name} is of shape {tuple(value.shape)}, but config.yaml asks for {tuple(own[name].shape)}"
            )
    vqvae.load_state_dict(renamed, strict=False)
    vqvae.codebook.set_codes(vqvae.codebook.codes)


def _rename(name: str) -> str:
    """Our name of an official tensor; a name without one comes back as it is, and is then refused."""
    for pattern, ours in RENAMES:
        match = re.fullmatch(pattern, name)
        if match:
            parts = list(match.groups())
            if ours.startswith(("decoder.stacks", "decoder.ups")):
                parts[0] = str(int(parts[0]) - 1)
            if ".stacks." in ours:
                parts[2] = {"1": "dilated", "3": "out"}[parts[2]]
            return ours.format(*parts)
    return name
