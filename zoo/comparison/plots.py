"""Pictures of a report: spectrograms with F0 and tokens over them, and figures with intervals; as data URIs and plain numbers."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile
import torch
from PIL import Image
from torch import Tensor

from zoo.comparison.resynthesis import CONTOUR_RATE
from zoo.vocoder.mel import LogMel

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0  # of the F0 axis
WIDTH, SPECTROGRAM, LANE = 1000, 240, 34


def data_uri(content: bytes, kind: str) -> str:
    """Content that a page carries in itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def spectrogram(waveform: Tensor, sample_rate: int) -> str:
    """A grey mel spectrogram of (N,) samples as a PNG data URI, dark where it is loud."""
    mel = LogMel(sample_rate, num_mels=64, hop=256)(waveform[None])[0].flip(0)
    shade = ((mel - mel.amin()) / (mel.amax() - mel.amin()).clamp(min=1e-9)).sqrt()
    buffer = io.BytesIO()
    Image.fromarray((255 - 200 * shade).to(torch.uint8).numpy()).save(buffer, "PNG", optimize=True)
    return data_uri(buffer.getvalue(), "image/png")


def lines(f0: Sequence[float], seconds: float) -> list[str]:
    """An F0 contour as points of SVG polylines, one for each voiced stretch."""
    stretches: list[list[str]] = [[]]
    for frame, hertz in enumerate(f0):
        if hertz <= 0:
            stretches.append([])
            continue
        height = (min(max(hertz, LOWEST_HZ), HIGHEST_HZ) - LOWEST_HZ) / (HIGHEST_HZ - LOWEST_HZ)
        stretches[-1].append(f"{WIDTH * frame / CONTOUR_RATE / seconds:.1f},{SPECTROGRAM * (1 - height):.1f}")
    return [" ".join(points) for points in stretches if len(points) > 1]


def boxes(tokens: Sequence[Sequence[Any]], seconds: float) -> list[dict[str, Any]]:
    """A lane of boxes for each stream, a box from each token to the next of its stream: place, width, name and hue."""
    by_stream: dict[str, list[tuple[int, float]]] = {}
    for prefix, unit, start in tokens:
        by_stream.setdefault(prefix, []).append((unit, start))
    lanes = []
    for prefix, found in sorted(by_stream.items()):
        ends = [start for _, start in found[1:]] + [seconds]
        lanes.append(
            {
                "prefix": prefix,
                "boxes": [
                    {
                        "x": round(WIDTH * start / seconds, 1),
                        "width": round(max(WIDTH * (end - start) / seconds, 0.5), 1),
                        "name": f"[{prefix}{unit}]",
                        "hue": unit * 47 % 360,
                    }
                    for (unit, start), end in zip(found, ends)
                ],
            }
        )
    return lanes


def timeline(example: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One utterance as a template draws it.

    Args:
        example: Of ``examples.json``.
        folder: That it lies in, with its audio.
    """
    about, heard = example["about"], example["heard"]
    samples, rate = soundfile.read(folder / heard["original"]["audio"], dtype="float32")
    seconds = about["seconds"]
    sounds = [
        {
            "name": name,
            "audio": data_uri((folder / one["audio"]).read_bytes(), "audio/flac"),
            "lines": lines(one["f0"], seconds),
            "lanes": boxes(one.get("tokens", []), seconds),
            "tokens": len(one.get("tokens", [])),
        }
        for name, one in heard.items()
    ]
    lanes = [(sound["name"], lane) for sound in sounds for lane in sound["lanes"]]
    return {
        **about,
        "sounds": sounds,
        "lanes": lanes,
        "image": spectrogram(torch.from_numpy(samples), rate),
        "width": WIDTH,
        "top": SPECTROGRAM,
        "lane": LANE,
        "height": SPECTROGRAM + LANE * len(lanes),
    }


def bars(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Figures of several rows with their intervals as marks on one axis: for each row and variant a place and an interval in 0 to 1."""
    edges = [edge for row in rows for one in row["values"].values() for edge in one["interval"]] + [
        row["chance"] for row in rows if "chance" in row
    ]
    low, high = min(0.0, *edges), max(*edges, 1e-9)
    at = lambda value: round((value - low) / (high - low), 4)
    drawn = [
        {
            "measure": row["measure"],
            "chance": at(row["chance"]) if "chance" in row else None,
            "marks": [
                {
                    "number": names.index(name),
                    "name": name,
                    "value": one["value"],
                    "at": at(one["value"]),
                    "low": at(one["interval"][0]),
                    "high": at(one["interval"][1]),
                }
                for name, one in row["values"].items()
                if name in names
            ],
        }
        for row in rows
    ]
    return {"rows": drawn, "low": low, "high": high}


def depth_lines(layers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Margins by layer as polylines and bands in a field of 0 to 1, the layers from left to right."""
    edges = [edge for row in layers.values() for one in row for edge in one["interval"]]
    low, high = min(0.0, *edges), max(*edges, 1e-9)
    found = []
    for number, (name, row) in enumerate(layers.items()):
        at = lambda depth, value: f"{depth / max(len(row) - 1, 1):.4f},{1 - (value - low) / (high - low):.4f}"
        band = [at(depth, one["interval"][1]) for depth, one in enumerate(row)] + [
            at(depth, one["interval"][0]) for depth, one in reversed(list(enumerate(row)))
        ]
        found.append(
            {
                "name": name,
                "number": number,
                "line": " ".join(at(depth, one["margin"]) for depth, one in enumerate(row)),
                "band": " ".join(band),
            }
        )
    return {"lines": found, "low": low, "high": high, "depths": max(len(row) for row in layers.values())}
