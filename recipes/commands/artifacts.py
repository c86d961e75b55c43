"""Finding what the stages of a run have made."""

from pathlib import Path


def part_of(run: Path | None, named: Path | None, name: str, marker: str) -> Path:
    """The folder that ``--name`` tells, else ``run/name/name``, else the only such folder below a stage of the run.

    Args:
        run: What ``--run`` tells.
        named: What ``--name`` tells.
        name: Such as vocoder.
        marker: File that such a folder holds.

    Raises:
        FileNotFoundError: Where there is none.
        ValueError: Neither ``--run`` nor ``--name`` is given, or a run has several.
    """
    if named is not None:
        return named
    if run is None:
        raise ValueError(f"--run RUN or --{name} FOLDER: where is the {name}?")
    if not run.is_dir():
        raise FileNotFoundError(f"--run {run}: no such folder; `zoo run quickstart` makes runs/quickstart")
    if (run / name / name / marker).is_file():
        return run / name / name
    found = sorted(path.parent for path in run.glob(f"*/{name}/{marker}"))
    if len(found) > 1:
        raise ValueError(f"--run {run} has several: choose one with --{name} " + " or ".join(map(str, found)))
    if not found:
        raise FileNotFoundError(f"no {name} in {run}: run its stage first, or name a folder with --{name}")
    return found[0]
