"""Format the plan of a run as a table, and the records of a run as a summary."""

import inspect
from collections.abc import Sequence

from recipes.engine.folder import Record
from recipes.engine.nodes import TARGET
from recipes.engine.plan import Action, Step
from recipes.engine.recipe import Recipe


def table(recipe: Recipe, steps: Sequence[Step]) -> str:
    """Return a plan as a table: name, state, action and folder of each stage, and what the stage does."""
    rows = [("stage", "state", "would", "folder", "")]
    for step in steps:
        doc = inspect.getdoc(recipe.targets.locate(recipe.node(step.name)[TARGET])) or ""
        action = "" if step.action is Action.LEAVE else step.action.value
        rows.append((step.name, step.state.value, action, str(step.folder), doc.split("\n")[0]))
    return _aligned(rows)


def summary(records: Sequence[Record]) -> str:
    """Return the highlights of all stages, and their total time and memory; empty if there are no records."""
    if not records:
        return ""
    rows: list[tuple[str, str]] = []
    for record in records:
        rows += record.highlights.items()
    seconds = sum(record.seconds for record in records)
    peak = max(record.peak_memory_gib for record in records)
    total = f"{len(records)} stages, {seconds:.0f} s of work, at most {peak:.1f} GiB of memory each"
    lines = [_aligned(rows)] if rows else []
    return "\n".join(["", *lines, total])


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
