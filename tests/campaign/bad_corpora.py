"""Tables, manifests, audio files and folders that are broken, foreign or hostile, as the corpus of a recipe."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from tests.campaign.outcomes import Case

RATE = 16000
ROW = {"audio": "audio/0.wav", "text": "a b"}
# What one recording is replaced by, by name of the case.
AUDIO: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "only a header": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "zeros": bytes(4000),
    "random": np.random.default_rng(0).bytes(4000),
    "a PDF": b"%PDF-1.4 " + bytes(2000),
    "an MP3 header": b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(500),
    "an MP4": b"\x00\x00\x00\x18ftypM4A " + bytes(500),
    "a zip": b"PK\x03\x04" + bytes(500),
    "HTML": b"<html>404 not found</html>",
    "a git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
}
SUFFIXES = (".wav", ".flac", ".mp3", ".m4a")
WHOLE_TABLES: dict[str, str | bytes] = {
    "empty.jsonl": "",
    "blank.jsonl": "\n\n\n",
    "text.jsonl": "hello",
    "numbers.jsonl": "1\n2\n",
    "lists.jsonl": "[1]\n[2]\n",
    "null.jsonl": "null\n",
    "open.jsonl": '{"audio": "audio/0.wav", "text": ',
    "deep.jsonl": '{"audio": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "one_json.json": json.dumps([ROW]),
    "binary.jsonl": b"\x00\x01\x02\xff\xfe",
    "utf16.jsonl": json.dumps(ROW).encode("utf-16"),
    "latin1.jsonl": '{"audio": "audio/0.wav", "text": "é"}'.encode("latin-1"),
    "gzip.jsonl": gzip.compress(json.dumps(ROW).encode()),
    "cut.jsonl.gz": gzip.compress(json.dumps(ROW).encode() * 50)[:60],
    "none.jsonl.gz": json.dumps(ROW),
    "empty.csv": "",
    "header.csv": "audio,text\n",
    "no_header.csv": "audio/0.wav,a b\n",
    "other_columns.csv": "a,b\n1,2\n",
    "no_audio.csv": "text,speaker\na,b\n",
    "twice.csv": "audio,audio,text\naudio/0.wav,audio/0.wav,a\n",
    "open_quote.csv": 'audio,text\naudio/0.wav,"a\n',
    "huge_field.csv": "audio,text\naudio/0.wav," + "a" * 200_000 + "\n",
    "nul.csv": "audio,text\naudio/0.wav,a\x00b\n",
    "semicolons.tsv": "audio;text\naudio/0.wav;a\n",
    "empty.tsv": "",
    "binary.parquet": b"PAR1" + bytes(100),
    "text.parquet": "hello",
    "empty.parquet": "",
    "pickle.pkl": b"\x80\x04\x95",
    "sheet.xlsx": b"PK\x03\x04" + bytes(100),
    "text.yaml": "a: 1",
    "recording.wav": b"RIFF" + bytes(100),
}
# Values of one field of every row.
FIELDS: dict[str, tuple[object, ...]] = {
    "audio": (None, 5, [], {}, "", " ", ".", "..", "/", "missing.wav", "audio", "\x00", "a" * 5000, "/dev/zero",
              "/dev/stdin", "/proc/self/mem", "pipe:cat audio/0.wav", "| cat audio/0.wav", "http://localhost:1/x.wav",
              "file:///etc/passwd", "../../canary.wav", "~/x.wav", "audio/0.wav\n", "$(touch pwned)"),
    "text": (None, 5, [], {}, "\ud83d", "a" * 2_000_000),
    "duration": ("long", -1, 0, float("inf"), 1e30, 10**400, True, [], 1e-9, 99),
    "start": ("a", -1, float("inf"), 99, [], True),
    "channel": (-1, 7, "a", 0.5, []),
    "id": ([], {}, 5, "../../x", "a/b", "\x00", "same"),
    "speaker": ([], {}, "\ud83d"),
    "words": (5, "a", [1], [["a"]], [["a", "b", "c"]], [["a", 1, 0]], [["a", float("nan"), 1]]),
}  # fmt: skip
MANIFESTS: dict[str, str] = {
    "no recording": '{"id": "a", "start": 0, "duration": 1, "channel": 0, "type": "MonoCut"}',
    "recording null": '{"id": "a", "start": 0, "duration": 1, "channel": 0, "recording": null, "type": "MonoCut"}',
    "unknown type": '{"id": "a", "start": 0, "duration": 1, "channel": 0, "type": "OtherCut"}',
    "text": "hello",
    "list": "[1]",
    "empty": "",
    "lazy nothing": '{"id": 5}',
}
SOURCES = ("command", "url", "memory", "file", "nothing", "shar")


def corpus(folder: Path, rows: int = 12) -> Path:
    """Write recordings and a table of them, and return the folder of the corpus."""
    (folder / "corpus" / "audio").mkdir(parents=True)
    for number in range(rows):
        samples = 0.1 * np.random.default_rng(number).standard_normal(RATE // 2)
        soundfile.write(folder / "corpus" / "audio" / f"{number}.wav", samples, RATE)
    return folder / "corpus"


def _table(folder: Path, name: str, text: str | bytes) -> None:
    path = corpus(folder) / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))


def _rows(folder: Path, field: str, value: object) -> None:
    """A table whose rows all have the same wrong field."""
    rows = [json.dumps({**ROW, "audio": f"audio/{number}.wav", field: value}) for number in range(12)]
    _table(folder, "train.jsonl", "\n".join(rows))


def _audio(folder: Path, content: bytes, suffix: str) -> None:
    """A folder of recordings with transcripts, all of which are broken."""
    (folder / "corpus").mkdir()
    for number in range(3):
        (folder / "corpus" / f"{number}{suffix}").write_bytes(content)
        (folder / "corpus" / f"{number}.txt").write_text("a b")


def _manifest(folder: Path, line: str) -> None:
    with gzip.open(corpus(folder) / "train_cuts.jsonl.gz", "wt") as file:
        file.write(line + "\n")


def _source(folder: Path, kind: str) -> None:
    """A Lhotse cut whose recording has a source of some kind; a command would leave a file behind."""
    source = {"type": kind, "channels": [0], "source": "touch pwned; cat corpus/audio/0.wav"}
    recording = {"id": "r", "sources": [source], "sampling_rate": RATE, "num_samples": 8000, "duration": 0.5}
    supervision = {"id": "s", "recording_id": "r", "start": 0, "duration": 0.5, "channel": 0, "text": "a"}
    cut = {"id": "c", "start": 0, "duration": 0.5, "channel": 0, "type": "MonoCut"}
    _manifest(folder, json.dumps(cut | {"recording": recording, "supervisions": [supervision]}))


def _tree(folder: Path, shape: str) -> None:
    """A folder that is no corpus."""
    root = folder / "corpus"
    if shape == "file":
        root.write_text("x")
        return
    if shape == "fifo":
        os.mkfifo(root)
        return
    if shape == "dangling link":
        root.symlink_to("nowhere")
        return
    root.mkdir()
    if shape == "link to itself":
        (root / "loop").symlink_to(".")
    elif shape == "fifo inside":
        os.mkfifo(root / "train.jsonl")
    elif shape == "audio fifo":
        os.mkfifo(root / "0.wav")
    elif shape == "table is a folder":
        (root / "train.jsonl").mkdir()
    elif shape == "only text":
        (root / "readme.txt").write_text("hello")
    elif shape == "unreadable":
        (root / "train.jsonl").write_text("")
        root.chmod(0)
    elif shape == "empty folders":
        (root / "train" / "speaker").mkdir(parents=True)
    elif shape == "kaldi without audio":
        (root / "wav.scp").write_text("a missing.wav\n")
        (root / "text").write_text("a hello\n")
    elif shape == "kaldi with a command":
        (root / "wav.scp").write_text("a touch pwned |\n")
        (root / "text").write_text("a hello\n")


def _recordings(folder: Path, samples: np.ndarray, rate: int, subtype: str) -> None:
    (folder / "corpus").mkdir()
    for number in range(3):
        soundfile.write(folder / "corpus" / f"{number}.wav", samples, rate, subtype=subtype)
        (folder / "corpus" / f"{number}.txt").write_text("a b")


def _run(kind: str, name: str, path: str, mentions: tuple[str, ...], prepare: Callable[[Path], object]) -> Case:
    arguments = ("run", "digits", f"corpus={path}", "--stage", "corpus", "out=runs/x")
    return Case(kind, name, arguments, (*mentions, "corpus"), prepare)


def cases() -> Iterator[Case]:
    for name, content in WHOLE_TABLES.items():
        yield _run("tables", name, f"corpus/{name}", (name,), partial(_table, name=name, text=content))
    for field, values in FIELDS.items():
        for value in values:
            prepare = partial(_rows, field=field, value=value)
            yield _run("tables", f"{field}={str(value)[:40]!r}", "corpus/train.jsonl", ("train",), prepare)
    for name, line in MANIFESTS.items():
        yield _run("manifests", name, "corpus", ("cuts",), partial(_manifest, line=line))
    for kind in SOURCES:
        yield _run("manifests", f"source of type {kind}", "corpus", (kind,), partial(_source, kind=kind))
    for name, content in AUDIO.items():
        for suffix in SUFFIXES:
            prepare = partial(_audio, content=content, suffix=suffix)
            yield _run("audio", f"{suffix}: {name}", "corpus", ("skipped.jsonl",), prepare)
    for name, samples, rate, subtype in recordings():
        prepare = partial(_recordings, samples=samples, rate=rate, subtype=subtype)
        yield _run("audio", name, "corpus", ("skipped.jsonl",), prepare)
    shapes = ("file", "fifo", "dangling link", "link to itself", "fifo inside", "audio fifo", "table is a folder")
    for shape in (*shapes, "only text", "empty", "empty folders", "kaldi without audio", "kaldi with a command"):
        yield _run("folders", shape, "corpus", ("corpus",), partial(_tree, shape=shape))


def recordings() -> list[tuple[str, np.ndarray, int, str]]:
    """Name, samples, sample rate and subtype of recordings that no recipe can use."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    return [
        ("no samples", np.zeros(0), RATE, "PCM_16"),
        ("one sample", np.zeros(1), RATE, "PCM_16"),
        ("NaN", np.full(RATE, np.nan), RATE, "FLOAT"),
        ("infinite", np.full(RATE, np.inf), RATE, "FLOAT"),
        ("one sample of 1e30", np.where(np.arange(RATE) == 5, 1e30, noise), RATE, "FLOAT"),
        ("a rate of 1 Hz", noise[:10], 1, "PCM_16"),
    ]
