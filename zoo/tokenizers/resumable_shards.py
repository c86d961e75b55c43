"""Write the shards of a split while it is tokenized, so that an interrupted run resumes with the missing jobs."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

from zoo.files import atomic_file, parse_json, read_json, write_text
from zoo.tokenizers.jobs import TALLY, JobResult
from zoo.tokenizers.tally import Tally
from zoo.tokens import store

FOLDER = ".parts"


@dataclass
class _Progress:
    """Progress of a split: how many jobs have been written to shards.

    Args:
        key: Hash of everything besides the corpus that the rows depend on.
        num_jobs: Number of jobs, counted from the first, whose rows are in shards.
        num_shards: Number of shards that have been written.
        tally: Tally of these jobs.
    """

    key: str
    num_jobs: int = 0
    num_shards: int = 0
    tally: Tally = field(default_factory=Tally)


class ShardWriter:
    """Receives the results of a split's jobs in any order, and writes them to shards in the order of the jobs.

    A result is kept as a file below ``.parts`` until its shard is full. A shard always ends with the last row of a job,
    so that interruptions do not change the shards.

    Args:
        out: Folder in which ``{split}-00000.arrow`` and so on are written.
        split: Name of the split, such as train.
        key: Hash of everything besides the corpus that the rows depend on; results and shards of another key are
            deleted.
    """

    def __init__(self, out: Path, split: str, key: str) -> None:
        self.out = out
        self.split = split
        self.folder = out / FOLDER
        self.progress = self._resume(key)
        # Rows of each job whose result is not in a shard yet.
        self.num_rows: dict[int, int] = {}
        for path in self.folder.glob(f"{split}-*.arrow"):
            number = int(path.stem.rpartition("-")[2])
            if number < self.progress.num_jobs:
                path.unlink()
            else:
                self.num_rows[number] = len(store.read_table(path))

    def __contains__(self, number: int) -> bool:
        """Return whether the job of that number is done."""
        return number < self.progress.num_jobs or number in self.num_rows

    def add(self, result: JobResult) -> None:
        """Keep a result, and write the shards that it completes."""
        path = self._result_path(result.number)
        with atomic_file(path) as temporary:
            temporary.write_bytes(result.content)
        self.num_rows[result.number] = len(store.read_table(path))
        self._write_full_shards()

    def finish(self) -> Tally:
        """Write the last shard, after all results, and return the tally of the split.

        Raises:
            RuntimeError: The result of a job is missing.
        """
        rest = self._write_full_shards()
        if rest:
            self._write_shard(rest)
        if self.num_rows:
            raise RuntimeError(f"job {self.progress.num_jobs} of {self.split} is missing in {self.folder}")
        return self.progress.tally

    def _write_full_shards(self) -> list[int]:
        """Write the shards whose jobs are all done, and return the consecutive jobs after them, too few for a shard."""
        shard_jobs: list[int] = []
        num_rows = 0
        number = self.progress.num_jobs
        while number in self.num_rows:
            shard_jobs.append(number)
            num_rows += self.num_rows[number]
            number += 1
            if num_rows >= store.ROWS_PER_SHARD:
                self._write_shard(shard_jobs)
                shard_jobs = []
                num_rows = 0
        return shard_jobs

    def _write_shard(self, shard_jobs: list[int]) -> None:
        """Write a shard, then the progress, then delete the results, so that an interrupted write is repeated."""
        tables = [store.read_table(self._result_path(number)) for number in shard_jobs]
        for table in tables:
            self.progress.tally.add_all(Tally(**parse_json(table.schema.metadata[TALLY], TALLY.decode())))
        shard = pa.concat_tables([table.replace_schema_metadata() for table in tables])
        if len(shard):
            store.write_shard(self.out, self.split, self.progress.num_shards, shard)
            self.progress.num_shards += 1
        self.progress.num_jobs = shard_jobs[-1] + 1
        self._write_progress(self.progress)
        for number in shard_jobs:
            self._result_path(number).unlink()
            del self.num_rows[number]

    def _resume(self, key: str) -> _Progress:
        """Return the progress of an earlier run with the same key; otherwise delete its files and start anew."""
        progress = self._read_progress()
        if progress is not None and progress.key == key:
            return progress
        store.remove_shards(self.out, self.split)
        store.remove_shards(self.folder, self.split)
        progress = _Progress(key)
        self._write_progress(progress)
        return progress

    def _read_progress(self) -> _Progress | None:
        try:
            content = read_json(self._progress_path)
        except FileNotFoundError:
            return None
        return _Progress(content["key"], content["num_jobs"], content["num_shards"], Tally(**content["tally"]))

    def _write_progress(self, progress: _Progress) -> None:
        write_text(self._progress_path, json.dumps(asdict(progress)) + "\n")

    @property
    def _progress_path(self) -> Path:
        return self.folder / f"{self.split}.json"

    def _result_path(self, number: int) -> Path:
        return self.folder / f"{self.split}-{number:07d}.arrow"


def remove_progress(out: Path) -> None:
    """Delete results and progress below a folder, once all its splits are complete."""
    shutil.rmtree(out / FOLDER, ignore_errors=True)
