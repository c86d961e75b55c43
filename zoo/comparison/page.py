"""The report as one page that asks for nothing from outside: sortable tables, pictures, audio."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from zoo.comparison.plots import bars, depth_lines, timeline
from zoo.comparison.rows import LANGUAGE

TEMPLATE = "report.html.jinja"


def render(report: Mapping[str, Any], examples: Sequence[Mapping[str, Any]] = (), folder: Path | None = None) -> str:
    """The page of a report.

    Args:
        report: As in ``report.json``: title, whether the speech is synthetic, claims, rows, notes, costs.
        examples: Of ``examples.json``.
        folder: Of the examples' audio.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "arrows": lambda text: text.replace("->", "\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}"),
    }
    return environment.get_template(TEMPLATE).render(
        report=report,
        sections=sections(report["rows"]),
        layers=depth_lines(report["layers"]) if report.get("layers") else None,
        examples=[timeline(one, folder) for one in examples],
    )


def sections(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows by section, with the variants that occur there, and a picture of those that are shares of a whole."""
    found = []
    for title in dict.fromkeys(row["section"] for row in rows):
        inside = [row for row in rows if row["section"] == title]
        names = list(dict.fromkeys(name for row in inside for name in row["values"]))
        shares = [row for row in inside if "chance" in row] if title == LANGUAGE else []
        others = list(dict.fromkeys(name for row in inside for name in row["differences"]))
        found.append(
            {
                "title": title,
                "rows": inside,
                "names": names,
                "others": others,
                "picture": bars(shares, names) if shares else None,
            }
        )
    return found


def figure(value: float) -> str:
    """A number with as many decimals as it needs."""
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
