"""The table of a plan, and the summary after a run."""

import inspect
from collections.abc import Sequence

from recipes.engine.folder import Record
from recipes.engine.nodes import TARGET
from recipes.engine.plan import Action, Step
from recipes.engine.recipe import Recipe


def table(recipe: Recipe, steps: Sequence[Step]) -> str:
    """Return the stages of a plan: state, what would be done, folder, what each is for."""
    rows = [("stage", "state", "would", "folder", "")]
    for step in steps:
        doc = inspect.getdoc(recipe.targets.locate(recipe.node(step.name)[TARGET])) or ""
        action = "" if step.action is Action.LEAVE else step.action.value
        rows.append((step.name, step.state.value, action, str(step.folder), doc.split("\n")[0]))
    return _aligned(rows)


def summary(records: Sequence[Record]) -> str:
    """Return what stages point out after all of them have run; empty where no stage has a record."""
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
