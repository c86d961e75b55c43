"""Arguments of the commands that use a finished run, damaged folders of it, and limits of the machine."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from tests.campaign.bad_corpora import RATE, corpus
from tests.campaign.outcomes import Case

RUN = ("--run", "runs/tiny")
TEXT = ("generate", *RUN, "--text", "anna went")
UNITS = ("vocode", *RUN, "--units", "[Hu1][Hu2]", "--out", "out.wav")
AGAIN = ("resynthesize", "speech.wav", *RUN, "--out", "out.wav")
COMPARE = ("compare", "A=runs/tiny/tokenizer/tokenizer", "--corpus", "runs/tiny/corpus", "--out", "out")
ARGUMENTS = (
    ("generate",),
    ("generate", "--run", "nowhere", "--text", "a"),
    ("generate", "--run", "speech.wav", "--text", "a"),
    ("generate", "--run", ".", "--text", "a"),
    (*TEXT, "--to", "speech"),
    (*TEXT, "--to", "song"),
    (*TEXT, "--out", "out.xyz"),
    (*TEXT, "--out", "out"),
    (*TEXT, "--out", "."),
    (*TEXT, "--out", "/proc/out.wav"),
    (*TEXT, "--out", "-"),
    (*TEXT, "--out", ""),
    (*TEXT, "--temperature", "-1"),
    (*TEXT, "--temperature", "nan"),
    (*TEXT, "--temperature", "inf"),
    (*TEXT, "--temperature", "abc"),
    (*TEXT, "--top-p", "0"),
    (*TEXT, "--top-p", "-1"),
    (*TEXT, "--top-p", "2"),
    (*TEXT, "--top-p", "nan"),
    (*TEXT, "--max-new-tokens", "0"),
    (*TEXT, "--max-new-tokens", "-5"),
    (*TEXT, "--max-new-tokens", "1000000000"),
    (*TEXT, "--max-new-tokens", "abc"),
    (*TEXT, "--seconds", "0"),
    (*TEXT, "--seconds", "-1"),
    (*TEXT, "--seconds", "nan"),
    (*TEXT, "--seconds", "inf"),
    (*TEXT, "--seed", "-1"),
    (*TEXT, "--seed", "99999999999999999999999"),
    (*TEXT, "--seed", "abc"),
    (*TEXT, "--device", "nothing"),
    (*TEXT, "--device", "cuda:99"),
    (*TEXT, "--device", ""),
    (*TEXT, "--speaker", "nobody", "--to", "speech", "--out", "out.wav"),
    (*TEXT, "--speaker", "99", "--to", "speech", "--out", "out.wav"),
    (*TEXT, "--adapter", "nowhere"),
    (*TEXT, "--language-model", "nowhere"),
    (*TEXT, "--tokenizer", "nowhere"),
    (*TEXT, "--vocoder", "nowhere"),
    (*TEXT, "--language-model", "runs/tiny/tokenizer/tokenizer"),
    (*TEXT, "--tokenizer", "runs/tiny/vocoder/vocoder"),
    (*TEXT, "--vocoder", "runs/tiny/tokenizer/tokenizer"),
    ("generate", *RUN, "--speech", "missing.wav"),
    ("generate", *RUN, "--speech", "text.wav"),
    ("generate", *RUN, "--speech", "."),
    ("generate", *RUN, "--speech", "short.wav"),
    ("vocode", *RUN, "--out", "out.wav"),
    (*UNITS, "--units", ""),
    (*UNITS, "--units", "hello"),
    (*UNITS, "--units", "[Hu999999]"),
    (*UNITS, "--units", "[Hu-1]"),
    (*UNITS, "--units", "[Pi1]"),
    (*UNITS, "--units", "[Hu1"),
    (*UNITS, "--units", "[Hu1][St1]"),
    (*UNITS, "--units", "-"),
    (*UNITS, "--speaker", "nobody"),
    (*UNITS, "--speaker", "-1"),
    (*UNITS, "--speaker", "99"),
    (*UNITS, "--style", "happy"),
    (*UNITS, "--out", "out.xyz"),
    (*UNITS, "--out", "."),
    (*UNITS, "--vocoder", "nowhere"),
    (*UNITS, "--vocoder", "runs/tiny/tokenizer/tokenizer"),
    ("resynthesize", "missing.wav", *RUN, "--out", "out.wav"),
    ("resynthesize", "text.wav", *RUN, "--out", "out.wav"),
    ("resynthesize", "short.wav", *RUN, "--out", "out.wav"),
    ("resynthesize", ".", *RUN, "--out", "out.wav"),
    (*AGAIN, "--out", "out.xyz"),
    (*AGAIN, "--out", "."),
    (*AGAIN, "--speaker", "nobody"),
    (*AGAIN, "--style", "happy"),
    (*AGAIN, "--tokenizer", "runs/tiny/vocoder/vocoder"),
    ("resynthesize", "speech.wav", "--out", "out.wav"),
    (*COMPARE, "--split", "nothing"),
    (*COMPARE, "--limit", "0"),
    (*COMPARE, "--limit", "-1"),
    (*COMPARE, "--limit", "abc"),
    (*COMPARE, "--seed", "-1"),
    (*COMPARE, "--corpus", "nowhere"),
    (*COMPARE, "--corpus", "runs/tiny/tokenizer"),
    ("compare", "runs/tiny/tokenizer/tokenizer", "--corpus", "runs/tiny/corpus", "--out", "out"),
    ("compare", "A=nowhere", "--corpus", "runs/tiny/corpus", "--out", "out"),
    ("compare", "A=", "--corpus", "runs/tiny/corpus", "--out", "out"),
    ("export", *RUN),
    ("export", *RUN, "--out", "runs/tiny/vocabulary"),
    ("export", "--run", "nowhere", "--out", "out"),
    ("export", *RUN, "--out", "out", "--merge"),
    ("export", *RUN, "--out", "out", "--to", "onnx"),
    ("export", *RUN, "--out", "speech.wav"),
    ("import", "spiritlm", "nowhere", "--out", "out"),
    ("import", "spiritlm", "runs/tiny", "--out", "out"),
    ("import", "other", "nowhere", "--out", "out"),
    ("evaluate",),
    ("evaluate", "nowhere", "--suite", "story_cloze"),
    ("evaluate", "runs/tiny"),
    ("evaluate", "runs/tiny", "--suite", "nothing"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--limit", "0"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--limit", "-1"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--seed", "-1"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--shots", "-1"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--runs", "0"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--device", "nothing"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--table", "missing.jsonl"),
    ("evaluate", "runs/tiny", "--suite", "story_cloze", "--table", "text.wav"),
    ("evaluate", "runs/tiny", "--table", "text.wav", "--task", "nothing"),
    ("evaluate", "runs/tiny", "--convert", "swuggy", "nowhere"),
    ("evaluate", "runs/tiny", "--convert", "swuggy", "nowhere", "--table", "out"),
    ("evaluate", "runs/tiny", "--convert", "nothing", "nowhere", "--table", "out"),
    ("evaluate", "runs/tiny", "--harness", "arc_easy"),
)
DAMAGE = ("missing", "empty", "cut", "text", "foreign JSON", "list")
FILES = {
    "language_model/model/config.json": TEXT,
    "language_model/model/model.safetensors": TEXT,
    "language_model/model/vocabulary.json": TEXT,
    "language_model/model/contract.json": TEXT,
    "tokenizer/tokenizer/tokenizer.json": AGAIN,
    "tokenizer/tokenizer/contract.json": AGAIN,
    "vocoder/vocoder/vocoder.json": UNITS,
    "vocoder/vocoder/contract.json": UNITS,
}
LIMITS = (8, 12, 16, 20, 24, 32, 40, 48, 64)


def cases(run: Path) -> Iterator[Case]:
    """Yield all cases.

    Args:
        run: A finished tiny run of the quickstart.
    """
    for arguments in ARGUMENTS:
        mentions = (*(word for word in arguments if len(word) > 1), "required")
        yield Case("arguments", " ".join(arguments), arguments, mentions, partial(_inputs, run=run))
    for file, arguments in FILES.items():
        for damage in DAMAGE:
            prepare = partial(_damaged, run=run, file=file, damage=damage)
            mentions = (Path(file).name, str(Path(file).parent), "runs/tiny")
            is_legal = file.endswith("contract.json") and damage == "missing"  # as in released checkpoints
            case = Case("run folders", f"{file} {damage}", arguments, mentions, prepare, is_legal, writes="out.wav")
            yield case
    for files in LIMITS:
        arguments = ("run", "digits", "corpus=corpus", "--stage", "corpus", "out=runs/x")
        yield Case("limits", f"{files} open files", arguments, ("files", "open"), corpus, files=files, is_legal=True)


def _inputs(folder: Path, run: Path) -> None:
    """A run, a recording, a very short one, and a file that is none."""
    (folder / "runs").mkdir()
    (folder / "runs" / "tiny").symlink_to(run)
    soundfile.write(folder / "speech.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    soundfile.write(folder / "short.wav", np.zeros(3), RATE)
    (folder / "text.wav").write_text("hello")


def _damaged(folder: Path, run: Path, file: str, damage: str) -> None:
    """A copy of a run in which one file is damaged."""
    _inputs(folder, run)
    (folder / "runs" / "tiny").unlink()
    shutil.copytree(run, folder / "runs" / "tiny", ignore=shutil.ignore_patterns("logs", "demo", "checkpoints"))
    candidates = sorted((folder / "runs" / "tiny").glob(file))
    path = candidates[0] if candidates else folder / "runs" / "tiny" / file
    if damage == "missing":
        path.unlink(missing_ok=True)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "text":
        path.write_text("hello")
    elif damage == "list":
        path.write_text("[1, 2]")
    else:
        path.write_text('{"a": 1}')
