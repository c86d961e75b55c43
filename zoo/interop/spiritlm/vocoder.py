"""Vocoders of the official Spirit LM release: their folders, and their way of being called."""

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zoo.interop.spiritlm.checkpoint import read_checkpoint
from zoo.interop.spiritlm.strings import MISSING_STYLES, string_to_units
from zoo.tokens.units import Stream, runs
from zoo.vocoder.duration import DurationPredictor
from zoo.vocoder.hifigan import HiFiGANGenerator, HiFiGANSizes
from zoo.vocoder.vocoder import Vocoder

SAMPLE_RATE = 16000
DEFAULT_SPEAKER, DEFAULT_STYLE = 2, 8
RENAMES = [
    (r"dict\.", "generator.embed.units.Hu."),
    (r"f0_dict\.", "generator.embed.units.Pi."),
    (r"style_dict\.", "generator.embed.units.St."),
    (r"spkr\.", "generator.embed.speaker."),
    (r"style\.", "generator.embed.style."),
    (r"conv_pre\.", "generator.pre."),
    (r"conv_post\.", "generator.post."),
    (r"ups\.", "generator.ups."),
    (r"dur_predictor\.conv([12])\.0\.", "durations.convs.{}."),
    (r"dur_predictor\.ln([12])\.", "durations.norms.{}."),
    (r"dur_predictor\.proj\.", "durations.out."),
]


def load_vocoder(folder: Path) -> Vocoder:
    """Read ``config.json``, ``generator.pt``, ``speakers.txt`` and ``styles.txt``.

    Raises:
        FileNotFoundError: Where one of the first two is missing.
        ValueError: Where a tensor or a field is missing, unknown or of another size.
    """
    folder = Path(folder)
    for name in ("config.json", "generator.pt"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: not the folder of a Spirit LM vocoder")
    config = json.loads((folder / "config.json").read_text())
    vocoder = _build(config, folder)
    _fill(
        vocoder,
        read_checkpoint(folder / "generator.pt", ("generator",))["generator"],
        len(config["resblock_kernel_sizes"]),
        folder / "generator.pt",
    )
    vocoder.generator.remove_weight_norm()
    return vocoder


def _build(config: dict[str, Any], folder: Path) -> Vocoder:
    """The vocoder that a config describes, with random weights."""
    try:
        rates = config["upsample_rates"]
        unit_rate = SAMPLE_RATE / int(np.prod(rates))
        streams = [Stream("Hu", config["num_embeddings"], unit_rate)]
        for prefix, name in (("Pi", "f0"), ("St", "style")):
            if config.get(f"num_{name}_tokens"):
                streams.append(
                    Stream(
                        prefix,
                        config[f"num_{name}_tokens"],
                        unit_rate / round(config[f"{name}_hop_size"] / config["code_hop_size"]),
                    )
                )
        generator = HiFiGANGenerator(
            {stream.prefix: stream.size for stream in streams},
            unit_rate,
            num_speakers=config.get("num_speakers", 200) if config.get("multispkr") else 0,
            num_styles=config.get("num_styles", 100) if config.get("multistyle") else 0,
            embedding_dim=config["embedding_dim"],
            backbone=HiFiGANSizes(
                channels=config["upsample_initial_channel"],
                upsample_rates=rates,
                upsample_kernel_sizes=config["upsample_kernel_sizes"],
                resblock_kernel_sizes=config["resblock_kernel_sizes"],
                resblock_dilations=[sizes[:3] for sizes in config["resblock_dilation_sizes"]],
            ),
            sample_rate=SAMPLE_RATE,
        )
        durations = config.get("dur_predictor_params")
        predictor = durations and DurationPredictor(
            durations["encoder_embed_dim"],
            durations["var_pred_hidden_dim"],
            durations["var_pred_kernel_size"],
            durations.get("var_pred_dropout", 0.5),
        )
    except KeyError as error:
        raise ValueError(f"{folder / 'config.json'}: no field {error}") from error
    width = config.get("model_in_dim", 80)
    if width != generator.embed.width:
        raise ValueError(
            f"{folder / 'config.json'}: model_in_dim is {width}, but the embeddings together are {generator.embed.width} wide"
        )
    return Vocoder(
        generator,
        streams,
        predictor or None,
        _lines(folder / "speakers.txt"),
        _lines(folder / "styles.txt"),
        min(DEFAULT_SPEAKER, max(0, generator.num_speakers - 1)),
        min(DEFAULT_STYLE, max(0, generator.num_styles - 1)),
        missing={"St": [unit for unit in MISSING_STYLES if unit < streams[-1].size]}
        if streams[-1].prefix == "St"
        else None,
    )


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def _fill(vocoder: Vocoder, state: Mapping[str, Tensor], blocks: int, path: Path) -> None:
    renamed = {_rename(name, blocks): value for name, value in state.items()}
    own = vocoder.state_dict()
    for word, names in (("unknown", renamed.keys() - own.keys()), ("no", own.keys() - renamed.keys())):
        if names:
            raise ValueError(f"{path}: {word} tensor {', '.join(sorted(names)[:3])}{' ...' if len(names) > 3 else ''}")
    for name, value in renamed.items():
        if value.shape != own[name].shape:
            raise ValueError(
                f"{path}: {name} is of shape {tuple(value.shape)}, but config.json asks for {tuple(own[name].shape)}"
            )
    vocoder.load_state_dict(renamed)


def _rename(name: str, blocks: int) -> str:
    """Our name of an official tensor; a name without one comes back as it is, and is then refused."""
    name = re.sub(r"\.weight_g$", ".parametrizations.weight.original0", name)
    name = re.sub(r"\.weight_v$", ".parametrizations.weight.original1", name)
    block = re.match(r"resblocks\.(\d+)\.convs([12])\.(.*)", name)
    if block:
        stage, index = divmod(int(block[1]), blocks)
        return f"generator.blocks.{stage}.{index}.{('dilated', 'plain')[int(block[2]) - 1]}.{block[3]}"
    for pattern, ours in RENAMES:
        match = re.match(pattern, name)
        if match:
            return ours.format(*(int(number) - 1 for number in match.groups())) + name[match.end() :]
    return name


def vocode(
    vocoder: Vocoder,
    code: str,
    f0_code: str | None = None,
    style_code: str | None = None,
    speaker_id: int | None = None,
    style_id: int | None = None,
    dur_pred: bool = True,
    not_dedup_code: bool = False,
) -> Tensor:
    """Speak space-separated units as the release does: the waveform (N,).

    Args:
        vocoder: Made by ``load_vocoder``.
        code: Phonetic units; negative ones are dropped.
        f0_code: Pitch units, where the vocoder takes them.
        style_code: Style units, where the vocoder takes them.
        speaker_id: 2 if None.
        style_id: 8 if None.
        dur_pred: Whether durations are predicted; otherwise pitch and style come at their own rates.
        not_dedup_code: Whether repeated phonetic units stay as they are when durations are predicted.

    Raises:
        ValueError: Where the release fails too, and for anything that is not a number.
    """
    units = {"Hu": _numbers(code, "code")}
    units["Hu"] = units["Hu"][units["Hu"] >= 0]
    if dur_pred and not not_dedup_code:
        units["Hu"] = units["Hu"][runs(units["Hu"])[0]]
    for prefix, given in (("Pi", f0_code), ("St", style_code)):
        if prefix in vocoder.generator.streams:
            if given is None:
                raise ValueError(f"this vocoder takes {prefix} units, and none are given")
            units[prefix] = _numbers(given, prefix)
    speaker = (
        speaker_id if vocoder.generator.num_speakers else None
    )  # as there, what a vocoder does not have is not looked at
    style = style_id if vocoder.generator.num_styles else None
    return vocoder(units, speaker, style, predict_durations=dur_pred)


def decode(
    vocoder: Vocoder,
    code: str | Mapping[str, str],
    speaker_id: int | None = None,
    dur_pred: bool = True,
    rng: random.Random | None = None,
) -> Tensor:
    """Speak a string of tokens, or units by stream; durations are not predicted where the streams differ in length.

    Args:
        vocoder: Made by ``load_vocoder``.
        code: ``"[Hu1][Pi2]"`` or space-separated units under ``hubert``, ``pitch`` and ``style``.
        speaker_id: 2 if None.
        dur_pred: Whether durations are predicted.
        rng: Draws a missing style.

    Raises:
        ValueError: Where the release fails too.
    """
    units = string_to_units(code, rng=rng) if isinstance(code, str) else code
    if "hubert" not in units:
        raise ValueError(f"no 'hubert' among the units; there is {', '.join(units) or 'nothing'}")
    if "pitch" in units and len(units["pitch"].split()) != len(units["hubert"].split()):
        dur_pred = False
    return vocode(
        vocoder,
        units["hubert"],
        units.get("pitch"),
        units.get("style"),
        speaker_id,
        None,
        dur_pred,
        not_dedup_code=True,
    )


def _numbers(text: str, name: str) -> np.ndarray:
    try:
        return np.array([int(number) for number in text.split()], dtype=np.int64)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
