"""The plan of a run: what is done with each stage, decided before any stage starts."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from recipes.engine.errors import RecipeError
from recipes.engine.fingerprint import Fingerprint, fingerprints
from recipes.engine.folder import Record
from recipes.engine.recipe import Recipe
from recipes.engine.stage_state import StageState, State, stage_state
from zoo.suggestions import suggest


class Action(Enum):
    """What a run does with a stage."""

    RUN = "run"
    RESUME = "resume"
    SKIP = "skip"
    CLEAR = "delete the folder and run"
    REFUSE = "refuse"
    LEAVE = "leave"


@dataclass(frozen=True)
class Step:
    """One stage of a plan.

    Args:
        name: Name of the stage, or of one run of a repeated stage.
        folder: Folder that the stage writes.
        state: State of the stage, as its folder shows it.
        action: What the run does with the stage.
        fingerprint: Fingerprint of the stage in the recipe.
        record: Record in the folder of the stage; None if it has not started.
        problem: Why the stage cannot run; empty unless the action is ``REFUSE``.
    """

    name: str
    folder: Path
    state: State
    action: Action
    fingerprint: Fingerprint
    record: Record | None = None
    problem: str = ""

    @property
    def is_to_run(self) -> bool:
        return self.action in (Action.RUN, Action.RESUME, Action.CLEAR)


def plan(recipe: Recipe, stage: str | None = None, again: bool = False, verify: bool = False) -> list[Step]:
    """Decide what is done with every stage of a recipe.

    Args:
        recipe: A checked recipe.
        stage: Name of the only stage to run, or of one run of a repeated stage. Defaults to all stages.
        again: Whether ``stage`` is run anew even if it is done; without ``stage``, whether changed stages are run anew.
        verify: Whether the content of all results is compared with the records.

    Raises:
        RecipeError: There is no such stage.
    """
    wanted = recipe.stages if stage is None else recipe.runs_of(stage)
    if not wanted:
        raise RecipeError(f"--stage {stage}: {recipe.file} has no such stage; {suggest(str(stage), recipe.stages)}")
    steps: list[Step] = []
    for name, fingerprint in fingerprints(recipe).items():
        state = stage_state(recipe.folder(name), fingerprint, verify)
        action = Action.LEAVE
        if name in wanted:
            action = _action(state, again, is_anew=again and stage is not None)
        steps.append(_step(recipe, name, fingerprint, state, action))
    if stage is not None:
        steps = [_with_needs(step, steps) if step.name in wanted else step for step in steps]
    return steps


def refuse(recipe: Recipe, steps: list[Step]) -> None:
    """Raise an error if the plan cannot be carried out.

    Raises:
        RecipeError: Some stages cannot run; there is one line for each.
    """
    lines = [f"{recipe.file}: stages.{step.name}: {step.problem}" for step in steps if step.action is Action.REFUSE]
    if lines:
        raise RecipeError(*lines)


def _step(recipe: Recipe, name: str, fingerprint: Fingerprint, found: StageState, action: Action) -> Step:
    folder = recipe.folder(name)
    problem = found.problem
    inside = [other for other in recipe.stages if other != name and recipe.folder(other).is_relative_to(folder)]
    if action is Action.CLEAR and found.state is not State.TO_DO and inside:
        action = Action.REFUSE
        problem = f"--again would delete {folder} with stages.{inside[0]} in it; delete it by hand"
    return Step(name, folder, found.state, action, fingerprint, found.record, problem)


def _action(found: StageState, again: bool, is_anew: bool) -> Action:
    """Return what is done with a stage that is to be run.

    Args:
        found: State of the stage.
        again: Whether a changed stage is run anew.
        is_anew: Whether the stage is run anew in any case, if it has started.
    """
    if found.state is State.TO_DO:
        return Action.RUN if found.record is None else Action.CLEAR
    if found.record is None:  # the folder is not that of a stage: it is never deleted
        return Action.REFUSE
    if is_anew:
        return Action.CLEAR
    actions = {
        State.INTERRUPTED: Action.RESUME,
        State.TO_CONTINUE: Action.RESUME,
        State.DONE: Action.SKIP,
        State.CHANGED: Action.CLEAR if again else Action.REFUSE,
        State.DAMAGED: Action.CLEAR if again else Action.REFUSE,
    }
    return actions[found.state]


def _with_needs(step: Step, steps: list[Step]) -> Step:
    """Return the step, refused if a stage that it reads is not done."""
    upstream = step.fingerprint.upstream
    unfinished = [other for other in steps if other.name in upstream and other.state is not State.DONE]
    if not unfinished or step.action in (Action.SKIP, Action.REFUSE):
        return step
    needs = ", ".join(f"stages.{other.name} ({other.state.value})" for other in unfinished)
    problem = f"needs {needs} done first: run without --stage, or with --stage {unfinished[0].name}"
    return replace(step, action=Action.REFUSE, problem=problem)
