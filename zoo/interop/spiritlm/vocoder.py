"""Vocoders of the official Spirit LM release: loaded from their folders, and called as in the release."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zoo.files import read_json
from zoo.interop.spiritlm.checkpoint import match_tensors, read_checkpoint
from zoo.interop.spiritlm.strings import MISSING_STYLES, string_to_units
from zoo.interop.spiritlm.weight_names import rename_tensors, vocoder_name
from zoo.tokens.units import Stream, runs
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.hifigan import HiFiGANGenerator, HiFiGANSizes
from zoo.vocoder.vocoder import Vocoder

CONFIG = "config.json"
WEIGHTS = "generator.pt"
SAMPLE_RATE = 16000
DEFAULT_SPEAKER = 2
DEFAULT_STYLE = 8
NUM_DILATIONS = 3  # of a residual block in the release, whatever its configuration lists


def load_vocoder(folder: Path) -> Vocoder:
    """Load ``config.json`` and ``generator.pt``, and the names in ``speakers.txt`` and ``styles.txt`` if there are any.

    Raises:
        FileNotFoundError: One of the first two is missing.
        ValueError: A tensor or a field is missing, unknown or of another size.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}: not the folder of a Spirit LM vocoder")
    config = read_json(folder / CONFIG)
    vocoder = _build_vocoder(config, folder)
    blocks_per_stage = len(config["resblock_kernel_sizes"])
    tensors = read_checkpoint(folder / WEIGHTS, ("generator",))["generator"]
    renamed = rename_tensors(tensors, lambda name: vocoder_name(name, blocks_per_stage))
    match_tensors(folder / WEIGHTS, renamed, vocoder.state_dict(), configuration=CONFIG)
    vocoder.load_state_dict(renamed)
    vocoder.generator.remove_weight_norm()
    return vocoder


def _build_vocoder(config: Mapping[str, Any], folder: Path) -> Vocoder:
    """Return the vocoder that a configuration describes, with random weights.

    Args:
        config: Content of ``config.json``.
        folder: Its folder, which may contain ``speakers.txt`` and ``styles.txt``.
    """
    try:
        streams = _streams(config)
        generator = _build_generator(config, streams)
        durations = _build_duration_predictor(config)
    except KeyError as error:
        raise ValueError(f"{folder / CONFIG}: no field {error}") from error
    width = config.get("model_in_dim", 80)
    if width != generator.embed.width:
        raise ValueError(
            f"{folder / CONFIG}: model_in_dim is {width}, but the embeddings together are {generator.embed.width} wide"
        )
    missing = None
    if streams[-1].prefix == "St":
        missing = {"St": [unit for unit in MISSING_STYLES if unit < streams[-1].size]}
    return Vocoder(
        generator,
        streams,
        durations,
        _read_lines(folder / "speakers.txt"),
        _read_lines(folder / "styles.txt"),
        min(DEFAULT_SPEAKER, max(0, generator.num_speakers - 1)),
        min(DEFAULT_STYLE, max(0, generator.num_styles - 1)),
        missing=missing,
    )


def _unit_rate(config: Mapping[str, Any]) -> float:
    return SAMPLE_RATE / math.prod(config["upsample_rates"])


def _streams(config: Mapping[str, Any]) -> list[Stream]:
    unit_rate = _unit_rate(config)
    streams = [Stream("Hu", config["num_embeddings"], unit_rate)]
    for prefix, name in (("Pi", "f0"), ("St", "style")):
        size = config.get(f"num_{name}_tokens")
        if size:
            units_per_hop = round(config[f"{name}_hop_size"] / config["code_hop_size"])
            streams.append(Stream(prefix, size, unit_rate / units_per_hop))
    return streams


def _build_generator(config: Mapping[str, Any], streams: list[Stream]) -> HiFiGANGenerator:
    return HiFiGANGenerator(
        {stream.prefix: stream.size for stream in streams},
        _unit_rate(config),
        num_speakers=config.get("num_speakers", 200) if config.get("multispkr") else 0,
        num_styles=config.get("num_styles", 100) if config.get("multistyle") else 0,
        embedding_dim=config["embedding_dim"],
        backbone=HiFiGANSizes(
            channels=config["upsample_initial_channel"],
            upsample_rates=config["upsample_rates"],
            upsample_kernel_sizes=config["upsample_kernel_sizes"],
            resblock_kernel_sizes=config["resblock_kernel_sizes"],
            resblock_dilations=tuple(tuple(sizes[:NUM_DILATIONS]) for sizes in config["resblock_dilation_sizes"]),
        ),
        sample_rate=SAMPLE_RATE,
    )


def _build_duration_predictor(config: Mapping[str, Any]) -> DurationPredictor | None:
    sizes = config.get("dur_predictor_params")
    if not sizes:
        return None
    return DurationPredictor(
        sizes["encoder_embed_dim"],
        sizes["var_pred_hidden_dim"],
        sizes["var_pred_kernel_size"],
        sizes.get("var_pred_dropout", 0.5),
    )


def _read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


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
    """Synthesize space-separated units as the release does, to a waveform (N,).

    Args:
        vocoder: Vocoder as ``load_vocoder`` returns it.
        code: Phonetic units; negative ones are dropped.
        f0_code: Pitch units, if the vocoder takes them.
        style_code: Style units, if the vocoder takes them.
        speaker_id: Index of the speaker. Defaults to 2.
        style_id: Index of the style of the whole utterance. Defaults to 8.
        dur_pred: Whether durations are predicted; otherwise pitch and style units come at their own rates.
        not_dedup_code: Whether repeated phonetic units are kept if durations are predicted.

    Raises:
        ValueError: The release fails too, or a unit is not a number.
    """
    phonetic = _parse_units(code, "code")
    phonetic = phonetic[phonetic >= 0]
    if dur_pred and not not_dedup_code:
        phonetic = phonetic[runs(phonetic)[0]]
    units = {"Hu": phonetic}
    for prefix, stream_code in (("Pi", f0_code), ("St", style_code)):
        if prefix in vocoder.generator.streams:
            if stream_code is None:
                raise ValueError(f"this vocoder takes {prefix} units, and none are given")
            units[prefix] = _parse_units(stream_code, prefix)
    # As in the release, a vocoder without speakers or styles ignores their index, even one out of range.
    speaker = speaker_id if vocoder.generator.num_speakers else None
    style = style_id if vocoder.generator.num_styles else None
    return vocoder(units, speaker, style, predict_durations=dur_pred)


def decode(
    vocoder: Vocoder,
    code: str | Mapping[str, str],
    speaker_id: int | None = None,
    dur_pred: bool = True,
    rng: random.Random | None = None,
) -> Tensor:
    """Synthesize a string of tokens, or units by stream, to a waveform (N,).

    Durations are not predicted if there are more or fewer pitch units than phonetic ones.

    Args:
        vocoder: Vocoder as ``load_vocoder`` returns it.
        code: ``"[Hu1][Pi2]"``, or space-separated units under ``hubert``, ``pitch`` and ``style``.
        speaker_id: Index of the speaker. Defaults to 2.
        dur_pred: Whether durations are predicted.
        rng: Draws a missing style.

    Raises:
        ValueError: The release fails too.
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
        dur_pred=dur_pred,
        not_dedup_code=True,
    )


def _parse_units(text: str, name: str) -> np.ndarray:
    """Return space-separated units (T,); ``name`` is for the error message."""
    try:
        return np.array([int(number) for number in text.split()], dtype=np.int64)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
