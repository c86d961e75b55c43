"""The same corpus by every engine: byte-identical shards, whoever is killed."""

import json
import multiprocessing
import os
import shutil
import signal

import numpy as np
import pytest
import soundfile
import torch

from recipes.stages.corpus import prepare_corpus
from recipes.stages.tokens import tokenize_corpus
from tests.toy_tokens import words_vocabulary
from zoo.audio import write
from zoo.corpora import open_corpus
from zoo.corpora.preparation import read_cuts
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers import jobs as jobs_module
from zoo.tokenizers.engines import LocalProcesses, OneDevice
from zoo.tokenizers.jobs import TokenizationSettings, split_into_jobs
from zoo.tokenizers.resumable_shards import FOLDER, ShardWriter
from zoo.tokenizers.speech_tokenizer import Base
from zoo.tokens import store
from zoo.tokens.contract import write_contract
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

SPEEDS = [1.0, 1.1]


def make_run(run, lengths):
    """A corpus of noises of so many samples, with bad ones among them, and a tokenizer and vocabulary for it."""
    draw, lines = torch.Generator().manual_seed(0), []
    for number, length in enumerate(lengths):
        write(run / "audio" / f"{number}.wav", 0.1 * torch.randn(length, generator=draw), 16000)
        lines.append(
            {
                "id": f"u{number}",
                "audio": f"../audio/{number}.wav",
                "text": "anna tom",
                "language": "en",
                "speaker": f"s{number % 3}",
                "style": None,
                "words": None,
            }
        )
    (run / "table").mkdir()
    for split, part in (("train", lines[:-2]), ("dev", lines[-2:])):
        (run / "table" / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in part))
    prepare_corpus(run / "corpus", open_corpus(run / "table"))
    soundfile.write(run / "audio" / "3.wav", np.full(lengths[3], np.nan), 16000, subtype="FLOAT")
    encoder = FilterbankEncoder()
    quantizer = KMeans(20, encoder.dim, switch_penalty=0.5)
    quantizer.centroids.copy_(0.3 * torch.randn(20, encoder.dim, generator=draw))
    tokenizer = Base(PhoneticUnits(encoder, quantizer))
    tokenizer.save(run / "tokenizer")
    vocabulary = Vocabulary(words_vocabulary().text, tokenizer.streams, multiple=8)
    vocabulary.save(run / "vocabulary")
    write_contract(run / "vocabulary", {**tokenizer.contract, "vocabulary": vocabulary.contract})


def tokens(run, out, **options):
    options = {"train_speeds": SPEEDS, "max_bad_share": 0.2, "engine": OneDevice("cpu")} | options
    tokenize_corpus(out, run / "corpus", run / "tokenizer", run / "vocabulary", **options)
    return content(out)


def content(out):
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def lengths():
    """Of 40 utterances of up to 3 s; the second is under 80 ms, the third has just one unit."""
    draw = torch.randint(3000, 48000, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    draw[1:3] = [1200, 1290]
    return draw


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    make_run(run, lengths())
    return run


@pytest.fixture(autouse=True)
def small_jobs(monkeypatch):
    """Of 5 s, four or five utterances, and shards of 20 rows."""
    monkeypatch.setattr(jobs_module, "JOB_SECONDS", 5.0)
    monkeypatch.setattr(store, "ROWS_PER_SHARD", 20)


@pytest.fixture(scope="module")
def want(run, tmp_path_factory):
    """Made in this process without a stop."""
    patch = pytest.MonkeyPatch()
    patch.setattr(jobs_module, "JOB_SECONDS", 5.0)
    patch.setattr(store, "ROWS_PER_SHARD", 20)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tokens(run, tmp_path_factory.mktemp("want") / "tokens")
    torch.set_num_threads(threads)
    patch.undo()


def test_rows_come_in_order_and_bad_ones_are_counted(run, want, tmp_path):
    for name, data in want.items():
        (tmp_path / name).write_bytes(data)
    table = TokenTable(tmp_path, "train")
    names = [f"u{number}" for number in range(38) if number != 3]
    assert [row.id for row in table] == [id for name in names for id in (name, f"{name}@1.1")]
    assert sum(name.startswith("train-") for name in want) >= 3
    counts = json.loads(want["tokens.json"])
    assert counts["train"]["utterances"] == 37 and counts["train"]["skipped"] == 1 and counts["train"]["empty"] >= 2
    assert len(table[2].units["Hu"]) == len(table[2].speech_ids) == 0 and len(table[4].units["Hu"]) == 2
    (skipped,) = map(json.loads, want["skipped.jsonl"].decode().splitlines())
    assert skipped["id"] == "u3" and "NaN" in skipped["reason"]


@pytest.mark.parametrize(
    "engine, options",
    [
        (OneDevice("cpu"), {"batch_seconds": 0.1}),
        (OneDevice("cpu"), {"batch_seconds": 1000.0}),
        (LocalProcesses(1), {}),
        (LocalProcesses(3), {"batch_seconds": 4.0}),
    ],
)
def test_files_are_the_same_whatever_the_batches_and_the_processes(run, want, tmp_path, engine, options):
    assert tokens(run, tmp_path / "tokens", engine=engine, **options) == want


class DiesAfter(OneDevice):
    """Is killed after so many jobs."""

    def __init__(self, count):
        super().__init__("cpu")
        self.count = count

    def run(self, work, jobs):
        for done, part in enumerate(super().run(work, jobs)):
            if done == self.count:
                raise KeyboardInterrupt
            yield part


class Counts(LocalProcesses):
    """Notes which jobs it is given."""

    def run(self, work, jobs):
        self.given = []
        yield from super().run(work, (self.given.append(job.number) or job for job in jobs))


@pytest.mark.parametrize("done", [0, 5, 9])
def test_a_killed_run_goes_on_with_the_jobs_that_are_missing(run, want, tmp_path, done):
    with pytest.raises(KeyboardInterrupt):
        tokens(run, tmp_path / "tokens", engine=DiesAfter(done))
    rest = Counts(2)
    assert tokens(run, tmp_path / "tokens", engine=rest) == want and not (tmp_path / "tokens" / FOLDER).exists()
    last_of_all = len(list(split_into_jobs(read_cuts(run / "corpus", "dev"))))
    assert rest.given == list(range(last_of_all))  # of the last split, which had not begun


def test_finished_jobs_are_not_done_again(run, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tokens(run, tmp_path / "tokens", engine=DiesAfter(7))
    writer = ShardWriter(
        tmp_path / "tokens", "train", json.loads((tmp_path / "tokens" / FOLDER / "train.json").read_text())["key"]
    )
    assert [number in writer for number in range(9)] == [True] * 7 + [False] * 2 and writer.progress.num_shards > 0


def test_parts_made_with_other_settings_are_thrown_away(run, want, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tokens(run, tmp_path / "tokens", engine=DiesAfter(7), train_speeds=[1.0, 0.8])
    assert tokens(run, tmp_path / "tokens") == want


def test_a_shard_that_was_written_but_not_noted_is_written_again(run, want, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "zoo.tokenizers.resumable_shards.write_text",
        lambda path, text: killed() if 'num_shards": 1' in text else path.write_text(text),
    )

    def killed():
        raise KeyboardInterrupt

    (tmp_path / "tokens" / FOLDER).mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        tokens(run, tmp_path / "tokens")
    assert (tmp_path / "tokens" / "train-00000.arrow").is_file()
    monkeypatch.undo()
    monkeypatch.setattr(jobs_module, "JOB_SECONDS", 5.0)
    monkeypatch.setattr(store, "ROWS_PER_SHARD", 20)
    assert tokens(run, tmp_path / "tokens") == want


class KillsOne(LocalProcesses):
    """One of its processes is killed after the first job."""

    def run(self, work, jobs):
        for done, part in enumerate(super().run(work, jobs)):
            yield part
            if done == 0:
                multiprocessing.active_children()[0].kill()


def test_a_process_that_was_killed_is_one_clear_line_and_the_rest_goes_on_later(run, want, tmp_path):
    with pytest.raises(
        ChildProcessError,
        match="one of 2 processes that tokenize was killed.*set a lower num_processes and run again",
    ):
        tokens(run, tmp_path / "tokens", engine=KillsOne(2))
    assert tokens(run, tmp_path / "tokens") == want


@pytest.mark.parametrize(
    "make",
    [
        lambda: LocalProcesses(0),
        lambda: TokenizationSettings("a", "b", batch_seconds=0.0),
        lambda: TokenizationSettings("a", "b", speeds=()),
        lambda: TokenizationSettings("a", "b", precision="fp16"),
    ],
)
def test_impossible_settings_are_errors(make):
    with pytest.raises(
        ValueError, match="num_processes must be|must be positive|precision='fp16': want one of 32-true, bf16-mixed"
    ):
        make()


def test_jobs_hold_all_utterances_once_in_order(run):
    cuts = list(read_cuts(run / "corpus", "train"))
    made = list(split_into_jobs(cuts))
    assert [cut.id for job in made for cut in job.cuts] == [cut.id for cut in cuts] and [
        job.number for job in made
    ] == list(range(len(made)))
    assert all(job.seconds == sum(cut.duration for cut in job.cuts) >= 5.0 for job in made[:-1])


def test_ray_makes_the_same_files_though_a_worker_is_killed(run, want, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    from zoo.tokenizers import ray_engine

    shutil.copytree(run / "corpus", tmp_path / "corpus")
    (tmp_path / "corpus" / "dev.jsonl.gz").unlink()
    killed = tmp_path / "killed"

    class DiesOnce(ray_engine._Actor):
        """The worker that gets the third job is killed in the middle of it."""

        def run(self, job):
            if job.number == 2 and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().run(job)

    monkeypatch.setattr(ray_engine, "_Actor", DiesOnce)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    engine = ray_engine.RayEngine(num_workers=2)
    tokenize_corpus(
        tmp_path / "tokens", tmp_path / "corpus", run / "tokenizer", run / "vocabulary", SPEEDS, 0.2, engine
    )
    assert killed.exists() and not ray.is_initialized()
    made, wanted = (
        {name: data for name, data in files.items() if name.startswith("train-")}
        for files in (content(tmp_path / "tokens"), want)
    )
    assert len(made) >= 3 and made == wanted
