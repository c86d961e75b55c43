"""State of a stage, as its folder shows it: to do, interrupted, done and reusable, or stale after a change."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from recipes.engine.errors import RecipeError
from recipes.engine.fingerprint import Fingerprint
from recipes.engine.folder import Record, is_bare, read_record
from recipes.engine.outputs import check_outputs

MAX_SHOWN_DIFFERENCES = 3


class State(Enum):
    """State of a stage, as its folder shows it."""

    TO_DO = "to do"
    INTERRUPTED = "interrupted"
    DONE = "done"
    TO_CONTINUE = "to continue"
    CHANGED = "changed"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class StageState:
    """State of a stage, with what it was read from.

    Args:
        state: State of the stage.
        record: Record in its folder; None if it has not started, or the folder is not that of a stage.
        problem: Why the content of the folder cannot be used; empty if it can, or there is none.
    """

    state: State
    record: Record | None = None
    problem: str = ""


def stage_state(folder: Path, fingerprint: Fingerprint, verify: bool = False) -> StageState:
    """Compare the folder of a stage with the stage in the recipe, and its files with those that it left.

    Args:
        folder: Folder of the stage.
        fingerprint: Fingerprint of the stage in the recipe.
        verify: Whether the content of all files is compared, rather than of those whose time has changed.
    """
    try:
        record = read_record(folder)
    except RecipeError as error:
        return StageState(State.CHANGED, problem=str(error))
    if record is None:
        return StageState(State.TO_DO)
    differences = fingerprint.differences(record.fingerprint)
    if differences and not record.is_done and is_bare(folder):  # it failed before it wrote any result
        return StageState(State.TO_DO, record)
    if differences:
        return StageState(State.CHANGED, record, _stale(folder, differences))
    if not record.is_done:
        return StageState(State.INTERRUPTED, record)
    check = check_outputs(folder, record.outputs, verify)
    if check.problem:
        return StageState(State.DAMAGED, record, _damaged(folder, check.problem))
    record.outputs = check.outputs
    if record.fingerprint.length != fingerprint.length:
        return StageState(State.TO_CONTINUE, record)
    return StageState(State.DONE, record)


def _damaged(folder: Path, problem: str) -> str:
    return (
        f"the results in {folder} are not those that the stage left: {problem}; copy them back, or add --again to "
        "make the stage anew"
    )


def _stale(folder: Path, differences: list[str]) -> str:
    shown = "; ".join(differences[:MAX_SHOWN_DIFFERENCES])
    num_hidden = len(differences) - MAX_SHOWN_DIFFERENCES
    more = f" and {num_hidden} more" if num_hidden > 0 else ""
    return (
        f"{folder} was made by another recipe (changed: {shown}{more}): "
        "set another out=, delete the folder, or add --again to make it anew"
    )
