"""Plot of the alignment of speech and text by layer, as an SVG."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from zoo.evaluation.representation_alignment import Alignment

COLORS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e5ea2")
LEFT, RIGHT, TOP, BOTTOM = 50, 150, 30, 40  # margins in pixels
NUM_GRID_LINES = 5
MAX_LAYER_LABELS = 8


@dataclass(frozen=True)
class _Axes:
    """Axes of the plot: layers to the right and cosines upwards, in pixels from the upper left corner.

    Args:
        width: Width of the plot.
        height: Height of the plot.
        last_layer: Number of the last layer, where the first is 0.
        low: Cosine at the bottom.
        high: Cosine at the top.
    """

    width: int
    height: int
    last_layer: int
    low: float
    high: float

    def x(self, layer: float) -> str:
        return f"{LEFT + (self.width - LEFT - RIGHT) * layer / max(self.last_layer, 1):.1f}"

    def y(self, value: float) -> str:
        scale = (self.height - TOP - BOTTOM) * (value - self.low)
        return f"{self.height - BOTTOM - scale / (self.high - self.low):.1f}"

    def point(self, layer: float, value: float) -> str:
        return f"{self.x(layer)},{self.y(value)}"


def draw_alignment(models: Mapping[str, Alignment], width: int = 640, height: int = 360) -> str:
    """Return an SVG of similarity by layer, a line and a band for each model; the similarity of other words is dashed.

    Args:
        models: Alignments by name of the model.
        width: Width in pixels.
        height: Height in pixels.
    """
    axes = _fit_axes(models, width, height)
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Similarity of the same word in speech and text, by layer">'
        '<rect width="100%" height="100%" fill="white"/>'
    ]
    elements += _draw_axes(axes)
    for model_number, (name, alignment) in enumerate(models.items()):
        elements += _draw_model(axes, model_number, name, alignment)
    return "".join([*elements, "</svg>\n"])


def _fit_axes(models: Mapping[str, Alignment], width: int, height: int) -> _Axes:
    """Return axes that show the bands and the lines of all models, and zero."""
    last_layer = max(len(alignment.layers) for alignment in models.values()) - 1
    values = []
    for alignment in models.values():
        for layer in alignment.layers:
            values += [layer.similarity.high, layer.other_words.low]
    return _Axes(width, height, last_layer, low=min(*values, 0.0), high=max(*values, 0.1))


def _draw_axes(axes: _Axes) -> list[str]:
    elements = []
    for value in np.linspace(axes.low, axes.high, NUM_GRID_LINES):
        start, end = axes.point(0, value), axes.point(axes.last_layer, value)
        elements.append(
            f'<path d="M{start} L{end}" stroke="#ddd"/>'
            f'<text x="8" y="{float(axes.y(value)) + 4:.1f}">{value:.2f}</text>'
        )
    for layer in range(0, axes.last_layer + 1, max(1, axes.last_layer // MAX_LAYER_LABELS)):
        elements.append(f'<text x="{axes.x(layer)}" y="{axes.height - 20}" text-anchor="middle">{layer}</text>')
    elements.append(
        f'<text x="{axes.width // 2 - 60}" y="{axes.height - 4}">layer (0: embedding)</text>'
        '<text x="8" y="16">largest cosine</text>'
    )
    return elements


def _draw_model(axes: _Axes, model_number: int, name: str, alignment: Alignment) -> list[str]:
    """Draw the band of the similarity, both lines, and the legend of a model."""
    color = COLORS[model_number % len(COLORS)]
    lower_edge: list[str] = []
    upper_edge: list[str] = []
    line: list[str] = []
    other_line: list[str] = []
    for number, layer in enumerate(alignment.layers):
        lower_edge.append(axes.point(number, layer.similarity.low))
        upper_edge.append(axes.point(number, layer.similarity.high))
        line.append(axes.point(number, layer.similarity.value))
        other_line.append(axes.point(number, layer.other_words.value))
    band = " ".join(lower_edge + upper_edge[::-1])
    x = axes.width - 140
    return [
        f'<polygon points="{band}" fill="{color}" opacity="0.2"/>',
        f'<polyline points="{" ".join(line)}" fill="none" stroke="{color}" stroke-width="2"/>',
        f'<polyline points="{" ".join(other_line)}" fill="none" stroke="{color}" stroke-width="2"'
        ' stroke-dasharray="4 3"/>',
        f'<text x="{x}" y="{40 + 34 * model_number}" fill="{color}">{escape(name, quote=False)}</text>',
        f'<text x="{x}" y="{54 + 34 * model_number}" fill="{color}" font-size="10">dashed: other words</text>',
    ]
