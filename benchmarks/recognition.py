"""Measure the word and character error rate of a recognizer on the recordings of a corpus.

Prints a row for each corpus: both error rates with 95% intervals over utterances, the number of utterances and of
speakers, hours, and seconds of audio per second. A recognizer judges generated speech no better than these recordings.

    python benchmarks/recognition.py CORPUS... --asr CHECKPOINT [--language en] [--split dev] [--limit 200]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lhotse.cut import Cut
from transformers.utils import logging

from zoo.corpora import load_waveform, open_corpus
from zoo.corpora.source import BadItem
from zoo.corpora.utterance import to_utterance
from zoo.evaluation.judges.recognizers import Decoding, PretrainedRecognizer
from zoo.evaluation.scoring.error_rates import character_error_rate, word_error_rate
from zoo.evaluation.statistics import Estimate

SAMPLE_RATE = 16000
BLOCK = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path, nargs="+", help="folders of transcribed speech")
    parser.add_argument("--asr", required=True, help="folder or hub name of a transformers recognizer")
    parser.add_argument("--language", help="language of the speech, for a multilingual Whisper")
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--limit", type=int, help="utterances of each corpus, evenly spaced (default: all)")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    recognizer = PretrainedRecognizer(
        arguments.asr, arguments.language, Decoding(arguments.beams), BLOCK, arguments.device
    )
    print("| corpus | word error rate | character error rate | utterances | speakers | hours | x real time |")
    for corpus in arguments.corpora:
        cuts = spread(list(transcribed_cuts(corpus, arguments.split)), arguments.limit)
        print(f"| {corpus.name} {arguments.split} {report(recognizer, cuts)}", flush=True)


def transcribed_cuts(corpus: Path, split: str) -> Iterator[Cut]:
    """Yield the utterances of a split that have a text."""
    with tempfile.TemporaryDirectory() as folder:
        for item in open_corpus(corpus).splits(Path(folder))[split]:
            if not isinstance(item, BadItem) and to_utterance(item).text:
                yield item


def spread(cuts: list[Cut], limit: int | None) -> list[Cut]:
    """Return so many of the cuts, evenly spaced, so that all speakers are among them."""
    if limit is None or limit >= len(cuts):
        return cuts
    return [cuts[index * len(cuts) // limit] for index in range(limit)]


def report(recognizer: PretrainedRecognizer, cuts: list[Cut]) -> str:
    """Transcribe utterances and return the cells of a row."""
    utterances = [to_utterance(cut) for cut in cuts]
    transcripts: list[str] = []
    start = time.monotonic()
    for first in range(0, len(cuts), BLOCK):
        waveforms = [load_waveform(cut, SAMPLE_RATE) for cut in cuts[first : first + BLOCK]]
        transcripts += recognizer(waveforms, SAMPLE_RATE)
    seconds = sum(cut.duration for cut in cuts)
    speed = seconds / (time.monotonic() - start)
    texts = [utterance.text for utterance in utterances]
    languages = [utterance.language for utterance in utterances]
    cells = [
        cell(word_error_rate(texts, transcripts, languages)),
        cell(character_error_rate(texts, transcripts, languages)),
        str(len(cuts)),
        str(len({utterance.speaker for utterance in utterances})),
        f"{seconds / 3600:.2f}",
        f"{speed:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def cell(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


if __name__ == "__main__":
    main()
