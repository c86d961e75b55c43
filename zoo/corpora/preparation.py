"""From a corpus source to the cut manifests that everything else reads."""

import gzip
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from lhotse import CutSet
from lhotse.cut import Cut
from tqdm import tqdm

from zoo import audio, files
from zoo.corpora.source import SPLITS, BadItem, Source
from zoo.corpora.utterance import Interval, audio_name, load_waveform, to_utterance

# Aligners round to frames of 10 or 20 ms; an interval that ends this far beyond the audio is cut back to it.
OVERHANG_SECONDS = 0.02


@dataclass
class SplitSummary:
    """What one split holds; ``skipped`` utterances are not counted elsewhere."""

    utterances: int = 0
    hours: float = 0.0
    with_words: int = 0
    skipped: int = 0
    speakers: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)


@dataclass
class CorpusSummary:
    """What ``corpus.json`` holds.

    Args:
        source: Where the corpus came from.
        synthetic: No person spoke it.
        splits: By name.
    """

    source: str
    synthetic: bool
    splits: dict[str, SplitSummary]


def prepare(source: Source, out: Path, max_bad_share: float = 0.05, check_samples: bool = False) -> CorpusSummary:
    """Check a corpus and write ``{split}.jsonl.gz`` (Lhotse cuts), ``skipped.jsonl`` and ``corpus.json`` to ``out``.

    One utterance at a time is in memory. Running it again gives the same files.

    Args:
        source: The corpus.
        out: Folder; made if need be.
        max_bad_share: Of a split, how much may be unusable.
        check_samples: Decode every file, to find NaN, infinity and digital silence too.

    Raises:
        ValueError: More than ``max_bad_share`` of a split is unusable, or a split is empty.
    """
    out.mkdir(parents=True, exist_ok=True)
    summary = CorpusSummary(str(source), source.synthetic, {})
    splits = source.splits(out)
    with ExitStack() as manifests:
        with files.atomic_file(out / "skipped.jsonl") as temporary, temporary.open("w", encoding="utf-8") as skipped:
            for split, items in splits.items():
                manifest = manifests.enter_context(_gzip_writer(out / f"{split}.jsonl.gz"))
                summary.splits[split] = _write_split(items, split, manifest, skipped, check_samples)
        for split, part in summary.splits.items():
            _refuse_bad(part, split, out / "skipped.jsonl", max_bad_share, str(source))
    for split in set(SPLITS) - set(splits):
        (out / f"{split}.jsonl.gz").unlink(missing_ok=True)
    files.write_text(out / "corpus.json", json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n")
    return summary


def read_cuts(folder: Path, split: str) -> CutSet:
    """Open the cuts of one split of a prepared corpus, lazily.

    Args:
        folder: What :func:`prepare` filled.
        split: Such as ``train``.

    Raises:
        FileNotFoundError: The corpus stage has not made that split.
    """
    path = Path(folder) / f"{split}.jsonl.gz"
    if not path.is_file():
        there = [name for name in SPLITS if (Path(folder) / f"{name}.jsonl.gz").is_file()]
        remedy = f"it has {', '.join(there)}" if there else "run the corpus stage first"
        raise FileNotFoundError(f"{path}: no split {split!r} of a prepared corpus; {remedy}")
    return CutSet.from_jsonl_lazy(path)


def first_hours(cuts: Iterable[Cut], hours: float | None) -> Iterator[Cut]:
    """Yield cuts until they last so long, the one that passes the limit included; all if None."""
    seconds = 0.0
    for cut in cuts:
        if hours is not None and seconds > 3600 * hours:
            return
        yield cut
        seconds += cut.duration


def _write_split(
    items: Iterable[Cut | BadItem],
    split: str,
    manifest: TextIO,
    skipped: TextIO,
    check_samples: bool,
) -> SplitSummary:
    summary, seen = SplitSummary(), set()
    for item in tqdm(items, desc=f"corpus {split}", unit=" utterances", delay=3, disable=None):
        item = item if isinstance(item, BadItem) else _checked(item, check_samples)
        if not isinstance(item, BadItem) and hash(item.id) in seen:
            item = BadItem(item.id, audio_name(item), "its id occurs twice")
        if isinstance(item, BadItem):
            summary.skipped += 1
            skipped.write(json.dumps({"split": split, **asdict(item)}, ensure_ascii=False) + "\n")
            continue
        seen.add(hash(item.id))
        _count(item, summary)
        manifest.write(json.dumps(item.to_dict(), ensure_ascii=False) + "\n")
    summary.hours = round(summary.hours, 6)
    return summary


def _checked(cut: Cut, check_samples: bool) -> Cut | BadItem:
    """Return the cut with its word and phoneme times cut back to the audio, or what is wrong with it."""
    labels = to_utterance(cut)
    if labels.duration <= 0:
        return BadItem(cut.id, audio_name(cut), "zero length")
    for name, intervals in (("words", labels.words), ("phonemes", labels.phonemes)):
        problem = _time_problem(intervals or (), labels.duration)
        if problem:
            return BadItem(cut.id, audio_name(cut), f"{name}: {problem}")
    for items in (cut.supervisions[0].alignment or {}).values():
        items[:] = [i._replace(duration=round(min(i.end, cut.duration) - i.start, 8)) for i in items]
    if check_samples:
        try:
            if not load_waveform(cut).numpy().any():
                return BadItem(cut.id, audio_name(cut), "all samples are zero")
        except audio.AudioError as error:
            return BadItem(cut.id, audio_name(cut), str(error))
    return cut


def _time_problem(intervals: tuple[Interval, ...], duration: float) -> str | None:
    last = 0.0
    for name, start, end in intervals:
        if not 0 <= start < end or start >= duration or end > duration + OVERHANG_SECONDS:
            return f"{name!r} at {start:g}-{end:g} s is outside the audio of {duration:g} s or has no length"
        if start < last - 1e-6:
            return f"{name!r} at {start:g} s begins before the one before it ends, at {last:g} s"
        last = end
    return None


def _count(cut: Cut, summary: SplitSummary) -> None:
    labels = to_utterance(cut)
    summary.utterances += 1
    summary.hours += labels.duration / 3600
    summary.with_words += labels.words is not None
    for counts, key in (
        (summary.speakers, labels.speaker),
        (summary.languages, labels.language),
        (summary.styles, labels.style or "none"),
    ):
        counts[key] = counts.get(key, 0) + 1


def _refuse_bad(part: SplitSummary, split: str, listing: Path, max_bad_share: float, source: str) -> None:
    total = part.utterances + part.skipped
    if part.skipped <= max_bad_share * total and part.utterances > 0:
        return
    with listing.open(encoding="utf-8") as lines:
        first = next((bad for bad in map(json.loads, lines) if bad["split"] == split), None)
    if first is None:
        raise ValueError(f"{source}: split {split!r} is empty")
    raise ValueError(
        f"{source}: {part.skipped} of {total} utterances of {split!r} are unusable, more than max_bad_share "
        f"{max_bad_share:g}; the first: {first['audio']}: {first['reason']}; all in {listing}"
    )


@contextmanager
def _gzip_writer(path: Path) -> Iterator[TextIO]:
    # Without name and time in the header, equal corpora make equal files.
    with files.atomic_file(path) as temporary, temporary.open("wb") as raw:
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, io.TextIOWrapper(packed, "utf-8") as text:
            yield text
