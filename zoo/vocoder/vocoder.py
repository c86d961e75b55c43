"""A trained vocoder: units in, voice out."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from zoo.files import atomic_file, write_text
from zoo.suggestions import listed, suggest
from zoo.tokens.contract import FILE, read_contract, write_contract
from zoo.tokens.units import Stream, Tokens, parse
from zoo.vocoder.duration import DurationPredictor
from zoo.vocoder.generator import Generator
from zoo.vocoder.hifigan import HiFiGANGenerator
from zoo.vocoder.istft import ISTFTGenerator
from zoo.vocoder.unit_inputs import at_rate, beside, check_lengths, filled

GENERATORS: dict[str, type[Generator]] = {"HiFiGANGenerator": HiFiGANGenerator, "ISTFTGenerator": ISTFTGenerator}
CONFIG, WEIGHTS = "vocoder.json", "model.safetensors"

Units = str | Tokens | Mapping[str, Any]


class Vocoder(nn.Module):
    """Generator, duration predictor, and the names of what they were trained on; for inference, in evaluation mode.

    Units are given as ``"[Hu12][Hu7]"``, as tokens, or as sequences of integers by prefix. Tokens are one of each
    phonetic unit, whose durations are to be predicted; pitch and style hold until the next. Sequences hold one of each
    stream per phonetic unit where durations are predicted, otherwise the raw units of each stream at its own rate.

    Args:
        generator: Taken over.
        streams: The tokenizer's; those of the generator are used.
        durations: Without one, only raw units can be spoken.
        speakers: Names of the generator's first speakers.
        styles: Names of its first styles of a whole utterance.
        default_speaker: Index used where none is asked for.
        default_style: Likewise.
        missing: Units, by prefix, of which one stands in for a stream that has none at all.
        contract: Of the tokens it was trained on; saved beside the weights.

    Raises:
        ValueError: Where the streams are not those of the generator.
    """

    def __init__(
        self,
        generator: Generator,
        streams: Sequence[Stream],
        durations: DurationPredictor | None = None,
        speakers: Sequence[str] = (),
        styles: Sequence[str] = (),
        default_speaker: int = 0,
        default_style: int = 0,
        missing: Mapping[str, Sequence[int]] | None = None,
        contract: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        by_prefix = {stream.prefix: stream for stream in streams}
        for prefix, size in generator.streams.items():
            if prefix not in by_prefix or by_prefix[prefix].size != size:
                raise ValueError(
                    f"the generator has {size} {prefix} units, the tokenizer {by_prefix.get(prefix) or 'no such stream'}"
                )
        self.streams = tuple(by_prefix[prefix] for prefix in generator.streams)
        if abs(self.streams[0].rate - generator.unit_rate) > 1e-6:
            raise ValueError(
                f"the generator takes {generator.unit_rate:g} units a second, but {self.streams[0].prefix} has {self.streams[0].rate:g}"
            )
        self.generator, self.durations = generator, durations
        self.speakers, self.styles = list(speakers), list(styles)
        self.default_speaker, self.default_style = default_speaker, default_style
        self.missing = {prefix: list(units) for prefix, units in (missing or {}).items()}
        self.contract = contract or {}
        self.eval()

    @property
    def sample_rate(self) -> int:
        return self.generator.sample_rate

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    @torch.inference_mode()
    def forward(
        self,
        units: Units,
        speaker: str | int | None = None,
        style: str | int | None = None,
        predict_durations: bool = True,
        rng: random.Random | None = None,
    ) -> Tensor:
        """Speak: the waveform (N,) at ``sample_rate``.

        Args:
            units: A string, tokens, or sequences by prefix.
            speaker: Name or index; ``default_speaker`` if None.
            style: Name or index of the style of the whole utterance; ``default_style`` if None.
            predict_durations: False for raw units, one a frame.
            rng: Chooses among several stand-ins for a missing stream; the first is taken if None.

        Raises:
            ValueError: Unknown unit, speaker or style; no units; lengths that do not fit.
        """
        return self.batch([units], [speaker], [style], predict_durations, rng)[0]

    @torch.inference_mode()
    def batch(
        self,
        units: Sequence[Units],
        speakers: Sequence[str | int | None] | None = None,
        styles: Sequence[str | int | None] | None = None,
        predict_durations: bool = True,
        rng: random.Random | None = None,
    ) -> list[Tensor]:
        """Speak several at once, each as if it were alone: waveforms (N,) of their own lengths."""
        for name, given in (("speakers", speakers), ("styles", styles)):
            if given is not None and len(given) != len(units):
                raise ValueError(f"{len(given)} {name} for {len(units)} utterances: give one for each, or None for all")
        if not units:
            return []
        rows = [self.frames(each, predict_durations, rng) for each in units]
        speaker, style = self._choices(speakers or [None] * len(rows), styles or [None] * len(rows))
        lengths = [len(next(iter(row.values()))) for row in rows]
        padded = {
            prefix: nn.utils.rnn.pad_sequence([row[prefix] for row in rows], batch_first=True)
            for prefix in self.generator.streams
        }
        mask = None
        if min(lengths) < max(lengths):
            mask = torch.arange(max(lengths), device=self.device) < torch.tensor(lengths, device=self.device).unsqueeze(
                1
            )
        waveforms = self.generator(padded, speaker, style, mask)  # (B, N)
        return [row[: length * self.generator.samples_per_unit].clone() for row, length in zip(waveforms, lengths)]

    def stream(
        self,
        units: Units,
        speaker: str | int | None = None,
        style: str | int | None = None,
        predict_durations: bool = True,
        chunk_units: int = 50,
        rng: random.Random | None = None,
    ) -> Iterator[Tensor]:
        """Speak piece by piece; joined, the pieces are what a call returns.

        Each piece is made with as much of its neighbors as the generator can see, so memory does not grow with length
        (a generator with harmonics first looks for the melody of all units, which takes little).

        Args:
            units: As for a call, as are the others.
            speaker: Name or index.
            style: Name or index.
            predict_durations: False for raw units, one a frame.
            chunk_units: Units at the unit rate in each piece.
            rng: Chooses among stand-ins for a missing stream.

        Raises:
            ValueError: At once, as for a call.
        """
        if chunk_units < 1:
            raise ValueError(f"chunk_units must be at least 1, got {chunk_units}")
        return self._pieces(self.frames(units, predict_durations, rng), *self._choices([speaker], [style]), chunk_units)

    @torch.inference_mode()
    def _pieces(
        self, frames: dict[str, Tensor], speaker: Tensor | None, style: Tensor | None, chunk_units: int
    ) -> Iterator[Tensor]:
        total, reach, samples = (
            len(next(iter(frames.values()))),
            self.generator.context_units,
            self.generator.samples_per_unit,
        )
        units = {prefix: row.unsqueeze(0) for prefix, row in frames.items()}
        melody = self.generator.melody(units, speaker, style)
        for start in range(0, total, chunk_units):
            end, first = min(start + chunk_units, total), max(0, start - reach)
            waveform = self.generator.part(units, speaker, style, melody, first, min(end + reach, total))[0]
            yield waveform[(start - first) * samples : (end - first) * samples].clone()

    @torch.inference_mode()
    def frames(
        self, units: Units, predict_durations: bool = True, rng: random.Random | None = None
    ) -> dict[str, Tensor]:
        """Units of every stream at the unit rate, (T,) by prefix: what the generator speaks.

        Raises:
            ValueError: Unknown unit; no units; lengths that do not fit; no duration predictor.
        """
        tokens = parse(units, self.streams) if isinstance(units, str) else units
        raw = not isinstance(tokens, Tokens) and not predict_durations
        rows = filled(
            beside(tokens, self.streams) if isinstance(tokens, Tokens) else tokens, self.streams, self.missing, raw, rng
        )
        check_lengths(rows, self.streams, raw)
        first = self.streams[0]
        if raw:
            rows = {
                s.prefix: at_rate(rows[s.prefix], s.rate, first.rate, len(rows[first.prefix])) for s in self.streams
            }
        placed = {prefix: torch.from_numpy(row).to(self.device) for prefix, row in rows.items()}
        if not predict_durations:
            return placed
        repeats = self.predicted(placed[first.prefix])
        return {prefix: row.repeat_interleave(repeats) for prefix, row in placed.items()}

    @torch.inference_mode()
    def predicted(self, units: Tensor) -> Tensor:
        """Predicted frames of each phonetic unit: (N,) -> (N,) int64, at least 1."""
        if self.durations is None:
            raise ValueError(
                "this vocoder has no duration predictor: give it raw units, one a frame, and predict_durations=False"
            )
        return self.durations.frames(self.generator.phonetic(units.unsqueeze(0)))[0]

    def _choices(
        self, speakers: Sequence[str | int | None], styles: Sequence[str | int | None]
    ) -> tuple[Tensor | None, Tensor | None]:
        of = self.generator
        speaker = [_index("speaker", s, self.speakers, of.num_speakers, self.default_speaker) for s in speakers]
        style = [_index("style", s, self.styles, of.num_styles, self.default_style) for s in styles]
        return (
            torch.tensor(speaker, device=self.device) if of.num_speakers else None,
            torch.tensor(style, device=self.device) if of.num_styles else None,
        )

    def save(self, folder: Path) -> None:
        """Write ``vocoder.json``, ``model.safetensors`` and ``contract.json``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / WEIGHTS) as temporary:
            save_file({name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}, temporary)
        config = {
            "generator": {"class": type(self.generator).__name__, **self.generator.config},
            "weight_norm": any(is_parametrized(module) for module in self.generator.modules()),
            "durations": self.durations.config if self.durations else None,
            "streams": [asdict(s) for s in self.streams],
            "speakers": self.speakers,
            "styles": self.styles,
            "default_speaker": self.default_speaker,
            "default_style": self.default_style,
            "missing": self.missing,
        }
        write_contract(folder, self.contract)
        write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path | str, fold_weight_norm: bool = True) -> "Vocoder":
        """Read what ``save`` wrote.

        Args:
            folder: Filled by ``save``.
            fold_weight_norm: False to go on training.

        Raises:
            FileNotFoundError: Where there is no vocoder.
            ValueError: Where its generator is of an unknown class.
        """
        folder = Path(folder)
        if not (folder / CONFIG).is_file():
            raise FileNotFoundError(f"no {CONFIG} in {folder}: run the vocoder stage first")
        config = json.loads((folder / CONFIG).read_text())
        name = config["generator"].pop("class")
        if name not in GENERATORS:
            raise ValueError(f"{folder / CONFIG}: unknown generator {name!r}; known are {', '.join(GENERATORS)}")
        generator = GENERATORS[name].from_config(config["generator"])
        if not config["weight_norm"]:
            generator.remove_weight_norm()
        durations = DurationPredictor(**config["durations"]) if config["durations"] else None
        vocoder = cls(
            generator,
            [Stream(**s) for s in config["streams"]],
            durations,
            config["speakers"],
            config["styles"],
            config["default_speaker"],
            config["default_style"],
            config["missing"],
            read_contract(folder) if (folder / FILE).is_file() else None,
        )
        vocoder.load_state_dict(load_file(folder / WEIGHTS))
        if fold_weight_norm:
            generator.remove_weight_norm()
        return vocoder


def _index(kind: str, asked: str | int | None, names: Sequence[str], count: int, default: int) -> int:
    if asked is None:
        return default
    if count == 0:
        raise ValueError(f"{kind} {asked!r}: this vocoder has no {kind} to choose")
    if isinstance(asked, str):
        if asked in names:
            return names.index(asked)
        choices = listed(list(names)) if names else "no names, only numbers"
        raise ValueError(f"no {kind} {asked!r}; {suggest(asked, names, f'this vocoder has {choices}')}")
    if not 0 <= asked < count:
        raise ValueError(f"{kind} {asked} is out of range: this vocoder has 0 to {count - 1}")
    return int(asked)
