"""Parts of a split on disk while it is tokenized: a run that was killed goes on with the jobs that are missing."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

from zoo.files import write_text
from zoo.tokenizers.jobs import TALLY, Part
from zoo.tokenizers.tally import Tally
from zoo.tokens import store

FOLDER = ".parts"


@dataclass
class _Progress:
    """What has become of a split for good.

    Args:
        key: Hash of what its rows depend on.
        num_jobs: Whose rows are in shards.
        num_shards: Written.
        tally: Of those jobs.
    """

    key: str
    num_jobs: int = 0
    num_shards: int = 0
    tally: Tally = field(default_factory=Tally)


class Parts:
    """Collects the parts of one split in any order and joins them to shards in theirs.

    A part is a file below ``.parts`` until the shard that it belongs to is full. Shards end where a job ends, so that they are
    the same whatever was interrupted when.

    Args:
        out: Gets ``{split}-00000.arrow`` and so on.
        split: Such as train.
        key: Hash of what the rows depend on; parts of another key are thrown away.
    """

    def __init__(self, out: Path, split: str, key: str) -> None:
        self.out, self.split, self.folder = out, split, out / FOLDER
        self.progress = self._read(key)
        self.num_rows: dict[int, int] = {}
        for path in self.folder.glob(f"{split}-*.arrow"):
            number = int(path.stem.rpartition("-")[2])
            if number < self.progress.num_jobs:
                path.unlink()
            else:
                self.num_rows[number] = len(_table(path))

    def __contains__(self, number: int) -> bool:
        """Whether the job of that number is done."""
        return number < self.progress.num_jobs or number in self.num_rows

    def add(self, part: Part) -> None:
        """Keep a part, and write the shard that it completes."""
        path = self._path(part.number)
        with store.atomic_file(path) as temporary:
            temporary.write_bytes(part.content)
        self.num_rows[part.number] = len(_table(path))
        self._join(only_full=True)

    def finish(self) -> Tally:
        """Write the last shard, after all parts; return the tally of the split."""
        self._join(only_full=False)
        if self.num_rows:
            raise RuntimeError(f"job {self.progress.num_jobs} of {self.split} is missing in {self.folder}")
        return self.progress.tally

    def _join(self, only_full: bool) -> None:
        run, num_rows = [], 0
        while self.progress.num_jobs + len(run) in self.num_rows:
            run.append(self.progress.num_jobs + len(run))
            num_rows += self.num_rows[run[-1]]
            if num_rows >= store.ROWS_PER_SHARD:
                self._write(run)
                run, num_rows = [], 0
        if run and not only_full:
            self._write(run)

    def _write(self, run: list[int]) -> None:
        """Write a shard, then say so, then delete its parts: killed in between, it is written once more."""
        tables = [_table(self._path(number)) for number in run]
        for table in tables:
            self.progress.tally.add_all(Tally(**json.loads(table.schema.metadata[TALLY])))
        whole = pa.concat_tables([table.replace_schema_metadata() for table in tables])
        if len(whole):
            store.write_shard(self.out, self.split, self.progress.num_shards, whole)
            self.progress.num_shards += 1
        self.progress.num_jobs = run[-1] + 1
        write_text(self._progress_file, json.dumps(asdict(self.progress)) + "\n")
        for number in run:
            self._path(number).unlink()
            del self.num_rows[number]

    def _read(self, key: str) -> _Progress:
        try:
            found = json.loads(self._progress_file.read_text())
            progress = _Progress(**found | {"tally": Tally(**found["tally"])})
        except FileNotFoundError:
            progress = None
        if progress is None or progress.key != key:
            store.remove_shards(self.out, self.split)
            store.remove_shards(self.folder, self.split)
            progress = _Progress(key)
            write_text(self._progress_file, json.dumps(asdict(progress)) + "\n")
        return progress

    @property
    def _progress_file(self) -> Path:
        return self.folder / f"{self.split}.json"

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.split}-{number:07d}.arrow"


def remove_parts(out: Path) -> None:
    """Forget how the splits in a folder were made, when all are."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)


def _table(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
