"""Plots of a report as data URIs and coordinates: spectrograms with F0 and tokens, figures with intervals."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile
import torch
from PIL import Image
from torch import Tensor

from zoo.comparison.resynthesis_examples import CONTOUR_RATE, ORIGINAL
from zoo.vocoder.mel import LogMel

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0  # of the F0 axis
WIDTH, SPECTROGRAM, LANE = 1000, 240, 34


def data_uri(content: bytes, kind: str) -> str:
    """Return content as a URI that holds it, so that the page needs no file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def spectrogram(waveform: Tensor, sample_rate: int) -> str:
    """Return a gray mel spectrogram of (N,) samples as a PNG data URI, dark where the energy is high."""
    mel = LogMel(sample_rate, num_mels=64, hop=256)(waveform[None])[0].flip(0)
    shade = ((mel - mel.amin()) / (mel.amax() - mel.amin()).clamp(min=1e-9)).sqrt()
    buffer = io.BytesIO()
    Image.fromarray((255 - 200 * shade).to(torch.uint8).numpy()).save(buffer, "PNG", optimize=True)
    return data_uri(buffer.getvalue(), "image/png")


def contour_lines(f0: Sequence[float], seconds: float) -> list[str]:
    """Return an F0 contour as the points of SVG polylines, one for each voiced stretch.

    Args:
        f0: F0 in Hz, ``CONTOUR_RATE`` times per second; 0 where unvoiced.
        seconds: Duration of the utterance.
    """
    stretches: list[list[str]] = [[]]
    for frame, hertz in enumerate(f0):
        if hertz <= 0:
            stretches.append([])
            continue
        height = (min(max(hertz, LOWEST_HZ), HIGHEST_HZ) - LOWEST_HZ) / (HIGHEST_HZ - LOWEST_HZ)
        stretches[-1].append(f"{WIDTH * frame / CONTOUR_RATE / seconds:.1f},{SPECTROGRAM * (1 - height):.1f}")
    return [" ".join(points) for points in stretches if len(points) > 1]


def token_lanes(tokens: Sequence[Sequence[Any]], seconds: float) -> list[dict[str, Any]]:
    """Return a lane of boxes for each stream, each box from the start of a token to that of the next one.

    Args:
        tokens: Prefix, unit and start in seconds of each token.
        seconds: Duration of the utterance.
    """
    by_stream: dict[str, list[tuple[int, float]]] = {}
    for prefix, unit, start in tokens:
        by_stream.setdefault(prefix, []).append((unit, start))
    lanes = []
    for prefix, units in sorted(by_stream.items()):
        ends = [start for _, start in units[1:]] + [seconds]
        boxes = []
        for (unit, start), end in zip(units, ends, strict=True):
            boxes.append(
                {
                    "x": round(WIDTH * start / seconds, 1),
                    "width": round(max(WIDTH * (end - start) / seconds, 0.5), 1),
                    "name": f"[{prefix}{unit}]",
                    "hue": unit * 47 % 360,  # neighboring units get hues far apart
                }
            )
        lanes.append({"prefix": prefix, "boxes": boxes})
    return lanes


def timeline(example: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return one utterance as the template draws it.

    Args:
        example: Entry of ``examples.json``.
        folder: Folder of the file, with its audio.
    """
    about = example["about"]
    seconds = about["seconds"]
    samples, sample_rate = soundfile.read(folder / example["sounds"][ORIGINAL]["audio"], dtype="float32")
    sounds = []
    lanes = []
    for name, sound in example["sounds"].items():
        tokens = sound.get("tokens", [])
        sounds.append(
            {
                "name": name,
                "audio": data_uri((folder / sound["audio"]).read_bytes(), "audio/flac"),
                "lines": contour_lines(sound["f0"], seconds),
                "tokens": len(tokens),
            }
        )
        lanes += [(name, lane) for lane in token_lanes(tokens, seconds)]
    return {
        **about,
        "sounds": sounds,
        "lanes": lanes,
        "image": spectrogram(torch.from_numpy(samples), sample_rate),
        "width": WIDTH,
        "top": SPECTROGRAM,
        "lane": LANE,
        "height": SPECTROGRAM + LANE * len(lanes),
    }


def interval_plot(measures: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return figures of several measures with their intervals as marks on one axis, places being from 0 to 1.

    Args:
        measures: Measures of a report.
        names: Variants, in the order of their colors.
    """
    edges = _edges(estimate for measure in measures for estimate in measure["values"].values())
    edges += [measure["chance"] for measure in measures if "chance" in measure]
    low = min(0.0, *edges)
    high = max(*edges, 1e-9)

    def place(value: float) -> float:
        return round((value - low) / (high - low), 4)

    drawn = []
    for measure in measures:
        marks = []
        for name, estimate in measure["values"].items():
            if name in names:
                marks.append(
                    {
                        "number": names.index(name),
                        "name": name,
                        "value": estimate["value"],
                        "at": place(estimate["value"]),
                        "low": place(estimate["interval"][0]),
                        "high": place(estimate["interval"][1]),
                    }
                )
        chance = place(measure["chance"]) if "chance" in measure else None
        drawn.append({"measure": measure["measure"], "chance": chance, "marks": marks})
    return {"measures": drawn, "low": low, "high": high}


def layer_lines(layers: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return margins by layer as polylines and bands in a field of 0 to 1, the layers from left to right."""
    edges = _edges(estimate for margins in layers.values() for estimate in margins)
    low = min(0.0, *edges)
    high = max(*edges, 1e-9)
    lines = []
    for number, (name, margins) in enumerate(layers.items()):
        last = max(len(margins) - 1, 1)
        middle = []
        upper = []
        lower = []
        for depth, estimate in enumerate(margins):
            for points, value in (
                (middle, estimate["margin"]),
                (lower, estimate["interval"][0]),
                (upper, estimate["interval"][1]),
            ):
                points.append(f"{depth / last:.4f},{1 - (value - low) / (high - low):.4f}")
        band = " ".join([*upper, *reversed(lower)])
        lines.append({"name": name, "number": number, "line": " ".join(middle), "band": band})
    return {"lines": lines, "low": low, "high": high, "depths": max(len(margins) for margins in layers.values())}


def _edges(estimates: Iterable[Mapping[str, Any]]) -> list[float]:
    return [edge for estimate in estimates for edge in estimate["interval"]]
