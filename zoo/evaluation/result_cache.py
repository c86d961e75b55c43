"""Results that are kept by what they depend on, and the parts of those that are not finished."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.evaluation.scoring.token_trees import Candidate
from zoo.files import atomic_file, write_text

BLOCK = 2048
# Raised when what an evaluation computes changes, so that old results are not taken for new ones.
VERSION = 1


def fingerprint(folder: Path) -> str:
    """Hash of the content of a file, or of all files in a folder but for hidden ones.

    Raises:
        FileNotFoundError: Where there is none.
    """
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such file or folder")
    digest = hashlib.sha256()
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while chunk := file.read(1 << 22):
                    digest.update(chunk)
    return digest.hexdigest()[:16]


def suite_fingerprint(table: Path) -> str:
    """Hash of a table and of the names and sizes of the recordings that it names."""
    digest = hashlib.sha256(table.read_bytes())
    for line in table.read_text(encoding="utf-8").splitlines():
        for audio in _audio(json.loads(line)):
            path = table.parent / audio
            digest.update(f"{audio}\0{path.stat().st_size if path.is_file() else -1}\0".encode())
    return digest.hexdigest()[:16]


def _audio(value: Any) -> list[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    own = [value["audio"]] if isinstance(value, dict) and isinstance(value.get("audio"), str) else []
    return own + [one for part in inner for one in _audio(part)]


class ResultCache:
    """The result of one suite in one file, with the key that it depends on, and beside it the parts of an unfinished one.

    Args:
        path: Of the result, a JSON file.
        key: What the result depends on: fingerprints of model and suite, settings.
    """

    def __init__(self, path: Path, key: dict[str, Any]) -> None:
        self.path, self.key = path, json.loads(json.dumps({**key, "version": VERSION}))
        self.parts_path = path.with_name(f".{path.stem}.parts.jsonl")
        self.parts = self._read_parts()

    @property
    def result(self) -> Any | None:
        """The finished result; None where there is none of this key."""
        if not self.path.is_file():
            return None
        content = json.loads(self.path.read_text(encoding="utf-8"))
        return content["result"] if content.get("key") == self.key else None

    def part(self, name: str, compute: Callable[[], Any]) -> Any:
        """A part that was computed before the last interruption, or is now."""
        if name not in self.parts:
            self.parts[name] = json.loads(json.dumps(compute()))
            self.parts_path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.parts_path.is_file()
            with self.parts_path.open("a", encoding="utf-8") as file:
                file.write(
                    (json.dumps({"key": self.key}) + "\n" if new else "") + json.dumps([name, self.parts[name]]) + "\n"
                )
        return self.parts[name]

    def finish(self, result: Any) -> Any:
        """Write the result, and drop the parts."""
        write_text(self.path, json.dumps({"key": self.key, "result": result}, indent=2, ensure_ascii=False) + "\n")
        self.parts_path.unlink(missing_ok=True)
        return json.loads(json.dumps(result))

    def _read_parts(self) -> dict[str, Any]:
        """Parts of the same key; a last line that an interruption cut short is dropped, and so are parts of another key."""
        if not self.parts_path.is_file():
            return {}
        lines = self.parts_path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if not whole or json.loads(whole[0]) != {"key": self.key}:
            self.parts_path.unlink()
            return {}
        if len(whole) < len(lines):
            with atomic_file(self.parts_path) as temporary:
                temporary.write_text("".join(whole), encoding="utf-8")
        return dict(json.loads(line) for line in whole[1:])


def cached_scorer(
    memory: ResultCache, name: str, score: Callable[[Sequence[Candidate]], np.ndarray]
) -> Callable[[Sequence[Candidate]], np.ndarray]:
    """The same scorer, that keeps its sums block by block.

    Args:
        memory: Of the suite.
        name: Of the scorer.
        score: Sums of candidates, such as ``partial(log_likelihoods, network)``.
    """

    def scored(candidates: Sequence[Candidate]) -> np.ndarray:
        blocks = [candidates[start : start + BLOCK] for start in range(0, len(candidates), BLOCK)]
        found = [
            memory.part(f"{name} {number}", lambda block=block: score(block).tolist())
            for number, block in enumerate(blocks)
        ]
        return np.array([value for block in found for value in block])

    return scored
