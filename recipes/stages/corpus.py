"""Preparation of a corpus: checked Lhotse manifests."""

from pathlib import Path

from zoo.corpora.preparation import prepare
from zoo.corpora.source import Source


def prepare_corpus(out: Path, source: Source, max_bad_share: float = 0.05) -> dict[str, str]:
    """Check a corpus and write its Lhotse cuts, one manifest per split.

    Args:
        out: Output folder of ``{split}.jsonl.gz``, ``skipped.jsonl`` and ``corpus.json``.
        source: Corpus to read: a folder, a table, Lhotse manifests, or the synthetic demo corpus.
        max_bad_share: Largest share of a split's utterances that may be unusable.

    Raises:
        ValueError: If a larger share of a split's utterances is unusable.
    """
    summary = prepare(source, out, max_bad_share)
    kind = "synthetic speech" if summary.synthetic else "speech"
    hours = []
    for name, split in summary.splits.items():
        hours.append(f"{name} {split.hours:.2f} h from {len(split.speakers)} speakers")
    return {"corpus": f"{kind}: {', '.join(hours)}"}
