"""Alignment of a prepared corpus into another one, with a report."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from lhotse.cut import Cut

from zoo.corpora.preparation import prepare, read_cuts
from zoo.corpora.source import BadItem, Items
from zoo.corpora.split_names import SPLITS
from zoo.files import atomic_file, read_json, write_text
from zoo.forced_alignment.aligned_corpus import Aligned
from zoo.forced_alignment.aligner import Aligner
from zoo.forced_alignment.alignment_results import FOLDER, AlignmentResult, read_results, results_path
from zoo.tokens.documents import MIN_CONFIDENCE


@dataclass(frozen=True)
class PreparedCorpus:
    """A corpus that a corpus stage has prepared, as a source.

    Args:
        folder: Folder filled by the stage.
    """

    folder: Path

    @property
    def synthetic(self) -> bool:
        return bool(read_json(self.folder / "corpus.json")["synthetic"])

    @property
    def description(self) -> str:
        """What the prepared corpus was read as.

        Raises:
            FileNotFoundError: The folder is no prepared corpus.
        """
        summary = self.folder / "corpus.json"
        if not summary.is_file():
            raise FileNotFoundError(f"{self.folder}: no prepared corpus; run the corpus stage first")
        return str(read_json(summary)["description"])

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits of the prepared corpus; nothing is written to ``folder``."""
        splits = {}
        for split in SPLITS:
            if (self.folder / f"{split}.jsonl.gz").is_file():
                splits[split] = Items(partial(_read_items, self.folder, split))
        return splits


def _read_items(folder: Path, split: str) -> Iterator[Cut | BadItem]:
    yield from read_cuts(folder, split)


@dataclass
class SplitAlignment:
    """Counts of one split.

    Args:
        utterances: Number of utterances with a transcript.
        had_words: Number of them that had word times before, which are kept.
        aligned: Number of them that were aligned.
        unaligned: Number of them without word times.
        words: Number of words of the utterances that had no word times.
        aligned_words: Number of these words that were aligned.
        mean_confidence: Mean confidence in these words.
        confident_words: Number of these words whose confidence is at least ``MIN_CONFIDENCE``: interleaving may switch
            before them.
        with_phones: Number of utterances whose phones were aligned.
    """

    utterances: int = 0
    had_words: int = 0
    aligned: int = 0
    unaligned: int = 0
    words: int = 0
    aligned_words: int = 0
    mean_confidence: float | None = None
    confident_words: int = 0
    with_phones: int = 0


def copy_prepared_corpus(out: Path, corpus: Path) -> None:
    """Write the same prepared corpus into another folder; its recordings stay where they are."""
    names = ["corpus.json", "skipped.jsonl", *(f"{split}.jsonl.gz" for split in SPLITS)]
    for name in names:
        if (corpus / name).is_file():
            with atomic_file(out / name) as temporary:
                shutil.copyfile(corpus / name, temporary)


def align_prepared_corpus(
    out: Path,
    corpus: Path,
    aligner: Aligner | None,
    phone_aligner: Aligner | None = None,
    num_processes: int = 1,
    max_unaligned_share: float = 0.5,
) -> dict[str, SplitAlignment]:
    """Write a prepared corpus with the word times, and perhaps phone times, that another one lacks.

    Besides the files of a prepared corpus, ``alignment.json`` has the counts of each split, and ``unaligned.jsonl``
    lists the utterances that could not be aligned, with the reasons. They are used without times.

    Args:
        out: Folder of the new corpus.
        corpus: Folder of the prepared corpus.
        aligner: Aligner that finds the word times; None to find phone times alone.
        phone_aligner: Aligner that finds the phone times; None for no phone times.
        num_processes: Number of processes that align.
        max_unaligned_share: Largest share of a split's utterances that may stay without word times.

    Raises:
        ValueError: A larger share could not be aligned.
    """
    source = Aligned(PreparedCorpus(corpus), aligner, phone_aligner, num_processes)
    summary = prepare(source, out, max_bad_share=1.0)
    counts = {}
    with atomic_file(out / "unaligned.jsonl") as temporary, temporary.open("w", encoding="utf-8") as unaligned:
        for split in summary.splits:
            counts[split] = _count(read_results(results_path(out, split)), split, unaligned)
    if aligner is not None:
        for split, split_counts in counts.items():
            _require_aligned(split_counts, split, max_unaligned_share, out / "unaligned.jsonl")
    rows = {split: asdict(split_counts) for split, split_counts in counts.items()}
    write_text(out / "alignment.json", json.dumps(rows, indent=2) + "\n")
    shutil.rmtree(out / FOLDER)
    return counts


def _count(results: Iterable[AlignmentResult], split: str, unaligned: TextIO) -> SplitAlignment:
    """Count the results of a split, and list those with reasons why something could not be aligned."""
    counts = SplitAlignment()
    total_confidence = 0.0
    for result in results:
        counts.with_phones += result.phonemes is not None
        if result.reasons:
            row = {"split": split, "id": result.id, "reasons": result.reasons}
            unaligned.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not result.num_words:
            continue
        counts.utterances += 1
        if result.had_words:
            counts.had_words += 1
            continue
        counts.words += result.num_words
        if result.words is None:
            counts.unaligned += 1
            continue
        counts.aligned += 1
        counts.aligned_words += len(result.words)
        total_confidence += sum(result.confidences or ())
        counts.confident_words += sum(confidence >= MIN_CONFIDENCE for confidence in result.confidences or ())
    if counts.aligned_words:
        counts.mean_confidence = round(total_confidence / counts.aligned_words, 4)
    return counts


def _require_aligned(counts: SplitAlignment, split: str, max_unaligned_share: float, listed: Path) -> None:
    """Raise a ValueError if a larger share of the utterances of a split could not be aligned."""
    total = counts.aligned + counts.unaligned
    if counts.unaligned <= max_unaligned_share * total:
        return
    with listed.open(encoding="utf-8") as lines:
        first = next(row for row in map(json.loads, lines) if row["split"] == split)
    raise ValueError(
        f"{counts.unaligned} of {total} utterances of {split!r} could not be aligned, more than max_unaligned_share "
        f"{max_unaligned_share:g}; the first: {first['id']}: {first['reasons'][0]}; all in {listed}"
    )
