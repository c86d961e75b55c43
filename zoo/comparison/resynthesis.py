"""Held-out utterances spoken again from their units: figures of each, and examples to look at and to listen to."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
import torch
from torch import Tensor
from tqdm import tqdm

from zoo.audio import read
from zoo.evaluation.judges.pretrained import StyleJudge
from zoo.evaluation.resynthesis import HeldOutUtterance, ResynthesisJudges
from zoo.files import write_text
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.speech.f0 import F0Extractor, F0Track
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.rows import TokenRow
from zoo.tokens.units import merge
from zoo.vocoder.vocoder import Vocoder

CONTOUR_RATE = 50  # Hz, enough for a picture
EXAMPLES = "examples.json"

# Of one utterance: what is said, and by ``original`` and variant a waveform, an F0 contour and tokens.
Example = dict[str, Any]


@dataclass(frozen=True)
class ResynthesisMetrics:
    """Who hears what was spoken again.

    Args:
        tokenizer: Whose units were spoken.
        f0: Hears the melody.
        style: Hears the style; None for nobody.
        transcribes: A recognizer; None for nobody.
    """

    tokenizer: SpeechTokenizer
    f0: F0Extractor
    style: StyleJudge | None = None
    transcribes: Callable[[Tensor], str] | None = None


def resynthesize(
    rows: Sequence[TokenRow], vocoder: Vocoder, listener: ResynthesisMetrics, listen: int, name: str
) -> tuple[dict[str, np.ndarray], list[Example]]:
    """Figures of each utterance (utterances,), and the first ``listen`` as examples.

    Args:
        rows: Held out; a voice that the vocoder does not know is spoken by its default one.
        vocoder: Of the rows' units.
        listener: ResynthesisJudges.
        listen: Examples.
        name: Of the variant.
    """
    judges, figures, examples = ResynthesisJudges(listener.tokenizer, {"f0": F0Errors(listener.f0)}), [], []
    for row in tqdm(rows, desc=f"spoken again by {name}", unit="utterance", mininterval=1.0, delay=2.0):
        real = read(Path(row.audio), vocoder.sample_rate, row.start, row.duration)
        made = vocoder(row.units, row.speaker if row.speaker in vocoder.speakers else None, predict_durations=False)
        made = torch.nn.functional.pad(made[: len(real)], (0, max(0, len(real) - len(made))))
        phonetic = vocoder.streams[0].prefix
        told = judges(
            made, HeldOutUtterance(row.id, real, {phonetic: torch.from_numpy(row.units[phonetic].astype(np.int64))}, 0)
        )
        if listener.style is not None and row.style:
            told["style_accuracy"] = float(listener.style(made, vocoder.sample_rate) == row.style)
            told["style_accuracy_of_original"] = float(listener.style(real, vocoder.sample_rate) == row.style)
        if listener.transcribes is not None and row.text:
            told["word_error_rate"] = jiwer.wer(row.text, listener.transcribes(made))
        figures.append(told)
        if len(examples) < listen:
            examples.append(_example(row, real, made, vocoder.sample_rate, listener, name))
    names = dict.fromkeys(key for told in figures for key in told)
    return {key: np.array([told.get(key, np.nan) for told in figures]) for key in names}, examples


def write_examples(out: Path, examples: Sequence[Example]) -> None:
    """Write FLAC files, and ``examples.json`` with everything else."""
    told = []
    for number, example in enumerate(examples):
        heard = {}
        for name, one in example.items():
            if isinstance(one, dict):
                file = f"{number}_{'_'.join(name.lower().split())}.flac"
                soundfile.write(out / file, one["waveform"].numpy(), one["sample_rate"], subtype="PCM_16")
                heard[name] = {**{key: value for key, value in one.items() if key != "waveform"}, "audio": file}
        told.append(
            {"about": {key: value for key, value in example.items() if not isinstance(value, dict)}, "heard": heard}
        )
    write_text(out / EXAMPLES, json.dumps(told, ensure_ascii=False) + "\n")


def _example(
    row: TokenRow, real: Tensor, made: Tensor, sample_rate: int, listener: ResynthesisMetrics, name: str
) -> Example:
    tokens = merge(row.units, listener.tokenizer.streams)
    shown = [
        [tokens.streams[s].prefix, int(u), round(float(t), 3)]
        for s, u, t in zip(tokens.stream, tokens.unit, tokens.time)
    ]
    sound = lambda waveform: {"waveform": waveform, "sample_rate": sample_rate, "f0": contour(listener.f0(waveform))}
    return {
        "id": row.id,
        "text": row.text,
        "speaker": row.speaker,
        "style": row.style or "",
        "seconds": round(len(real) / sample_rate, 3),
        "original": sound(real),
        name: {**sound(made), "tokens": shown},
    }


def contour(track: F0Track) -> list[float]:
    """Hertz at ``CONTOUR_RATE``, 0 where there is no voice."""
    hertz = torch.where(track.voiced, track.frequency, torch.zeros(()))
    return [round(value, 1) for value in hertz[:: round(200 / CONTOUR_RATE)].tolist()]
