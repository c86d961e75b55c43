"""Divide the tokenization of a corpus into jobs, which may run on any machine, in any order, and more than once."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import torch
from lhotse.cut import Cut

from zoo.corpora.portable_paths import portable
from zoo.files import read_json
from zoo.speech.encoders import SpeechEncoder
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import BATCH_SECONDS, tokenize_cuts
from zoo.tokens.contract import checksum
from zoo.tokens.store import rows_table
from zoo.tokens.vocabulary import Vocabulary

JOB_SECONDS = 300.0
PRECISIONS = ("32-true", "bf16-mixed")
TALLY = b"tally"  # key of the tally in the metadata of a result's table


@dataclass(frozen=True)
class TokenizationJob:
    """Consecutive utterances of a split.

    Args:
        number: Index among the jobs of the split.
        cuts: Utterances of at least ``JOB_SECONDS`` together, perhaps less in the last job.
        seconds: Duration of the utterances together.
    """

    number: int
    cuts: tuple[Cut, ...]
    seconds: float


def split_into_jobs(cuts: Iterable[Cut]) -> Iterator[TokenizationJob]:
    """Divide the cuts of a split, read lazily, into jobs; the division depends on nothing but the cuts."""
    number = 0
    job_cuts: list[Cut] = []
    seconds = 0.0
    for cut in cuts:
        job_cuts.append(cut)
        seconds += cut.duration
        if seconds >= JOB_SECONDS:
            yield TokenizationJob(number, tuple(job_cuts), seconds)
            number += 1
            job_cuts = []
            seconds = 0.0
    if job_cuts:
        yield TokenizationJob(number, tuple(job_cuts), seconds)


@dataclass(frozen=True)
class JobResult:
    """The result of one job.

    Args:
        number: Index of the job among those of the split.
        seconds: Duration of the job's utterances together.
        content: The rows as an Arrow file, with their tally in its metadata.
    """

    number: int
    seconds: float
    content: bytes


@dataclass(frozen=True)
class TokenizationSettings:
    """Settings of the tokenization, the same for all jobs; small enough to be sent to other processes and machines.

    Args:
        tokenizer: Folder of a speech tokenizer, at the same path for every worker.
        vocabulary: Folder of a vocabulary over the tokenizer, at the same path for every worker.
        speeds: Speeds at which each utterance is read, as in ``tokenize_cuts``.
        batch_seconds: Seconds of speech that are encoded at once, as in ``tokenize_cuts``.
        precision: ``32-true``, or ``bf16-mixed`` to multiply matrices in bfloat16.
        out: Folder of the tokens. Audio in a prepared corpus beside it is named relative to it, so that a run can be
            moved. None names all audio by absolute paths.

    Raises:
        ValueError: The precision is unknown, or a number is not positive.
    """

    tokenizer: Path
    vocabulary: Path
    speeds: tuple[float, ...] = (1.0,)
    batch_seconds: float = BATCH_SECONDS
    precision: str = PRECISIONS[0]
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r}: want one of {', '.join(PRECISIONS)}")
        if self.batch_seconds <= 0 or not self.speeds or min(self.speeds) <= 0:
            raise ValueError(
                f"batch_seconds and speeds must be positive, got {self.batch_seconds} and {list(self.speeds)}"
            )

    def create_worker(self, device: str) -> "TokenizationWorker":
        """Load tokenizer and vocabulary in the process that runs the jobs.

        Args:
            device: Torch device, such as ``cpu`` or ``cuda``.
        """
        return TokenizationWorker(self, device)

    @cached_property
    def key(self) -> str:
        """Hash of everything besides the corpus that the rows depend on."""
        contracts = [read_json(folder / "contract.json") for folder in (self.tokenizer, self.vocabulary)]
        return checksum([*contracts, list(self.speeds), self.precision])


class TokenizationWorker:
    """Runs jobs, one after another.

    Args:
        settings: Settings of the tokenization.
        device: Torch device of the tokenizer.
    """

    def __init__(self, settings: TokenizationSettings, device: str) -> None:
        self.settings = settings
        self.tokenizer = load_tokenizer(settings.tokenizer)
        self.vocabulary = Vocabulary.load(settings.vocabulary)
        if settings.precision == "bf16-mixed":
            # Listed first, since use_bfloat16 may exchange modules below the encoder.
            encoders = [module for module in self.tokenizer.modules() if isinstance(module, SpeechEncoder)]
            for encoder in encoders:
                encoder.use_bfloat16()
        self.tokenizer.to(torch.device(device))

    def __call__(self, job: TokenizationJob) -> JobResult:
        """Tokenize the utterances of a job."""
        tally = Tally()
        rows = tokenize_cuts(
            job.cuts, self.tokenizer, self.vocabulary, tally, self.settings.speeds, self.settings.batch_seconds
        )
        out = self.settings.out
        if out is not None:
            rows = (replace(row, audio=portable(row.audio, out)) for row in rows)
        table = rows_table(list(rows), self.tokenizer.streams).combine_chunks()
        table = table.replace_schema_metadata({TALLY: json.dumps(asdict(tally))})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return JobResult(job.number, job.seconds, sink.getvalue().to_pybytes())
