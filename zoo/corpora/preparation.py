"""Check a corpus and write the manifests of cuts that all later stages read."""

import gzip
import io
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from lhotse import CutSet
from lhotse.cut import Cut
from tqdm import tqdm

from zoo import files
from zoo.corpora.checks import check_cut
from zoo.corpora.lhotse_manifests import LazyManifest
from zoo.corpora.portable_paths import make_portable
from zoo.corpora.source import BadItem, Source
from zoo.corpora.split_names import SPLITS
from zoo.corpora.split_overlap import SplitOverlap
from zoo.corpora.utterance import audio_name, to_utterance


@dataclass
class SplitSummary:
    """Counts of one split.

    Args:
        utterances: Number of usable utterances.
        hours: Hours of speech in them.
        with_words: Number of utterances with word times.
        skipped: Number of unusable utterances, which no other count includes.
        times_repaired: Number of utterances whose word or phoneme times were repaired.
        times_dropped: Number of utterances that are used without their word and phoneme times, which are wrong.
        speakers: Number of utterances by speaker.
        languages: Number of utterances by language.
        styles: Number of utterances by style; ``none`` if it is not known.
    """

    utterances: int = 0
    hours: float = 0.0
    with_words: int = 0
    skipped: int = 0
    times_repaired: int = 0
    times_dropped: int = 0
    speakers: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)


@dataclass
class CorpusSummary:
    """Content of ``corpus.json``.

    Args:
        source: Source of the corpus with its arguments, as text.
        description: What it was read as.
        synthetic: Whether the speech is synthetic.
        splits: Counts of each split by its name.
        warnings: What the splits share.
    """

    source: str
    description: str
    synthetic: bool
    splits: dict[str, SplitSummary]
    warnings: list[str] = field(default_factory=list)


def prepare(
    source: Source, out: Path, max_bad_share: float = 0.05, check_samples: bool = False, strict: bool = False
) -> CorpusSummary:
    """Check a corpus and write ``{split}.jsonl.gz`` (Lhotse cuts), ``skipped.jsonl`` and ``corpus.json`` to ``out``.

    One utterance at a time is in memory. The same source gives the same files. ``skipped.jsonl`` lists the utterances
    that are left out, and those that are used without their word times, each with its file, line and reason.

    Args:
        source: The corpus.
        out: Folder of the prepared corpus, made if needed.
        max_bad_share: Largest share of a split's utterances that may be unusable, and of the corpus' utterances whose
            word or phoneme times may be.
        check_samples: Whether to decode every file, to find NaN, infinity and digital silence as well.
        strict: Whether to warn of speakers that train and held-out splits share, as of audio.

    Raises:
        ValueError: More than ``max_bad_share`` is unusable, or a split is empty.
    """
    out.mkdir(parents=True, exist_ok=True)
    summary = CorpusSummary(str(source), source.description, source.synthetic, {})
    splits = source.splits(out)
    overlap = SplitOverlap()
    with ExitStack() as manifests:
        # Names of files may hold bytes that are no UTF-8.
        with (
            files.atomic_file(out / "skipped.jsonl") as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace") as skipped,
        ):
            for split, items in splits.items():
                manifest = manifests.enter_context(_gzip_writer(out / f"{split}.jsonl.gz"))
                writer = _SplitWriter(split, manifest, skipped, overlap, check_samples, out)
                summary.splits[split] = writer.write(items)
        # The manifests become visible only after this check.
        require_usable(summary, out / "skipped.jsonl", max_bad_share)
    summary.warnings = overlap.warnings({name: split.speakers for name, split in summary.splits.items()}, strict)
    for split in set(SPLITS) - set(splits):
        (out / f"{split}.jsonl.gz").unlink(missing_ok=True)
    files.write_text(out / "corpus.json", json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n")
    return summary


def read_cuts(folder: Path, split: str) -> CutSet:
    """Open the cuts of one split of a prepared corpus, lazily.

    Args:
        folder: Folder filled by :func:`prepare`.
        split: Name of the split, such as ``train``.

    Raises:
        FileNotFoundError: The folder has no such split.
    """
    path = Path(folder) / f"{split}.jsonl.gz"
    if not path.is_file():
        splits = [name for name in SPLITS if (Path(folder) / f"{name}.jsonl.gz").is_file()]
        remedy = f"it has {', '.join(splits)}" if splits else "run the corpus stage first"
        raise FileNotFoundError(f"{path}: no split {split!r} of a prepared corpus; {remedy}")
    return CutSet(LazyManifest(path))


def first_hours(cuts: Iterable[Cut], hours: float | None) -> Iterator[Cut]:
    """Yield the first cuts, up to and including the one that passes the limit.

    Args:
        cuts: Cuts of a corpus.
        hours: Limit in hours; None for all cuts.
    """
    seconds = 0.0
    for cut in cuts:
        if hours is not None and seconds > 3600 * hours:
            return
        yield cut
        seconds += cut.duration


class _SplitWriter:
    """Writes the usable cuts of a split to its manifest, and lists the others.

    Args:
        split: Name of the split.
        manifest: File of the cuts.
        skipped: File of the list, of all splits.
        overlap: Record of the audio of all splits.
        check_samples: Whether to decode every file.
        folder: Folder of the prepared corpus.
    """

    def __init__(
        self, split: str, manifest: TextIO, skipped: TextIO, overlap: SplitOverlap, check_samples: bool, folder: Path
    ) -> None:
        self.folder = folder
        self.split = split
        self.manifest = manifest
        self.skipped = skipped
        self.overlap = overlap
        self.check_samples = check_samples
        self.summary = SplitSummary()

    def write(self, items: Iterable[Cut | BadItem]) -> SplitSummary:
        """Write all items and return their counts."""
        id_hashes: set[int] = set()  # hashes take less memory than the ids
        for item in tqdm(items, desc=f"corpus {self.split}", unit=" utterances", delay=3, disable=None):
            if isinstance(item, BadItem):
                self._skip(item)
                continue
            checked = check_cut(item, self.check_samples)
            is_known_audio = self.overlap.add(item, self.split)
            if checked.problem is None and hash(item.id) in id_hashes:
                remedy = (
                    "; so does its audio: parts of one file need start and duration, or ids" if is_known_audio else ""
                )
                checked.problem = f"its id {item.id!r} occurs twice{remedy}"
            if checked.problem is not None:
                self._skip(BadItem(item.id, audio_name(item), checked.problem, checked.file, checked.line))
                continue
            id_hashes.add(hash(item.id))
            self.summary.times_repaired += checked.times_repaired
            if checked.times_problem is not None:
                self.summary.times_dropped += 1
                bad = BadItem(item.id, audio_name(item), checked.times_problem, checked.file, checked.line)
                self._list(bad, "word times")
            _count(item, self.summary)
            content = item.to_dict()
            make_portable(content, self.folder)
            self.manifest.write(json.dumps(content, ensure_ascii=False) + "\n")
        self.summary.hours = round(self.summary.hours, 6)
        return self.summary

    def _skip(self, item: BadItem) -> None:
        self.summary.skipped += 1
        self._list(item, "utterance")

    def _list(self, item: BadItem, skipped: str) -> None:
        row = {"split": self.split, "skipped": skipped, **asdict(item)}
        self.skipped.write(json.dumps(row, ensure_ascii=False) + "\n")


def _count(cut: Cut, summary: SplitSummary) -> None:
    """Add a cut to the counts of its split."""
    utterance = to_utterance(cut)
    style = utterance.style or "none"
    summary.utterances += 1
    summary.hours += utterance.duration / 3600
    summary.with_words += utterance.words is not None
    summary.speakers[utterance.speaker] = summary.speakers.get(utterance.speaker, 0) + 1
    summary.languages[utterance.language] = summary.languages.get(utterance.language, 0) + 1
    summary.styles[style] = summary.styles.get(style, 0) + 1


def require_usable(summary: CorpusSummary, skipped: Path, max_bad_share: float) -> None:
    """Raise a ValueError if too many utterances of a split, or too many word times of the corpus, are unusable."""
    for split, counts in summary.splits.items():
        total = counts.utterances + counts.skipped
        if total == 0:
            raise ValueError(f"{summary.description}: split {split!r} is empty")
        if counts.skipped > max_bad_share * total or counts.utterances == 0:
            raise ValueError(
                f"{counts.skipped} of {total} utterances of {split!r} are unusable, more than "
                f"max_bad_share {max_bad_share:g}; the first: {_first(skipped, split, 'utterance')}; all in {skipped}"
            )
    num_dropped = sum(counts.times_dropped for counts in summary.splits.values())
    num_utterances = sum(counts.utterances for counts in summary.splits.values())
    if num_dropped > max_bad_share * num_utterances:
        raise ValueError(
            f"the word or phoneme times of {num_dropped} of {num_utterances} utterances are "
            f"wrong, more than max_bad_share {max_bad_share:g}; the first: {_first(skipped, None, 'word times')}; "
            f"all in {skipped}; correct them, or raise max_bad_share to use these utterances without times"
        )


def _first(skipped: Path, split: str | None, kind: str) -> str:
    """Return the first of the listed utterances of a split and a kind, for messages."""
    with skipped.open(encoding="utf-8") as lines:
        for item in map(json.loads, lines):
            if item["skipped"] == kind and split in (None, item["split"]):
                if item["line"] is None:
                    return f"{item['audio']}: {item['reason']}"
                audio = f" (audio {item['audio']})" if item["audio"] else ""
                return f"{item['file']}:{item['line']}: {item['reason']}{audio}"
    return "none"


@contextmanager
def _gzip_writer(path: Path) -> Generator[TextIO, None, None]:
    """Open a gzipped file for writing, which appears complete or not at all."""
    # The gzip header has neither a name nor a time, so that equal corpora give equal files.
    with files.atomic_file(path) as temporary, temporary.open("wb") as raw:
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, io.TextIOWrapper(packed, "utf-8") as text:
            yield text
