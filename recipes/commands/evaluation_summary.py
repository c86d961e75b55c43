"""Lines that ``zoo evaluate`` prints for a result."""

from collections.abc import Iterator, Mapping
from typing import Any

# Keys of a result whose estimates are shown.
SYSTEMS = ("model", "judged", "unigram", "recordings", "resynthesis")


def summarize(result: Mapping[str, Any]) -> list[str]:
    """Return the lines of a result: estimates with intervals, layers, chance, and directions that were left out."""
    lines = []
    for system in SYSTEMS:
        for label, estimate in _labeled_estimates(result.get(system, {})):
            shown = "" if label == _measure(estimate) else label
            lines.append(f"  {system:<8} {shown:<16} {_format_estimate(estimate)}")
    for number, layer in enumerate(result.get("model", {}).get("layers", [])):
        lines.append(
            f"  layer {number:<3} similarity {layer['similarity']:.3f}, "
            f"of other words {layer['other_words']['similarity']:.3f}, retrieval {layer['retrieval']['accuracy']:.3f}"
        )
    for name, value in result.get("chance", {}).items():
        lines.append(f"  chance   {name} {value:.3f}")
    for direction, reason in result.get("left_out", {}).items():
        lines.append(f"  left out {direction}: {reason}")
    return lines


def _labeled_estimates(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the estimates of a report with their labels.

    A report is an estimate itself, or maps directions to estimates, whose entries may be further estimates.
    """
    entries = [("", report)] if _measure(report) else list(report.items())
    for name, entry in entries:
        if not isinstance(entry, dict):
            continue
        if _measure(entry):
            yield name, entry
        for kind, inner in entry.items():
            if isinstance(inner, dict) and _measure(inner):
                yield f"{name}, {kind}", inner


def _measure(report: Mapping[str, Any]) -> str | None:
    """Return the name of the measure of a reported estimate: its first key, if the value is a number."""
    for name, value in report.items():
        return name if isinstance(value, float | int) else None
    return None


def _format_estimate(estimate: Mapping[str, Any]) -> str:
    measure = _measure(estimate)
    text = f"{measure} {estimate[measure]:.3f}" if measure else ""
    if "interval" in estimate:
        low, high = estimate["interval"]
        text += f" ({low:.3f} to {high:.3f}; n {estimate['n']})"
    if "chance" in estimate:
        text += f"; chance {estimate['chance']:.3f}"
    return text
