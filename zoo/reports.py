"""Pieces of Markdown that reports are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

SYNTHETIC, RECORDED = "speech made by a synthesizer", "recorded speech"


def speech_kind(synthetic: bool) -> str:
    """Return what a report calls its speech, so that no figure on synthetic speech passes for one on recordings."""
    return SYNTHETIC if synthetic else RECORDED


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first row being its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "-|" * len(rows[0]), *lines[1:]])


def estimate_cell(estimate: Mapping[str, Any] | None, name: str) -> str:
    """Return an estimate of a JSON report with its interval, as a cell; empty if there is none.

    Args:
        estimate: As ``Estimate.named`` returns it; None if there is no figure.
        name: Key of the figure.
    """
    if not estimate:
        return ""
    low, high = estimate["interval"]
    return f"{estimate[name]:.3f} ({low:.3f} to {high:.3f})"
