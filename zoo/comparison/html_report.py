"""Rendering of a comparison report as one self-contained HTML page: sortable tables, plots, audio."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zoo.comparison.measures import LANGUAGE
from zoo.comparison.plots import interval_plot, layer_lines, timeline

TEMPLATE = "report.html.jinja"
ARROW = "\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}"


def render(report: Mapping[str, Any], examples: Sequence[Mapping[str, Any]] = (), folder: Path | None = None) -> str:
    """Render the HTML page of a report.

    Args:
        report: Contents of ``report.json``: title, whether the speech is synthetic, claims, measures, notes, seconds.
        examples: Contents of ``examples.json``; none by default.
        folder: Folder of the audio files of the examples; required if there are examples.

    Raises:
        ValueError: If there are examples without a folder.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.filters["arrows"] = arrows
    if examples and folder is None:
        raise ValueError(f"{len(examples)} examples, but no folder of their audio files: pass folder")
    return environment.get_template(TEMPLATE).render(
        report=report,
        sections=sections(report["measures"]),
        layers=layer_lines(report["layers"]) if report.get("layers") else None,
        examples=[timeline(example, folder) for example in examples if folder is not None],
    )


def sections(measures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Group measures by section; language-model measures that have a chance level are also plotted."""
    by_section: dict[str, list[Mapping[str, Any]]] = {}
    for measure in measures:
        by_section.setdefault(measure["section"], []).append(measure)
    return [_section(title, of_section) for title, of_section in by_section.items()]


def _section(title: str, measures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names: dict[str, None] = {}  # dictionaries keep the order of first occurrence
    others: dict[str, None] = {}
    plotted = []
    for measure in measures:
        names |= dict.fromkeys(measure["values"])
        others |= dict.fromkeys(measure["differences"])
        if title == LANGUAGE and "chance" in measure:
            plotted.append(measure)
    return {
        "title": title,
        "measures": measures,
        "names": list(names),
        "others": list(others),
        "plot": interval_plot(plotted, list(names)) if plotted else None,
    }


def figure(value: float) -> str:
    """Format a number with one to three decimals, fewer for larger numbers."""
    if abs(value) >= 100:
        return f"{value:.1f}"
    if abs(value) >= 10:
        return f"{value:.2f}"
    return f"{value:.3f}"


def arrows(text: str) -> str:
    """Replace each ``->`` by an arrow between no-break spaces."""
    return text.replace("->", ARROW)
