"""A corpus to checked manifests."""

from pathlib import Path

from zoo.corpora.preparation import prepare
from zoo.corpora.source import Source


def prepare_corpus(out: Path, source: Source, max_bad_share: float = 0.05) -> dict[str, str]:
    """Check a corpus and write its Lhotse cuts, one manifest a split.

    Args:
        out: Filled with ``{split}.jsonl.gz``, ``skipped.jsonl`` and ``corpus.json``.
        source: A folder, a table, Lhotse manifests, or the synthesized demo.
        max_bad_share: Of a split, how many utterances may be unusable before the stage fails.
    """
    summary = prepare(source, out, max_bad_share)
    kind = "synthetic speech" if summary.synthetic else "speech"
    hours = ", ".join(
        f"{name} {split.hours:.2f} h from {len(split.speakers)} speakers" for name, split in summary.splits.items()
    )
    return {"corpus": f"{kind}: {hours}"}
