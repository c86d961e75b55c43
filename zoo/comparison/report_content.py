"""Content of a comparison report, gathered from the measures of several stages: claims, notes, costs, scalars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.comparison.claims import verdicts

LAYERS = "layers"  # the note that holds margins by layer, for a plot


@dataclass(frozen=True)
class ReportInfo:
    """Title, notes and costs of a report.

    Args:
        title: Title of the page.
        synthetic_speech: Whether the speech of the corpus is synthesized.
        notes: Notes for the reader, by subject.
        seconds: Running time of each stage in seconds.
    """

    title: str
    synthetic_speech: bool
    notes: Mapping[str, str]
    seconds: Mapping[str, float]


def gather_report(info: ReportInfo, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Gather the measures of several stages into one report, and test the claims of the paper on them.

    Args:
        info: Title, notes and costs.
        measured: Contents of ``measures.json`` of each stage, by subject, such as ``resynthesis``.
    """
    measures = [measure for stage in measured.values() for measure in stage["measures"]]
    layers: dict[str, Any] = {}
    notes = dict(info.notes)
    for name, stage in measured.items():
        layers = layers or stage["notes"].get(LAYERS, {})
        line = notes_line(stage["notes"])
        if line:
            notes[name] = line
    return {
        "title": info.title,
        "synthetic_speech": info.synthetic_speech,
        "claims": verdicts(measures),
        "measures": measures,
        "layers": layers,
        "notes": notes,
        "seconds": dict(info.seconds),
    }


def notes_line(notes: Mapping[str, Any]) -> str:
    """Return the notes of a stage as a line of text; margins by layer are plotted instead."""
    parts = []
    for name, value in notes.items():
        if name == LAYERS or value in ({}, []):
            continue
        if isinstance(value, dict):
            value = "; ".join(f"{key}: {entry}" for key, entry in value.items())
        parts.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(parts)


def claim_lines(claims: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the verdict on each claim with the difference and its interval, by claim."""
    lines = {}
    for claim in claims:
        low, high = claim["interval"]
        lines[claim["claim"]] = f"{claim['verdict']} ({claim['difference']:+.3f}, {low:+.3f} to {high:+.3f})"
    return lines


def scalars(measures: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return figures and differences under the names that TensorBoard shows."""
    values = {}
    differences = {}
    for measure in measures:
        key = _tag(measure["key"])
        for variant, estimate in measure["values"].items():
            values[f"{_tag(variant)}/{key}"] = estimate["value"]
        for variant, estimate in measure["differences"].items():
            differences[f"{_tag(variant)}_difference/{key}"] = estimate["value"]
    return values | differences


def _tag(name: str) -> str:
    return name.replace(" ", "_").replace(",", "").replace("->", "_to_")
