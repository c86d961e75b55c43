"""Word and phone times for a prepared corpus that has none."""

import logging
from pathlib import Path

from zoo.forced_alignment.aligner import Aligner
from zoo.forced_alignment.prepared_corpus import SplitAlignment, align_prepared_corpus, copy_prepared_corpus
from zoo.ranges import NumProcesses, Probability

log = logging.getLogger(__name__)


def align_corpus(
    out: Path,
    corpus: Path,
    aligner: Aligner | None = None,
    phone_aligner: Aligner | None = None,
    num_processes: NumProcesses = 1,
    max_unaligned_share: Probability = 0.5,
) -> dict[str, str]:
    """Align the words, and perhaps the phones, of a prepared corpus; times that it has are kept.

    Stages after this one read its folder as they would read that of the corpus stage. An interrupted alignment resumes
    after the last utterance.

    Args:
        out: Output folder: a prepared corpus, ``alignment.json`` and ``unaligned.jsonl``.
        corpus: Folder filled by a corpus stage.
        aligner: Aligner that finds the word times; null to find phone times alone, or, without ``phone_aligner``, to
            pass the corpus on as it is.
        phone_aligner: Aligner that finds the phone times, for ABX, phone purity and PNMI; null for no phone times.
        num_processes: Number of processes that align, each with one thread; 1 on a GPU.
        max_unaligned_share: Largest share of a split's utterances that may stay without word times.

    Raises:
        ValueError: A larger share of a split's utterances could not be aligned.
    """
    if aligner is None and phone_aligner is None:
        copy_prepared_corpus(out, corpus)
        return {"aligned": "nothing: no aligner is named"}
    counts = align_prepared_corpus(out, corpus, aligner, phone_aligner, num_processes, max_unaligned_share)
    facts = {}
    if aligner is not None:
        facts["aligned"] = "; ".join(_words(split, split_counts) for split, split_counts in counts.items())
    if phone_aligner is not None:
        facts["phones"] = "; ".join(_phones(split, split_counts) for split, split_counts in counts.items())
    num_unaligned = sum(split_counts.unaligned for split_counts in counts.values())
    if num_unaligned:
        log.warning("%d utterances without word times; listed in %s", num_unaligned, out / "unaligned.jsonl")
    return facts


def _words(split: str, counts: SplitAlignment) -> str:
    """Return the shares of aligned utterances and words of a split, and the mean confidence."""
    num_utterances = counts.aligned + counts.unaligned
    if not num_utterances:
        return f"{split} had all word times"
    text = (
        f"{split} {counts.aligned / num_utterances:.1%} of {num_utterances} utterances and "
        f"{counts.aligned_words / counts.words:.1%} of {counts.words} words"
    )
    if counts.mean_confidence is not None:
        share = counts.confident_words / counts.aligned_words
        text += f", mean confidence {counts.mean_confidence:.2f}, interleaving switches before {share:.1%} of the words"
    if counts.had_words:
        text += f", {counts.had_words} utterances had times"
    return text


def _phones(split: str, counts: SplitAlignment) -> str:
    return f"{split} {counts.with_phones} of {counts.utterances} utterances"
