"""The work of tokenizing a corpus, divided into jobs that may be done anywhere, in any order, and more than once."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import torch
from lhotse.cut import Cut

from zoo.speech.encoders import SpeechEncoder
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import BATCH_SECONDS, tokenize_cuts
from zoo.tokens.contract import checksum
from zoo.tokens.store import rows_table
from zoo.tokens.vocabulary import Vocabulary

JOB_SECONDS = 300.0
PRECISIONS = ("32-true", "bf16-mixed")
TALLY = b"tally"


@dataclass(frozen=True)
class Job:
    """Utterances that follow one another in a split.

    Args:
        number: Place among the jobs of the split.
        cuts: Of at least ``JOB_SECONDS`` together, in the last job perhaps less.
        seconds: Of audio in them.
    """

    number: int
    cuts: tuple[Cut, ...]
    seconds: float


def jobs(cuts: Iterable[Cut]) -> Iterator[Job]:
    """Divide a split, read lazily; the division depends on nothing but the split."""
    number, held, seconds = 0, [], 0.0
    for cut in cuts:
        held.append(cut)
        seconds += cut.duration
        if seconds >= JOB_SECONDS:
            yield Job(number, tuple(held), seconds)
            number, held, seconds = number + 1, [], 0.0
    if held:
        yield Job(number, tuple(held), seconds)


@dataclass(frozen=True)
class Part:
    """What became of one job.

    Args:
        number: Of the job.
        seconds: Of audio in it.
        content: Its rows as an Arrow file, with the tally of them.
    """

    number: int
    seconds: float
    content: bytes


@dataclass(frozen=True)
class Work:
    """What is to be done with each job; small, so that it can be sent to other processes and machines.

    Args:
        tokenizer: Folder of a speech tokenizer, within reach of every worker.
        vocabulary: Folder of a vocabulary over it, likewise.
        speeds: See ``tokenize_cuts``.
        batch_seconds: See ``tokenize_cuts``.
        precision: ``32-true``, or ``bf16-mixed`` where matrices are to be multiplied in bfloat16.

    Raises:
        ValueError: Where the precision is another, or a number is not positive.
    """

    tokenizer: Path
    vocabulary: Path
    speeds: tuple[float, ...] = (1.0,)
    batch_seconds: float = BATCH_SECONDS
    precision: str = PRECISIONS[0]

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r}: want one of {', '.join(PRECISIONS)}")
        if self.batch_seconds <= 0 or not self.speeds or min(self.speeds) <= 0:
            raise ValueError(
                f"batch_seconds and speeds must be positive, got {self.batch_seconds} and {list(self.speeds)}"
            )

    def worker(self, device: str) -> "Worker":
        """Load what the work takes, in the process that does it.

        Args:
            device: Such as ``cpu`` or ``cuda``.
        """
        return Worker(self, device)

    @cached_property
    def key(self) -> str:
        """Hash of everything that the rows depend on beside the corpus."""
        contracts = [json.loads((folder / "contract.json").read_text()) for folder in (self.tokenizer, self.vocabulary)]
        return checksum([*contracts, list(self.speeds), self.precision])


class Worker:
    """Does jobs, one after another.

    Args:
        work: What to do.
        device: Where the tokenizer computes.
    """

    def __init__(self, work: Work, device: str) -> None:
        self.work = work
        self.tokenizer, self.vocabulary = load_tokenizer(work.tokenizer), Vocabulary.load(work.vocabulary)
        if work.precision == "bf16-mixed":
            for part in [part for part in self.tokenizer.modules() if isinstance(part, SpeechEncoder)]:
                part.use_bfloat16()
        self.tokenizer.to(torch.device(device))

    def __call__(self, job: Job) -> Part:
        tally, sink = Tally(), pa.BufferOutputStream()
        rows = list(
            tokenize_cuts(job.cuts, self.tokenizer, self.vocabulary, tally, self.work.speeds, self.work.batch_seconds)
        )
        table = rows_table(rows, self.tokenizer.streams).combine_chunks()
        table = table.replace_schema_metadata({TALLY: json.dumps(asdict(tally))})
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return Part(job.number, job.seconds, sink.getvalue().to_pybytes())
