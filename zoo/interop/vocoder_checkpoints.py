"""Trained vocoders, for synthesis or to train further: for a new voice, or a new language."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zoo.interop.spiritlm.vocoder import load_vocoder
from zoo.tokens.contract import FILE, read_contract, require_match
from zoo.tokens.store import TokenTable
from zoo.tokens.units import Stream
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.generator import Generator
from zoo.vocoder.unit_inputs import in_order
from zoo.vocoder.vocoder import CONFIG, Vocoder

OFFICIAL = "generator.pt"


def open_vocoder(folder: Path) -> Vocoder:
    """Load a vocoder that was trained here, or one of the official Spirit LM release, whichever the folder has.

    Raises:
        FileNotFoundError: Where it has neither.
    """
    if (folder / CONFIG).is_file():
        return Vocoder.load(folder)
    if (folder / OFFICIAL).is_file():
        return load_vocoder(folder)
    raise FileNotFoundError(f"no vocoder in {folder}: want {CONFIG} (trained here) or {OFFICIAL} (Spirit LM's release)")


def generator(folder: Path, tokens: Path, split: str = "train") -> Generator:
    """Return the generator of a trained vocoder with the speakers and styles of new tokens, to train further.

    A speaker or style that the vocoder has by name keeps its embedding; a new one starts from the mean of the known
    ones.

    Args:
        folder: Folder of a vocoder trained here, or of the official release.
        tokens: Folder filled by a tokens stage, with the tokenizer that the vocoder was trained for.
        split: Split of the tokens whose speakers and styles are learned.

    Raises:
        ContractError: Where the tokens are of another tokenizer; ``generator_for_other_units`` takes those.
        ValueError: Where their streams differ, or the vocoder has a single voice and the tokens several speakers.
    """
    vocoder = open_vocoder(folder)
    if (folder / FILE).is_file() and vocoder.contract:
        require_match(folder, tokens)
    of_tokens = {stream.prefix: (stream.size, stream.rate) for stream in _streams(tokens)}
    for stream in vocoder.streams:
        if of_tokens.get(stream.prefix) != (stream.size, stream.rate):
            raise ValueError(
                f"{folder} takes {stream.size} {stream.prefix} units at {stream.rate:g} a second, but {tokens} has "
                f"{of_tokens.get(stream.prefix, 'none')}: use zoo.interop.vocoder_checkpoints.generator_for_other_units"
            )
    return _adapted(vocoder, tokens, split, vocoder.generator.streams)


def generator_for_other_units(folder: Path, tokens: Path, split: str = "train") -> Generator:
    """As ``generator``, for tokens of another tokenizer: all weights are kept but the embeddings of the units, which
    are new.

    Args:
        folder: Folder of a vocoder trained here, or of the official release.
        tokens: Folder filled by a tokens stage, with the same kinds of streams.
        split: Split of the tokens whose speakers and styles are learned.

    Raises:
        ValueError: Where a stream is missing or of another rate.
    """
    vocoder = open_vocoder(folder)
    of_tokens = {stream.prefix: stream for stream in _streams(tokens)}
    for stream in vocoder.streams:
        if stream.prefix not in of_tokens or abs(of_tokens[stream.prefix].rate - stream.rate) > 1e-6:
            raise ValueError(
                f"{folder} takes {stream.prefix} units at {stream.rate:g} a second, but {tokens} has "
                f"{of_tokens.get(stream.prefix, 'none')}"
            )
    sizes = {prefix: of_tokens[prefix].size for prefix in vocoder.generator.streams}
    return _adapted(vocoder, tokens, split, sizes)


def durations(folder: Path) -> DurationPredictor:
    """Return the duration predictor of a trained vocoder, to train further with its generator.

    Raises:
        ValueError: Where the vocoder has none.
    """
    predictor = open_vocoder(folder).durations
    if predictor is None:
        raise ValueError(
            f"the vocoder in {folder} has no duration predictor; name a zoo.vocoder.DurationPredictor instead"
        )
    return predictor.train()


def _streams(tokens: Path) -> list[Stream]:
    return [Stream(**stream) for stream in read_contract(tokens)["tokenizer"]["streams"]]


def _adapted(vocoder: Vocoder, tokens: Path, split: str, streams: dict[str, int]) -> Generator:
    """Return the vocoder's generator with the speakers, styles and units of the tokens.

    Args:
        vocoder: Trained vocoder, with weight norm folded in.
        tokens: Folder filled by a tokens stage.
        split: Split of the tokens whose speakers and styles are learned.
        streams: Number of units by prefix; the embeddings of the units are new unless the tokenizer is the vocoder's.
    """
    old = vocoder.generator
    table = TokenTable(tokens, split)
    speakers = in_order(table.values("speaker"))
    styles = in_order(table.values("style"))
    if not old.num_speakers and len(speakers) > 1:
        raise ValueError(
            f"{tokens} has {len(speakers)} speakers, but this vocoder has a single voice: use tokens of one speaker"
        )
    changes = {
        "num_speakers": old.num_speakers and len(speakers),
        "num_styles": old.num_styles and len(styles),
        "streams": streams,
    }
    new = type(old).from_config(old.config | changes)
    new.remove_weight_norm()  # as in the old one
    state = old.state_dict()
    for name, known, wanted in (
        ("embed.speaker.weight", vocoder.speakers, speakers),
        ("embed.style.weight", vocoder.styles, styles),
    ):
        if name in state:
            state[name] = _embeddings(state[name], known, wanted)
    same_tokenizer = vocoder.contract.get("tokenizer") in (None, read_contract(tokens)["tokenizer"])
    if streams != old.streams or not same_tokenizer:
        initial = new.state_dict()
        for name in state:
            if name.startswith("embed.units."):
                state[name] = initial[name]
    new.load_state_dict(state)
    new.add_weight_norm()
    return new.train()


def _embeddings(table: Tensor, known: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """Return an embedding (D,) for each wanted name: its own row of ``table``, or the mean of the known rows."""
    mean = table[: len(known) or None].mean(0)
    rows = []
    for name in wanted:
        rows.append(table[known.index(name)] if name in known else mean)
    return torch.stack(rows)
