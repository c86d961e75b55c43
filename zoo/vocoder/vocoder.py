"""Trained vocoder that synthesizes a waveform from units."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from zoo.files import atomic_file, read_json_object, reading, write_text
from zoo.speech.unit_extractor import save_state
from zoo.tokens.contract import FILE, read_contract, write_contract
from zoo.tokens.merged_streams import Tokens, parse
from zoo.tokens.units import Stream
from zoo.vocoder.duration_predictor import DurationPredictor, repeat_units
from zoo.vocoder.generator import Generator
from zoo.vocoder.generators import build_generator, generator_streams, synthesize_in_chunks
from zoo.vocoder.unit_inputs import align_to_phonetic, at_rate, check_lengths, fill_missing, pad_units
from zoo.vocoder.voices import Choices
from zoo.weights import load_weights

CONFIG = "vocoder.json"
WEIGHTS = "model.safetensors"

Units = str | Tokens | Mapping[str, Any]


class Vocoder(nn.Module):
    """Generator and duration predictor for inference, with the names of the speakers and styles in the training data.

    Units are given as a string such as ``"[Hu12][Hu7]"``, as tokens, or as sequences of integers by prefix. In strings
    and tokens, repeated phonetic units are deduplicated and their durations are predicted; a pitch or style unit is in
    effect until the next one. Sequences have one unit of each stream per phonetic unit if durations are predicted,
    otherwise the raw units of each stream at the rate of that stream.

    Args:
        generator: Generator, which is put into evaluation mode.
        streams: Streams of the tokenizer; they must include those of the generator.
        durations: Duration predictor; without one, only raw units can be synthesized.
        speakers: Names of the speakers with the lowest indices; the others have an index only.
        styles: Names of the utterance styles with the lowest indices; the others have an index only.
        default_speaker: Index of the speaker that is used if none is given.
        default_style: Index of the style that is used if none is given.
        missing: Substitute units by prefix; if a stream is missing entirely, one of its substitutes is repeated.
        contract: Contract of the tokens that the vocoder was trained on; saved with the weights.

    Raises:
        ValueError: If ``streams`` does not match the streams of the generator.
    """

    generator: Generator
    durations: DurationPredictor | None

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
        self.streams = generator_streams(generator, streams)
        self.generator = generator
        self.durations = durations
        self.speakers = list(speakers)
        self.styles = list(styles)
        self.default_speaker = default_speaker
        self.default_style = default_style
        self.missing = {prefix: list(units) for prefix, units in (missing or {}).items()}
        self.contract = contract or {}
        self.eval()

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, in Hz."""
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
        """Synthesize a waveform (N,) at ``sample_rate``.

        Args:
            units: A string, tokens, or sequences by prefix.
            speaker: Name or index of the speaker; ``default_speaker`` if None.
            style: Name or index of the style of the whole utterance; ``default_style`` if None.
            predict_durations: False for raw units, one per frame.
            rng: Chooses among the units that may replace a missing stream; the first is taken if None.

        Raises:
            ValueError: If a unit, speaker or style is unknown, there are no units, or lengths do not fit.
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
        """Synthesize several utterances at once, each as if it were alone.

        Args:
            units: Units of each utterance.
            speakers: Speaker of each utterance; ``default_speaker`` for all if None.
            styles: Style of each utterance; ``default_style`` for all if None.
            predict_durations: False for raw units, one per frame.
            rng: Chooses among the units that may replace a missing stream; the first is taken if None.

        Returns:
            Waveforms (N,) of their own lengths.

        Raises:
            ValueError: If a unit, speaker or style is unknown, there are no units, lengths do not fit, or the numbers
                of units, speakers and styles differ.
        """
        for name, choices in (("speakers", speakers), ("styles", styles)):
            if choices is not None and len(choices) != len(units):
                raise ValueError(f"{len(choices)} {name} for {len(units)} utterances: give one for each, or None")
        if not units:
            return []
        rows = [self.frames(utterance, predict_durations, rng) for utterance in units]
        speaker, style = self.choose(speakers or [None] * len(rows), styles or [None] * len(rows))
        padded, mask = pad_units(rows)
        waveforms = self.generator(padded, speaker, style, mask)  # (B, N)
        lengths = [len(next(iter(row.values()))) * self.generator.samples_per_unit for row in rows]
        return [waveform[:length].clone() for waveform, length in zip(waveforms, lengths, strict=True)]

    def stream(
        self,
        units: Units,
        speaker: str | int | None = None,
        style: str | int | None = None,
        predict_durations: bool = True,
        chunk_units: int = 50,
        rng: random.Random | None = None,
    ) -> Iterator[Tensor]:
        """Synthesize in chunks, which are equal to the waveform of a call when they are concatenated.

        Each chunk is computed with as many neighboring units as its samples depend on, so memory use does not grow with
        the length. A generator with harmonics first predicts the F0 contour of all units, which needs little memory.

        Args:
            units: A string, tokens, or sequences by prefix.
            speaker: Name or index of the speaker; ``default_speaker`` if None.
            style: Name or index of the style of the whole utterance; ``default_style`` if None.
            predict_durations: False for raw units, one per frame.
            chunk_units: Number of units, at the unit rate, in each chunk.
            rng: Chooses among the units that may replace a missing stream; the first is taken if None.

        Raises:
            ValueError: Before the first chunk, if ``chunk_units`` is below 1, or the arguments do not suit a call.
        """
        if chunk_units < 1:
            raise ValueError(f"chunk_units must be at least 1, got {chunk_units}")
        frames = self.frames(units, predict_durations, rng)
        speakers, styles = self.choose([speaker], [style])
        return synthesize_in_chunks(self.generator, frames, speakers, styles, chunk_units)

    @torch.inference_mode()
    def frames(
        self, units: Units, predict_durations: bool = True, rng: random.Random | None = None
    ) -> dict[str, Tensor]:
        """Return the units of every stream at the unit rate, (T,) by prefix: the input of the generator.

        Args:
            units: A string, tokens, or sequences by prefix.
            predict_durations: False for raw units, one per frame.
            rng: Chooses among the units that may replace a missing stream; the first is taken if None.

        Raises:
            ValueError: If a unit is unknown, there are no units, lengths do not fit, or no durations can be predicted.
        """
        tokens = parse(units, self.streams) if isinstance(units, str) else units
        raw = not isinstance(tokens, Tokens) and not predict_durations
        sequences = align_to_phonetic(tokens, self.streams) if isinstance(tokens, Tokens) else tokens
        rows = fill_missing(sequences, self.streams, self.missing, raw, rng)
        check_lengths(rows, self.streams, raw)
        first = self.streams[0]
        if raw:
            length = len(rows[first.prefix])
            for stream in self.streams:
                rows[stream.prefix] = at_rate(rows[stream.prefix], stream.rate, first.rate, length)
        on_device = {prefix: torch.from_numpy(row).to(self.device) for prefix, row in rows.items()}
        if not predict_durations:
            return on_device
        return repeat_units(on_device, self.predicted(on_device[first.prefix]))

    @torch.inference_mode()
    def predicted(self, units: Tensor) -> Tensor:
        """Return the predicted frames of each phonetic unit: (N,) -> (N,) int64, at least 1.

        Raises:
            ValueError: If there is no duration predictor.
        """
        if self.durations is None:
            raise ValueError(
                "this vocoder has no duration predictor: give it raw units, one per frame, and predict_durations=False"
            )
        return self.durations.frames(self.generator.phonetic(units.unsqueeze(0)))[0]

    def choose(
        self, speakers: Sequence[str | int | None], styles: Sequence[str | int | None]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the indices of speakers and styles, (B,) each; None where the generator has none to choose from.

        Args:
            speakers: Name or index of each speaker; None for the default one.
            styles: Name or index of each style; None for the default one.

        Raises:
            ValueError: If a speaker or style is unknown.
        """
        generator = self.generator
        known_speakers = Choices("speaker", self.speakers, generator.num_speakers, self.default_speaker)
        known_styles = Choices("style", self.styles, generator.num_styles, self.default_style)
        speaker_indices = [known_speakers.index(speaker) for speaker in speakers]
        style_indices = [known_styles.index(style) for style in styles]
        return (
            torch.tensor(speaker_indices, device=self.device) if generator.num_speakers else None,
            torch.tensor(style_indices, device=self.device) if generator.num_styles else None,
        )

    def save(self, folder: Path | str) -> None:
        """Write ``vocoder.json``, ``model.safetensors`` and ``contract.json``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / WEIGHTS) as temporary:
            save_state(self, temporary)
        config = {
            "generator": {"class": type(self.generator).__name__, **self.generator.config},
            "weight_norm": any(is_parametrized(module) for module in self.generator.modules()),
            "durations": self.durations.config if self.durations else None,
            "streams": [asdict(stream) for stream in self.streams],
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
        """Read what ``save`` wrote to a folder.

        Args:
            folder: Folder filled by ``save``.
            fold_weight_norm: Whether to fold weight norm into the weights, which is faster; False to train further.

        Raises:
            FileNotFoundError: If the folder contains no vocoder.
            ValueError: If a file is damaged or of another kind.
        """
        folder = Path(folder)
        if not (folder / CONFIG).is_file():
            raise FileNotFoundError(f"no {CONFIG} in {folder}: run the vocoder stage first")
        config = read_json_object(folder / CONFIG)
        with reading(folder / CONFIG):
            generator = build_generator(config["generator"], folder / CONFIG)
            if not config["weight_norm"]:
                generator.remove_weight_norm()
            vocoder = cls(
                generator,
                streams=[Stream(**stream) for stream in config["streams"]],
                durations=DurationPredictor(**config["durations"]) if config["durations"] else None,
                speakers=config["speakers"],
                styles=config["styles"],
                default_speaker=config["default_speaker"],
                default_style=config["default_style"],
                missing=config["missing"],
                contract=read_contract(folder) if (folder / FILE).is_file() else None,
            )
        load_weights(vocoder, folder / WEIGHTS)
        if fold_weight_norm:
            generator.remove_weight_norm()
        return vocoder
