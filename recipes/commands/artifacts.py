"""Find what the stages of a run have made."""

from pathlib import Path


def find_artifact(run: Path | None, folder: Path | None, name: str, marker: str) -> Path:
    """Return ``folder`` if it is named, else ``run/name/name``, else the only such folder below a stage of the run.

    Args:
        run: Value of ``--run``.
        folder: Value of the option ``--name``, such as ``--vocoder``.
        name: Name of the artifact, such as ``vocoder``.
        marker: Name of a file that every folder of such an artifact contains.

    Raises:
        FileNotFoundError: The run has no such artifact.
        ValueError: Neither ``--run`` nor ``--name`` is given, or a run has several.
    """
    if folder is not None:
        return folder
    if run is None:
        raise ValueError(f"no {name} is named: add --run RUN or --{name} FOLDER")
    if not run.is_dir():
        raise FileNotFoundError(f"--run {run}: no such folder; `zoo run quickstart` makes runs/quickstart")
    if (run / name / name / marker).is_file():
        return run / name / name
    candidates = sorted(path.parent for path in run.glob(f"*/{name}/{marker}"))
    if len(candidates) > 1:
        raise ValueError(f"--run {run} has several: choose one with --{name} " + " or ".join(map(str, candidates)))
    if not candidates:
        raise FileNotFoundError(f"no {name} in {run}: run its stage first, or name a folder with --{name}")
    return candidates[0]
