"""Results of aligning a corpus, one line an utterance, from which an interrupted alignment resumes."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from zoo.corpora.utterance import Interval
from zoo.files import parse_json

FOLDER = ".aligned"  # folder of the results, below that of the prepared corpus


@dataclass(frozen=True)
class AlignmentResult:
    """What aligning one utterance gave.

    Args:
        key: Hash of everything that the result depends on.
        id: Id of the utterance.
        num_words: Number of words of its transcript.
        had_words: Whether it had word times before.
        words: (word, start, end) of each word that was aligned; None if none was.
        confidences: Confidence in each of these words.
        phonemes: (phone, start, end) of each phone that was aligned; None if none was.
        reasons: Why words or phones could not be aligned.
    """

    key: str
    id: str
    num_words: int
    had_words: bool
    words: list[Interval] | None = None
    confidences: list[float] | None = None
    phonemes: list[Interval] | None = None
    reasons: tuple[str, ...] = ()


def results_path(folder: Path, split: str) -> Path:
    """Return the file of the results of one split.

    Args:
        folder: Folder of the prepared corpus.
        split: Name of the split.
    """
    return folder / FOLDER / f"{split}.jsonl"


def read_results(path: Path) -> Iterator[AlignmentResult]:
    """Yield the results of a split."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield AlignmentResult(**parse_json(line, str(path)))


class ResultLog:
    """The results of a split in the order of its utterances: those of an earlier run are read, then new ones are added.

    Args:
        path: File of the results, made if there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "ResultLog":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.file = self.path.open("r+b")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:  # what follows is of utterances that are not there any more
            self.file.truncate()
        self.file.close()

    def next(self, key: str) -> AlignmentResult | None:
        """Return the next earlier result; or else None, after deleting the rest, which is of another corpus or aligner.

        Args:
            key: Hash of everything that the wanted result depends on.
        """
        start = self.file.tell()
        line = self.file.readline()
        if line.endswith(b"\n"):  # the last line of a killed run may lack its end
            result = AlignmentResult(**parse_json(line, str(self.path)))
            if result.key == key:
                return result
        self.file.seek(start)
        self.file.truncate()
        return None

    def add(self, result: AlignmentResult) -> None:
        """Write a result to disk."""
        self.file.write(json.dumps(asdict(result), ensure_ascii=False).encode() + b"\n")
        self.file.flush()
