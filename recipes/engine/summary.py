"""What a run shows before and after."""

import inspect
from collections.abc import Sequence

from recipes.engine.check import TARGET
from recipes.engine.folder import Record
from recipes.engine.plan import Action, Step
from recipes.engine.recipe import Recipe


def table(recipe: Recipe, steps: Sequence[Step]) -> str:
    """The stages of a plan: state, what would be done, folder, what each is for."""
    rows = [("stage", "state", "would", "folder", "")]
    for step in steps:
        doc = inspect.getdoc(recipe.targets.locate(recipe.config.stages[step.name][TARGET])) or ""
        action = "" if step.action is Action.LEAVE else step.action.value
        rows.append((step.name, step.state.value, action, str(step.folder), doc.split("\n")[0]))
    return _aligned(rows)


def summary(records: Sequence[Record]) -> str:
    """What stages point out, after all of them have run; empty where nothing is."""
    rows = [(label, text) for record in records for label, text in record.highlights.items()]
    seconds, peak = sum(r.seconds for r in records), max((r.peak_memory_gib for r in records), default=0.0)
    total = f"{len(records)} stages, {seconds:.0f} s of work, at most {peak:.1f} GiB of memory each"
    return "\n".join(["", *([_aligned(rows)] if rows else []), total]) if records else ""


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
