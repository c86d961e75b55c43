"""Cache of evaluation results by all that they depend on, with the computed parts of unfinished ones."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.evaluation.scoring.token_trees import Candidate
from zoo.files import atomic_file, parse_json, read_json, write_text

BLOCK = 2048
# Increase it when evaluations compute something else, so that older results are not reused.
VERSION = 2


def fingerprint(path: Path) -> str:
    """Return a hash of the content of a file, or of all files in a folder except hidden ones.

    Raises:
        FileNotFoundError: If the path does not exist.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    for file_path in files:
        if file_path.is_file() and not file_path.name.startswith("."):
            digest.update(f"{file_path.relative_to(path)}\0{file_path.stat().st_size}\0".encode())
            with file_path.open("rb") as file:
                while chunk := file.read(1 << 22):
                    digest.update(chunk)
    return digest.hexdigest()[:16]


def suite_fingerprint(table: Path) -> str:
    """Return a hash of a table and of the names and sizes of the recordings that it names."""
    digest = hashlib.sha256(table.read_bytes())
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1):
        for audio in _audio_paths(parse_json(line, f"{table}:{number}")):
            path = table.parent / audio
            size = path.stat().st_size if path.is_file() else -1
            digest.update(f"{audio}\0{size}\0".encode())
    return digest.hexdigest()[:16]


def _audio_paths(value: Any) -> list[str]:
    """Return the texts under ``audio`` in a JSON value, outer ones first."""
    if isinstance(value, dict):
        audio = value.get("audio")
        paths = [audio] if isinstance(audio, str) else []
        children = list(value.values())
    else:
        paths = []
        children = value if isinstance(value, list) else []
    for child in children:
        paths += _audio_paths(child)
    return paths


class ResultCache:
    """The result of one suite in a file with the key that it depends on, and the parts of an unfinished one beside it.

    Args:
        path: JSON file of the result.
        key: All that the result depends on: fingerprints of model and suite, settings.
    """

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        self.path = path
        # Through JSON, so that the key compares equal to one that was read from a file.
        self.key = json.loads(json.dumps({**key, "version": VERSION}))
        self.parts_path = path.with_name(f".{path.stem}.parts.jsonl")
        self.parts = self._read_parts()

    @property
    def result(self) -> Any | None:
        """The finished result; None if there is none with this key."""
        if not self.path.is_file():
            return None
        content = read_json(self.path)
        return content["result"] if content.get("key") == self.key else None

    def get_or_compute(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return a part of the result that was stored before an interruption; otherwise compute and store it.

        Args:
            name: Name of the part.
            compute: Returns the part, as a value that JSON can express.
        """
        if name not in self.parts:
            self.parts[name] = json.loads(json.dumps(compute()))
            self.parts_path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.parts_path.is_file()
            with self.parts_path.open("a", encoding="utf-8") as file:
                if is_new:
                    file.write(json.dumps({"key": self.key}) + "\n")
                file.write(json.dumps([name, self.parts[name]]) + "\n")
        return self.parts[name]

    def finish(self, result: Any) -> Any:
        """Write the complete result, remove the parts, and return the result as it reads from the file."""
        write_text(self.path, json.dumps({"key": self.key, "result": result}, indent=2, ensure_ascii=False) + "\n")
        self.parts_path.unlink(missing_ok=True)
        return json.loads(json.dumps(result))

    def _read_parts(self) -> dict[str, Any]:
        """Read the parts with this key.

        Parts with another key are removed, and so is a last line that was cut short by an interruption.
        """
        if not self.parts_path.is_file():
            return {}
        lines = self.parts_path.read_text(encoding="utf-8").splitlines(keepends=True)
        complete_lines = [line for line in lines if line.endswith("\n")]
        try:
            parts = [parse_json(line, str(self.parts_path)) for line in complete_lines]
        except ValueError:  # damaged, so that all is computed again
            parts = []
        if not parts or parts[0] != {"key": self.key}:
            self.parts_path.unlink()
            return {}
        if len(complete_lines) < len(lines):
            with atomic_file(self.parts_path) as temporary:
                temporary.write_text("".join(complete_lines), encoding="utf-8")
        return dict(parts[1:])


def cached_scorer(
    cache: ResultCache, name: str, score: Callable[[Sequence[Candidate]], np.ndarray]
) -> Callable[[Sequence[Candidate]], np.ndarray]:
    """Return a scorer that stores the sums of each block of candidates in a cache.

    Args:
        cache: Cache of the suite.
        name: Name of the scorer.
        score: Sums of log-probabilities (N,) of candidates, such as ``partial(log_likelihoods, network)``.
    """

    def score_in_blocks(candidates: Sequence[Candidate]) -> np.ndarray:
        sums: list[float] = []
        for number, start in enumerate(range(0, len(candidates), BLOCK)):
            block = candidates[start : start + BLOCK]
            sums += cache.get_or_compute(f"{name} {number}", lambda block=block: score(block).tolist())
        return np.array(sums)

    return score_in_blocks
