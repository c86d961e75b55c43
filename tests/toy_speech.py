"""A token store of hums: each unit is a tone of its own, so that a vocoder has something quick to learn."""

from pathlib import Path

import numpy as np
import torch

from zoo.audio import write
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import write_tokens
from zoo.tokens.units import Stream

STREAMS = (Stream("Hu", 6, 25.0), Stream("Pi", 4, 12.5), Stream("St", 3, 1.0, dedup=False))
RATES = {stream.prefix: stream.rate for stream in STREAMS}
SAMPLES = 640


def hum(units: np.ndarray, loudness: float) -> torch.Tensor:
    """Tones of 200 Hz times (unit + 1), one after another: (T,) -> (T * 640,)."""
    frequency = np.repeat(200.0 * (units + 1), SAMPLES)
    return torch.from_numpy(loudness * np.sin(2 * np.pi * np.cumsum(frequency) / 16000)).float()


def write_hums(
    folder: Path,
    lengths: list[int],
    speakers: tuple[str, ...] = ("ann", "bob"),
    style: str | None = None,
    texts: list[str] | None = None,
) -> Path:
    """Write utterances of so many units each, spoken by turns, and their tokens; the folder of the tokens."""
    rng, rows = np.random.default_rng(0), []
    for number, length in enumerate(lengths):
        units = np.repeat(rng.integers(6, size=length), rng.integers(1, 4, size=length))[:length]
        path = folder / "audio" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, hum(units, 0.3 + 0.3 * (number % 2)), 16000)
        others = {"Pi": np.arange(-(-length // 2)) % 4, "St": np.arange(-(-length // 25)) % 3}
        empty = np.zeros(0, np.int32)
        rows.append(
            TokenRow(
                f"u{number}",
                str(path),
                0.0,
                length / 25,
                texts[number] if texts else "",
                "en",
                speakers[number % len(speakers)],
                style,
                {"Hu": units, **others},
                empty,
                empty,
                empty,
            )
        )
    write_tokens(folder / "tokens", "train", rows, STREAMS)
    return folder / "tokens"
