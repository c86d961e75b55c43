"""Manifests of fairseq: a .tsv of files with their numbers of samples, and labels by line in files beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from zoo.corpora.row import Row, RowReader
from zoo.corpora.row_corpus import RowCorpus
from zoo.corpora.split_names import splits_of
from zoo.corpora.text_lines import TextLine, text_lines
from zoo.files import is_special

SUFFIX = ".tsv"
# Labels that are texts, words before letters. Units (.km) and phonemes without times (.phn) are no texts.
LABEL_SUFFIXES = (".wrd", ".ltr")


@dataclass(frozen=True)
class FairseqCorpus(RowCorpus):
    """Manifests of fairseq, with texts or without.

    The first line of ``{split}.tsv`` is the folder of the audio, each other line a file and its number of samples;
    ``{split}.wrd`` or ``{split}.ltr`` has the texts.

    Args:
        path: A folder of manifests, or one of them.
        language: BCP-47, of every utterance.
        dev_share: Approximate share of the utterances that is held out if there is no manifest of a dev split.
    """

    @property
    def description(self) -> str:
        files = [file for files in fairseq_manifests(self.path).values() for file in files]
        labels = _label_file(files[0])
        texts = f"texts in {labels.suffix}" if labels else "speech without text"
        return f"{self.path}: fairseq manifests ({', '.join(file.name for file in files)}), {texts}"

    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: There is no manifest of training data.
        """
        files = fairseq_manifests(self.path)
        if "train" not in files:
            raise FileNotFoundError(f"{self.path}: no fairseq manifest train.tsv")
        return {split: RowReader(partial(_rows, manifests)) for split, manifests in files.items()}


def fairseq_manifests(path: Path) -> dict[str, list[Path]]:
    """Return the manifests at a path by split; a single one is ``train``."""
    if path.is_file():
        return {"train": [path]} if is_fairseq_manifest(path) else {}
    files = [file for file in sorted(path.iterdir()) if file.suffix == SUFFIX and is_fairseq_manifest(file)]
    if len(files) == 1:
        return {"train": files}
    manifests: dict[str, list[Path]] = {}
    for name, split in splits_of(file.name for file in files).items():
        manifests.setdefault(split, []).append(path / name)
    return manifests


def is_fairseq_manifest(path: Path) -> bool:
    """Return whether a file has a folder in its first line and a path with a number of samples in its second."""
    if is_special(path) or path.suffix != SUFFIX:
        return False
    lines = []
    try:
        for line in text_lines(path):
            lines.append(line.text)
            if len(lines) == 2:
                break
    except (OSError, ValueError):
        return False
    if len(lines) < 2 or "\t" in lines[0]:
        return False
    cells = lines[1].split("\t")
    return len(cells) == 2 and cells[1].strip().isdigit()


def _rows(manifests: list[Path]) -> Iterator[Row]:
    for manifest in manifests:
        yield from _manifest_rows(manifest)


def _manifest_rows(manifest: Path) -> Iterator[Row]:
    lines = text_lines(manifest)
    root = Path(next(lines).text.strip())
    # The folder of another machine is where the manifest is now.
    root = root if root.is_dir() else manifest.parent
    labels = _label_file(manifest)
    texts = text_lines(labels) if labels else ()
    for line, label in zip_longest(lines, texts):
        if line is None:
            if label is not None and label.text.strip():
                yield Row(labels or manifest, label.number, problem=f"a text without a line in {manifest.name}")
            continue
        if line.text.strip() or line.problem:
            yield _row(manifest, line, label, labels, root)


def _row(manifest: Path, line: TextLine, label: TextLine | None, labels: Path | None, root: Path) -> Row:
    audio, _, samples = line.text.partition("\t")
    columns: dict[str, Any] = {"audio": audio, "text": "", "num_samples": None}
    problem = line.problem
    if samples.strip().isdecimal() and len(samples) < 20:
        columns["num_samples"] = int(samples)
    elif problem is None:
        problem = f"want a path, a tab and a number of samples, got {line.text[:60]!r}"
    if problem is None and labels is not None:
        problem = f"no text in line {line.number - 1} of {labels.name}" if label is None else label.problem
        columns["text"] = "" if label is None else _text(label.text, labels.suffix)
    return Row(manifest, line.number, columns, problem, partial(_below, root))


def _below(root: Path, audio: str) -> Path:
    return root / audio


def _text(label: str, suffix: str) -> str:
    # Letters are separated by spaces, words by pipes.
    return label.replace(" ", "").replace("|", " ").strip() if suffix == ".ltr" else label


def _label_file(manifest: Path) -> Path | None:
    for suffix in LABEL_SUFFIXES:
        if manifest.with_suffix(suffix).is_file():
            return manifest.with_suffix(suffix)
    return None
