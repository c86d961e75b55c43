"""Trained vocoders to speak with, or to train further: for a new voice, or a new language."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zoo.interop.spiritlm.vocoder import load_vocoder
from zoo.tokens.contract import FILE, read_contract, require_match
from zoo.tokens.store import TokenTable
from zoo.tokens.units import Stream
from zoo.vocoder.duration import DurationPredictor
from zoo.vocoder.generator import Generator
from zoo.vocoder.unit_inputs import in_order
from zoo.vocoder.vocoder import CONFIG, Vocoder

OFFICIAL = "generator.pt"


def open_vocoder(folder: Path) -> Vocoder:
    """Load a vocoder that was trained here, or one of the official Spirit LM release, whichever the folder holds.

    Raises:
        FileNotFoundError: Where it holds neither.
    """
    if (folder / CONFIG).is_file():
        return Vocoder.load(folder)
    if (folder / OFFICIAL).is_file():
        return load_vocoder(folder)
    raise FileNotFoundError(f"no vocoder in {folder}: want {CONFIG} (trained here) or {OFFICIAL} (Spirit LM's release)")


def generator(folder: Path, tokens: Path, split: str = "train") -> Generator:
    """The generator of a trained vocoder with the voices of new tokens, to train further.

    A voice or style that the vocoder knows by name keeps its embedding; a new one begins at the mean of those known.

    Args:
        folder: Of a vocoder trained here, or of the official release.
        tokens: Folder filled by a tokens stage, with the tokenizer that the vocoder was trained for.
        split: Of the tokens, whose voices are learned.

    Raises:
        ContractError: Where the tokens are of another tokenizer; ``generator_for_other_units`` takes those.
        ValueError: Where their streams differ, or the vocoder has no voices to choose.
    """
    vocoder = open_vocoder(folder)
    if (folder / FILE).is_file() and vocoder.contract:
        require_match(folder, tokens)
    theirs = {stream.prefix: (stream.size, stream.rate) for stream in _streams(tokens)}
    for stream in vocoder.streams:
        if theirs.get(stream.prefix) != (stream.size, stream.rate):
            raise ValueError(
                f"{folder} speaks {stream.size} {stream.prefix} units at {stream.rate:g} a second, but {tokens} has "
                f"{theirs.get(stream.prefix, 'none')}: take zoo.interop.vocoder_checkpoints.generator_for_other_units"
            )
    return _with_voices(vocoder, tokens, split, vocoder.generator.streams)


def generator_for_other_units(folder: Path, tokens: Path, split: str = "train") -> Generator:
    """As ``generator``, for tokens of another tokenizer: all is kept but the embeddings of the units, which begin anew.

    Args:
        folder: Of a vocoder trained here, or of the official release.
        tokens: Folder filled by a tokens stage, with the same kinds of streams.
        split: Of the tokens, whose voices are learned.

    Raises:
        ValueError: Where a stream is missing or of another rate.
    """
    vocoder = open_vocoder(folder)
    theirs = {stream.prefix: stream for stream in _streams(tokens)}
    for stream in vocoder.streams:
        if stream.prefix not in theirs or abs(theirs[stream.prefix].rate - stream.rate) > 1e-6:
            raise ValueError(
                f"{folder} speaks {stream.prefix} units at {stream.rate:g} a second, but {tokens} has {theirs.get(stream.prefix, 'none')}"
            )
    return _with_voices(vocoder, tokens, split, {prefix: theirs[prefix].size for prefix in vocoder.generator.streams})


def durations(folder: Path) -> DurationPredictor:
    """The duration predictor of a trained vocoder, to train further with its generator.

    Raises:
        ValueError: Where the vocoder has none.
    """
    found = open_vocoder(folder).durations
    if found is None:
        raise ValueError(
            f"the vocoder in {folder} has no duration predictor; name a zoo.vocoder.DurationPredictor instead"
        )
    return found.train()


def _streams(tokens: Path) -> list[Stream]:
    return [Stream(**stream) for stream in read_contract(tokens)["tokenizer"]["streams"]]


def _with_voices(vocoder: Vocoder, tokens: Path, split: str, streams: dict[str, int]) -> Generator:
    """The same network for other tables: those of units that ``streams`` changes in size are drawn anew."""
    old, table = vocoder.generator, TokenTable(tokens, split)
    named = {kind: in_order(table.values(kind)) for kind in ("speaker", "style")}
    if not old.num_speakers and len(named["speaker"]) > 1:
        raise ValueError(
            f"{tokens} has {len(named['speaker'])} speakers, but this vocoder has one voice that nothing chooses: give it one speaker"
        )
    counts = {
        "num_speakers": old.num_speakers and len(named["speaker"]),
        "num_styles": old.num_styles and len(named["style"]),
    }
    new = type(old).from_config(old.config | counts | {"streams": streams})
    new.remove_weight_norm()  # a vocoder is loaded with it folded in
    state = old.state_dict()
    for kind, known in (("speaker", vocoder.speakers), ("style", vocoder.styles)):
        name = f"embed.{kind}.weight"
        if name in state:
            state[name] = _rows(state[name], known, named[kind])
    same_units = streams == old.streams and vocoder.contract.get("tokenizer") in (
        None,
        read_contract(tokens)["tokenizer"],
    )
    for name in [name for name in state if name.startswith("embed.units.") and not same_units]:
        state[name] = new.state_dict()[name]
    new.load_state_dict(state)
    new.add_weight_norm()
    return new.train()


def _rows(table: Tensor, known: Sequence[str], wanted: Sequence[str]) -> Tensor:
    mean = table[: len(known) or None].mean(0)
    return torch.stack([table[known.index(name)] if name in known else mean for name in wanted])
