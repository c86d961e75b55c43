"""Preparation of a corpus: checked Lhotse manifests."""

import logging
from pathlib import Path

from zoo.corpora.preparation import CorpusSummary, prepare
from zoo.corpora.source import Source
from zoo.ranges import Probability

log = logging.getLogger(__name__)


def prepare_corpus(
    out: Path, source: Source, max_bad_share: Probability = 0.05, strict: bool = False
) -> dict[str, str]:
    """Check a corpus and write its Lhotse cuts, one manifest per split.

    Args:
        out: Output folder of ``{split}.jsonl.gz``, ``skipped.jsonl`` and ``corpus.json``.
        source: Corpus to read: a folder, a table, Lhotse manifests, or the synthetic demo corpus.
        max_bad_share: Largest share of a split's utterances that may be unusable, and of the corpus' word times.
        strict: Whether to warn of speakers that train and held-out splits share, as of audio.

    Raises:
        ValueError: If a larger share of a split's utterances is unusable.
    """
    print(f"corpus: read as {source.description}", flush=True)
    summary = prepare(source, out, max_bad_share, strict=strict)
    for warning in summary.warnings:
        log.warning("%s", warning)
    facts = {"corpus": _hours(summary), "read as": summary.description}
    unused = _unused(summary)
    if unused:
        log.warning("%s; listed in %s", unused, out / "skipped.jsonl")
        facts["not used"] = unused
    num_repaired = sum(split.times_repaired for split in summary.splits.values())
    if num_repaired:
        facts["word times"] = f"those of {num_repaired} utterances repaired"
    return facts


def _hours(summary: CorpusSummary) -> str:
    kind = "synthetic speech" if summary.synthetic else "speech"
    hours = []
    for name, split in summary.splits.items():
        hours.append(f"{name} {split.hours:.2f} h from {len(split.speakers)} speakers")
    return f"{kind}: {', '.join(hours)}"


def _unused(summary: CorpusSummary) -> str:
    """Return the numbers of utterances, and of word times, that are not used; empty if all are."""
    parts = []
    for name, split in summary.splits.items():
        if split.skipped:
            parts.append(f"{name}: {split.skipped} of {split.skipped + split.utterances} utterances left out")
        if split.times_dropped:
            parts.append(f"{name}: {split.times_dropped} utterances used without their word times")
    return "; ".join(parts)
