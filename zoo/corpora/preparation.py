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

from zoo import audio, files
from zoo.corpora.source import SPLITS, BadItem, Source
from zoo.corpora.utterance import Interval, audio_name, load_waveform, to_utterance

# Aligners round to frames of 10 or 20 ms; an interval that ends no farther than this beyond the audio is cut off there.
OVERHANG_SECONDS = 0.02


@dataclass
class SplitSummary:
    """Counts of one split.

    Args:
        utterances: Number of usable utterances.
        hours: Hours of speech in them.
        with_words: Number of utterances with word times.
        skipped: Number of unusable utterances, which no other count includes.
        speakers: Number of utterances by speaker.
        languages: Number of utterances by language.
        styles: Number of utterances by style; ``none`` if it is not known.
    """

    utterances: int = 0
    hours: float = 0.0
    with_words: int = 0
    skipped: int = 0
    speakers: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)


@dataclass
class CorpusSummary:
    """Content of ``corpus.json``.

    Args:
        source: Source of the corpus with its arguments, as text.
        synthetic: Whether the speech is synthetic.
        splits: Counts of each split by its name.
    """

    source: str
    synthetic: bool
    splits: dict[str, SplitSummary]


def prepare(source: Source, out: Path, max_bad_share: float = 0.05, check_samples: bool = False) -> CorpusSummary:
    """Check a corpus and write ``{split}.jsonl.gz`` (Lhotse cuts), ``skipped.jsonl`` and ``corpus.json`` to ``out``.

    One utterance at a time is in memory. The same source gives the same files.

    Args:
        source: The corpus.
        out: Folder of the prepared corpus, made if needed.
        max_bad_share: Largest share of a split's utterances that may be unusable.
        check_samples: Whether to decode every file, to find NaN, infinity and digital silence as well.

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
        # The manifests become visible only after this check.
        for split, split_summary in summary.splits.items():
            _require_usable(split_summary, split, out / "skipped.jsonl", max_bad_share, str(source))
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
    return CutSet.from_jsonl_lazy(path.absolute())


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


def _write_split(
    items: Iterable[Cut | BadItem], split: str, manifest: TextIO, skipped: TextIO, check_samples: bool
) -> SplitSummary:
    """Write the usable cuts of a split to ``manifest`` and list the others in ``skipped``."""
    summary = SplitSummary()
    id_hashes: set[int] = set()  # hashes take less memory than the ids
    for item in tqdm(items, desc=f"corpus {split}", unit=" utterances", delay=3, disable=None):
        checked = item if isinstance(item, BadItem) else _checked(item, check_samples)
        if not isinstance(checked, BadItem) and hash(checked.id) in id_hashes:
            checked = BadItem(checked.id, audio_name(checked), "its id occurs twice")
        if isinstance(checked, BadItem):
            summary.skipped += 1
            skipped.write(json.dumps({"split": split, **asdict(checked)}, ensure_ascii=False) + "\n")
            continue
        id_hashes.add(hash(checked.id))
        _count(checked, summary)
        manifest.write(json.dumps(checked.to_dict(), ensure_ascii=False) + "\n")
    summary.hours = round(summary.hours, 6)
    return summary


def _checked(cut: Cut, check_samples: bool) -> Cut | BadItem:
    """Return the cut with word and phoneme times clipped to the audio, or a ``BadItem`` with why it is unusable."""
    utterance = to_utterance(cut)
    if utterance.duration <= 0:
        return BadItem(cut.id, audio_name(cut), "zero length")
    for name, intervals in (("words", utterance.words), ("phonemes", utterance.phonemes)):
        problem = _time_problem(intervals or (), utterance.duration)
        if problem:
            return BadItem(cut.id, audio_name(cut), f"{name}: {problem}")
    for items in (cut.supervisions[0].alignment or {}).values():
        for index, item in enumerate(items):
            end = min(item.end, cut.duration)
            items[index] = item._replace(duration=round(end - item.start, 8))
    if check_samples:
        try:
            if not load_waveform(cut).numpy().any():
                return BadItem(cut.id, audio_name(cut), "all samples are zero")
        except audio.AudioError as error:
            return BadItem(cut.id, audio_name(cut), str(error))
    return cut


def _time_problem(intervals: tuple[Interval, ...], duration: float) -> str | None:
    """Return an error message for times that are out of order or outside the audio; None if there are none."""
    last_end = 0.0
    for name, start, end in intervals:
        if not 0 <= start < end or start >= duration or end > duration + OVERHANG_SECONDS:
            return f"{name!r} at {start:g}-{end:g} s is outside the audio of {duration:g} s or has no length"
        if start < last_end - 1e-6:
            return f"{name!r} at {start:g} s begins before the one before it ends, at {last_end:g} s"
        last_end = end
    return None


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


def _require_usable(summary: SplitSummary, split: str, skipped: Path, max_bad_share: float, source: str) -> None:
    """Raise a ValueError if too many utterances of a split are unusable, or all of them."""
    total = summary.utterances + summary.skipped
    if summary.skipped <= max_bad_share * total and summary.utterances > 0:
        return
    with skipped.open(encoding="utf-8") as lines:
        first = next((item for item in map(json.loads, lines) if item["split"] == split), None)
    if first is None:
        raise ValueError(f"{source}: split {split!r} is empty")
    raise ValueError(
        f"{source}: {summary.skipped} of {total} utterances of {split!r} are unusable, more than max_bad_share "
        f"{max_bad_share:g}; the first: {first['audio']}: {first['reason']}; all in {skipped}"
    )


@contextmanager
def _gzip_writer(path: Path) -> Generator[TextIO, None, None]:
    """Open a gzipped file for writing, which appears complete or not at all."""
    # The gzip header has neither a name nor a time, so that equal corpora give equal files.
    with files.atomic_file(path) as temporary, temporary.open("wb") as raw:
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, io.TextIOWrapper(packed, "utf-8") as text:
            yield text
