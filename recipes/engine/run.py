"""Running the stages of a recipe."""

import logging
import os
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from omegaconf import OmegaConf

from recipes.engine import memory
from recipes.engine.builder import Builder
from recipes.engine.check import TARGET
from recipes.engine.errors import RecipeError, is_disk_full, is_interrupt, one_line
from recipes.engine.folder import Record, clear, now, read
from recipes.engine.locks import locked
from recipes.engine.parallel import run_in_parallel
from recipes.engine.plan import Action, State, Step, plan, refuse
from recipes.engine.recipe import Recipe
from recipes.engine.stage_log import stage_log
from zoo.files import write_text

HEARTBEAT_SECONDS = 2.0
CURRENT_STAGE = "ZOO_STAGE"
log = logging.getLogger(__name__)


class StageInterrupted(KeyboardInterrupt):
    """The user stopped a stage; running the same command again goes on with it."""


def run(recipe: Recipe, stage: str | None = None, again: bool = False) -> list[Record]:
    """Run what is not done yet; return the record of every stage of the recipe that was started by now.

    With ``jobs`` above 1 in the recipe, stages are forked from this process: it must not have computed with torch on several
    threads, or on a GPU, before.

    Args:
        recipe: A checked recipe.
        stage: Run this one alone.
        again: Make ``stage`` anew even if it is done; without ``stage``, those that have changed.

    Raises:
        RecipeError: A stage cannot be run, or failed; nothing is lost of what was made.
        StageInterrupted: The user stopped it.
    """
    if _rank() > 0:
        return _follow(recipe, os.environ.get(CURRENT_STAGE, stage))
    wanted = [name for name in recipe.stages if stage in (None, name)]
    with locked([recipe.folder(name) for name in wanted]):
        steps = plan(recipe, stage, again)
        refuse(recipe, steps)
        if recipe.config.jobs > 1 and sum(step.is_to_run for step in steps) > 1:
            return _at_once(recipe, steps)
        return [record for step in steps if (record := _take(recipe, step)) is not None]


def _at_once(recipe: Recipe, steps: list[Step]) -> list[Record]:
    for step in steps:
        if not step.is_to_run:
            _take(recipe, step)
    _seed(recipe)  # here, so that Lightning is imported once and not by each process
    try:
        run_in_parallel(partial(_take, recipe), steps, recipe.config.jobs)
    except KeyboardInterrupt:
        raise StageInterrupted("interrupted; run the same command to go on") from None
    return [record for step in steps if (record := read(step.folder)) is not None]


def _take(recipe: Recipe, step: Step) -> Record | None:
    if step.action is Action.SKIP:
        print(f"{step.name}: done before ({step.record.seconds:.0f} s), in {step.folder}", flush=True)
    if not step.is_to_run:
        return step.record
    fresh = step.record is None or step.action is Action.CLEAR
    record = Record(step.name, False, step.fingerprint, started=now()) if fresh else step.record
    record.is_done, record.finished, record.fingerprint = False, "", step.fingerprint
    try:
        if step.action is Action.CLEAR:
            clear(step.folder)
        step.folder.mkdir(parents=True, exist_ok=True)
        record.write(step.folder)
        print(f"{step.name}: {'going on' if step.action is Action.RESUME else 'started'}, in {step.folder}", flush=True)
        with stage_log(step.folder / "log.txt"):
            _run(recipe, step, record)
    except BaseException as error:
        raise _explained(error, step) from error
    print(f"{step.name}: done in {record.seconds:.0f} s, in {step.folder}", flush=True)
    return record


def _run(recipe: Recipe, step: Step, record: Record) -> None:
    """Call a stage's function and keep its record."""
    write_text(
        step.folder / "recipe.yaml",
        f"# {recipe.file} as stage {step.name} ran it\n{OmegaConf.to_yaml(recipe.completed())}",
    )
    os.environ[CURRENT_STAGE] = step.name
    _seed(recipe)
    memory.reset_peak()
    try:
        with _clock(record, step.folder):
            highlights = _call(recipe, step.name)
    except BaseException as error:
        if is_interrupt(error):
            log.info("interrupted")
        else:
            log.info("failed\n%s", "".join(traceback.format_exception(error)))
        raise
    finally:
        os.environ.pop(CURRENT_STAGE, None)
    record.highlights = (
        {str(label): str(text) for label, text in highlights.items()} if isinstance(highlights, dict) else {}
    )
    record.is_done, record.finished = True, now()
    record.write(step.folder)


def _seed(recipe: Recipe) -> None:
    import lightning

    lightning.seed_everything(recipe.config.seed, workers=True, verbose=False)


def _call(recipe: Recipe, name: str) -> object:
    arguments = Builder(recipe).arguments(f"stages.{name}")
    log.info("stage %s started", name)
    return recipe.targets.locate(recipe.config.stages[name][TARGET])(**arguments)


@contextmanager
def _clock(record: Record, folder: Path) -> Iterator[None]:
    """Keep time and peak memory in the record, on disk every few seconds so that a kill loses little."""
    spent, peak, started, stop = record.seconds, record.peak_memory_gib, time.monotonic(), threading.Event()

    def tick() -> None:
        record.seconds = round(spent + time.monotonic() - started, 2)
        record.peak_memory_gib = max(peak, memory.peak_gib())

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            tick()
            try:
                record.write(folder)
            except OSError:  # told by the stage itself, if it lasts
                pass

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        tick()
        try:
            record.write(folder)
        except OSError:
            pass


def _explained(error: BaseException, step: Step) -> BaseException:
    """Turn what a stage raised into one line for the user."""
    at = f"stages.{step.name}"
    if is_interrupt(error):
        return StageInterrupted(f"interrupted in stage {step.name}; run the same command to go on")
    if is_disk_full(error):
        written = getattr(error, "filename", None) or step.folder
        return RecipeError(
            f"{at}: disk full while writing {written}: free space and run the same command, or set out= to another disk"
        )
    if isinstance(error, RecipeError):
        return error
    if isinstance(error, (ValueError, OSError)):
        return RecipeError(f"{at}: {one_line(error)}")
    return RecipeError(
        f"{at}: {type(error).__name__}: {one_line(error)} (unexpected; the whole traceback is in {step.folder / 'log.txt'})"
    )


def _rank() -> int:
    """Place of this process in a distributed run; those above 0 only take part in the stage that process 0 runs."""
    tasks = os.environ.get("SLURM_PROCID", "0") if int(os.environ.get("SLURM_NTASKS", "1")) > 1 else "0"
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", tasks)))


def _follow(recipe: Recipe, stage: str | None) -> list[Record]:
    if stage is None:
        raise RecipeError("several processes run this recipe: name the one stage they share, --stage NAME")
    step = next(step for step in plan(recipe, stage) if step.name == stage)
    if step.state is not State.DONE:
        _seed(recipe)
        _call(recipe, stage)
    return []
