"""Measure how far the word starts of aligners are from those of corpora that have them.

Prints a row for each corpus and aligner: the median and 90th percentile of the absolute error of a word start and its
bias in milliseconds, the shares of words within 20, 50 and 100 ms, the share of words aligned, and seconds of audio per
second.

    python benchmarks/alignment.py CORPUS... --aligner whisper:FOLDER ctc:FOLDER pocketsphinx [--split dev] [--limit 40]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from lhotse.cut import Cut
from transformers.utils import logging

from zoo.corpora import open_corpus
from zoo.corpora.source import BadItem
from zoo.corpora.utterance import to_utterance
from zoo.evaluation.word_start_errors import WITHIN_SECONDS, measure_word_starts
from zoo.forced_alignment import Aligner, PocketsphinxAligner, WhisperAligner, pretrained_ctc_aligner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+", help="corpora with word times")
    parser.add_argument("--aligner", nargs="+", required=True, help="whisper:FOLDER, ctc:FOLDER or pocketsphinx")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--limit", type=int, help="utterances of each corpus, evenly spaced (default: all)")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    limits = " | ".join(f"<= {1000 * limit:g} ms" for limit in WITHIN_SECONDS)
    print(
        f"| corpus | aligner | median, ms | 90%, ms | bias, ms | {limits} | words aligned | x real time |", flush=True
    )
    for name in arguments.aligner:
        aligner = create_aligner(name)
        for corpus in arguments.corpora:
            cuts = spread(list(timed_cuts(corpus, arguments.split)), arguments.limit)
            start = time.monotonic()
            errors = measure_word_starts(aligner, cuts)
            speed = sum(cut.duration for cut in cuts) / (time.monotonic() - start)
            shares = " | ".join(f"{share:.3f}" for share in errors.within.values())
            print(
                f"| {corpus.name} {arguments.split}, {errors.words} words | {name} | {1000 * errors.median:.0f} | "
                f"{1000 * errors.percentile_90:.0f} | {1000 * errors.bias:+.0f} | {shares} | {errors.aligned:.1%} | "
                f"{speed:.1f} |",
                flush=True,
            )
            for utterance, reason in islice(errors.reasons.items(), 3):
                print(f"  not aligned: {utterance}: {reason}")


def create_aligner(name: str) -> Aligner:
    kind, _, checkpoint = name.partition(":")
    if kind == "whisper":
        return WhisperAligner(checkpoint)
    if kind == "ctc":
        return pretrained_ctc_aligner(checkpoint)
    if kind == "pocketsphinx":
        return PocketsphinxAligner()
    raise ValueError(f"--aligner {name}: want whisper:FOLDER, ctc:FOLDER or pocketsphinx")


def timed_cuts(corpus: Path, split: str) -> Iterator[Cut]:
    """Yield the utterances of a split that have word times."""
    with tempfile.TemporaryDirectory() as folder:
        for item in open_corpus(corpus).splits(Path(folder))[split]:
            if not isinstance(item, BadItem) and to_utterance(item).words:
                yield item


def spread(cuts: list[Cut], limit: int | None) -> list[Cut]:
    """Return so many of the cuts, evenly spaced, so that all speakers are among them."""
    if limit is None or limit >= len(cuts):
        return cuts
    return [cuts[index * len(cuts) // limit] for index in range(limit)]


if __name__ == "__main__":
    main()
