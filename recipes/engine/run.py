"""Run the stages of a recipe, and keep the record of each in its folder."""

import logging
import os
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from omegaconf import OmegaConf

from recipes.engine.builder import Builder
from recipes.engine.errors import RecipeError, is_disk_full, is_interrupt
from recipes.engine.folder import OWN_FILES, Record, clear_folder, current_time, read_record
from recipes.engine.interrupts import lasting_interrupts
from recipes.engine.locks import locked
from recipes.engine.nodes import TARGET
from recipes.engine.outputs import describe_outputs
from recipes.engine.parallel import run_in_parallel
from recipes.engine.plan import Action, Step, plan, refuse
from recipes.engine.recipe import Recipe
from recipes.engine.stage_log import stage_log
from recipes.engine.stage_state import State
from zoo.error_messages import one_line
from zoo.files import write_text
from zoo.peak_memory import peak_gib, reset_peak

HEARTBEAT_SECONDS = 2.0
CURRENT_STAGE = "ZOO_STAGE"  # environment variable that names the running stage to the processes that it starts
log = logging.getLogger(__name__)


class StageInterrupted(KeyboardInterrupt):
    """A stage was interrupted; the same command resumes it."""


def run(recipe: Recipe, stage: str | None = None, again: bool = False, verify: bool = False) -> list[Record]:
    """Run the stages that are not done yet, and return the records of all stages that have started.

    If the recipe's ``jobs`` is above 1, stages are forked from this process, which therefore must not have used torch
    with several threads or a GPU before.

    Args:
        recipe: A checked recipe.
        stage: Name of the only stage to run, or of one run of a repeated stage. Defaults to all stages.
        again: Whether ``stage`` is run anew even if it is done; without ``stage``, whether changed stages are run anew.
        verify: Whether the content of all results of finished stages is compared with their records.

    Raises:
        RecipeError: A stage cannot be run, or failed; its results so far are kept.
        StageInterrupted: The user or the cluster stopped a stage.
    """
    if _rank() > 0:
        return _run_as_follower(recipe, os.environ.get(CURRENT_STAGE, stage))
    wanted = recipe.stages if stage is None else recipe.runs_of(stage)
    with locked([recipe.folder(name) for name in wanted]):
        steps = plan(recipe, stage, again, verify)
        refuse(recipe, steps)
        if recipe.config.jobs > 1 and sum(step.is_to_run for step in steps) > 1:
            return _run_in_parallel(recipe, steps)
        records = [_carry_out(recipe, step) for step in steps]
    return [record for record in records if record is not None]


def _run_in_parallel(recipe: Recipe, steps: list[Step]) -> list[Record]:
    for step in steps:
        if not step.is_to_run:
            _carry_out(recipe, step)
    _seed_everything(recipe)  # imports Lightning once, before the processes are forked
    try:
        run_in_parallel(partial(_carry_out, recipe), steps, int(recipe.config.jobs))
    except KeyboardInterrupt:
        raise StageInterrupted("interrupted; run the same command to resume") from None
    records = [read_record(step.folder) for step in steps]
    return [record for record in records if record is not None]


def _carry_out(recipe: Recipe, step: Step) -> Record | None:
    """Carry out one step of a plan, and return the record of its stage; None if the stage has not started."""
    if step.action is Action.SKIP and step.record is not None:
        print(f"{step.name}: done before ({step.record.seconds:.0f} s), in {step.folder}", flush=True)
        _renew_times(step.record, step.folder)
    if not step.is_to_run:
        return step.record
    if step.record is None or step.action is Action.CLEAR:
        record = Record(step.name, False, step.fingerprint, started=current_time())
    else:
        record = step.record
        record.is_done = False
        record.finished = ""
        record.fingerprint = step.fingerprint
        record.outputs = {}
    try:
        if step.action is Action.CLEAR:
            clear_folder(step.folder)
        step.folder.mkdir(parents=True, exist_ok=True)
        _refuse_link(step.folder, Path(str(recipe.view().out)))
        record.write(step.folder)
        begins = "resumed" if step.action is Action.RESUME else "started"
        print(f"{step.name}: {begins}, in {step.folder}", flush=True)
        with stage_log(step.folder / "log.txt"):
            _run_stage(recipe, step, record)
    except BaseException as error:
        raise _explained(error, step) from error
    print(f"{step.name}: done in {record.seconds:.0f} s, in {step.folder}", flush=True)
    return record


def _renew_times(record: Record, folder: Path) -> None:
    """Write the present times of a finished stage's files, so that a folder that was copied is hashed only once."""
    stored = read_record(folder)
    if stored is not None and stored.outputs != record.outputs:
        with suppress(OSError):  # the folder belongs to another user
            record.write(folder)


def _refuse_link(folder: Path, out: Path) -> None:
    """Refuse to write through a link that came with a recipe."""
    if not folder.resolve().is_relative_to(out.resolve()):
        raise RecipeError(f"{folder} is a link to {folder.resolve()}, outside of {out}: remove the link, or set out=")


def _run_stage(recipe: Recipe, step: Step, record: Record) -> None:
    """Call the function of a stage, and keep its record up to date."""
    write_text(
        step.folder / "recipe.yaml",
        f"# {recipe.file} as stage {step.name} ran it\n{OmegaConf.to_yaml(recipe.completed())}",
    )
    os.environ[CURRENT_STAGE] = step.name
    _seed_everything(recipe, step.name)
    reset_peak()
    try:
        with _keep_record_current(record, step.folder), lasting_interrupts():
            highlights = _call(recipe, step.name)
    except BaseException as error:
        if is_interrupt(error):
            log.info("interrupted")
        else:
            log.info("failed\n%s", "".join(traceback.format_exception(error)))
        raise
    finally:
        os.environ.pop(CURRENT_STAGE, None)
    if isinstance(highlights, dict):
        record.highlights = {str(label): str(text) for label, text in highlights.items()}
    else:
        record.highlights = {}
    others = [recipe.folder(name) for name in recipe.runs if name != step.name]
    record.outputs = describe_outputs(step.folder, OWN_FILES, others)
    record.is_done = True
    record.finished = current_time()
    record.write(step.folder)


def _seed_everything(recipe: Recipe, stage: str | None = None) -> None:
    """Seed Python, NumPy and torch with the recipe's ``seed``, in the view of the run ``stage``."""
    import lightning

    lightning.seed_everything(int(recipe.view(stage).seed), workers=True, verbose=False)


def _call(recipe: Recipe, stage: str) -> object:
    """Build the arguments of a stage and call its function."""
    arguments = Builder(recipe, stage).arguments(f"stages.{recipe.runs[stage].stage}")
    log.info("stage %s started", stage)
    return recipe.targets.locate(recipe.node(stage)[TARGET])(**arguments)


@contextmanager
def _keep_record_current(record: Record, folder: Path) -> Generator[None, None, None]:
    """Update time and peak memory in the record, and write it every few seconds, so that a kill loses little."""
    seconds_before = record.seconds
    peak_before = record.peak_memory_gib
    started = time.monotonic()
    stop = threading.Event()

    def tick() -> None:
        record.seconds = round(seconds_before + time.monotonic() - started, 2)
        record.peak_memory_gib = max(peak_before, peak_gib())
        with suppress(OSError):  # a full disk is reported by the stage itself, if it stays full
            record.write(folder)

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            tick()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        tick()


def _explained(error: BaseException, step: Step) -> BaseException:
    """Return the error to raise for the user in place of an error of a stage."""
    at = f"stages.{step.name}"
    if is_interrupt(error):
        return StageInterrupted(f"interrupted in stage {step.name}; run the same command to resume")
    if is_disk_full(error):
        written = getattr(error, "filename", None) or step.folder
        return RecipeError(
            f"{at}: disk full while writing {written}: free space and run the same command, or set out= to another disk"
        )
    if isinstance(error, RecipeError):
        return error
    if isinstance(error, (ValueError, OSError)):
        return RecipeError(f"{at}: {one_line(error)}")
    log_file = step.folder / "log.txt"
    name = type(error).__name__
    return RecipeError(f"{at}: {name}: {one_line(error)} (unexpected; the whole traceback is in {log_file})")


def _rank() -> int:
    """Return the rank of this process in a distributed run; 0 in any other run."""
    tasks = os.environ.get("SLURM_PROCID", "0") if int(os.environ.get("SLURM_NTASKS", "1")) > 1 else "0"
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", tasks)))


def _run_as_follower(recipe: Recipe, stage: str | None) -> list[Record]:
    """Run a stage as a process above rank 0 of a distributed run; only rank 0 keeps the record."""
    if stage is None:
        raise RecipeError("several processes run this recipe: name the one stage they share, --stage NAME")
    wanted = recipe.runs_of(stage)
    for step in plan(recipe, stage):
        if step.name in wanted and step.state is not State.DONE:
            _seed_everything(recipe, step.name)
            _call(recipe, step.name)
    return []
