"""Measure the cost of the F0 extractors on one core, and their agreement, on a corpus of your own.

    python benchmarks/f0_extractors.py FOLDER [--split dev] [--utterances 40]

Costs are CPU seconds per second of audio. Errors are those of the autocorrelation relative to FCPE.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from zoo.corpora import load_waveform, open_corpus, prepare, read_cuts
from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech.f0 import F0Extractor, F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE

SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Measurement:
    """Tracks of all utterances and the CPU seconds per second of audio that they took."""

    tracks: list[F0Track]
    cost: float


def load_corpus(corpus: Path, split: str, num_utterances: int) -> list[Tensor]:
    """The first waveforms (num_samples,) of a split."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(open_corpus(corpus), Path(folder))
        return [load_waveform(cut) for cut in islice(read_cuts(Path(folder), split), num_utterances)]


def measure(extractor: F0Extractor, waveforms: Sequence[Tensor]) -> Measurement:
    extractor(waveforms[0])  # FCPE loads its weights at the first call
    start = time.process_time()
    tracks = [extractor(waveform) for waveform in waveforms]
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE
    return Measurement(tracks, (time.process_time() - start) / seconds)


def print_cost(name: str, measurement: Measurement) -> None:
    cost = measurement.cost
    voiced = torch.cat([track.voiced for track in measurement.tracks]).float().mean()
    print(f"{name:16} {cost:.4f} s per second of audio, {1 / cost:5.0f} times as fast as speech; {voiced:.1%} voiced")


def print_errors(tracks: Sequence[F0Track], references: Sequence[F0Track]) -> None:
    frame_error = F0FrameError()
    log_error = LogF0Error()
    for track, reference in zip(tracks, references, strict=True):
        for metric in (frame_error, log_error):
            metric.update(track.frequency, track.voiced, reference.frequency, reference.voiced)
    print(
        f"difference: F0 frame error {frame_error.compute():.1%} (gross {frame_error.gross / frame_error.count:.2%}), "
        f"{log_error.compute():.3f} octaves where both are voiced"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="any corpus that open_corpus reads")
    parser.add_argument("--split", default="dev", help="split of the corpus")
    parser.add_argument("--utterances", type=int, default=40, help="number of utterances")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    waveforms = load_corpus(arguments.corpus, arguments.split, arguments.utterances)
    print(f"{len(waveforms)} utterances, {sum(map(len, waveforms)) / SAMPLE_RATE:.0f} s")
    fcpe = measure(FCPE(), waveforms)
    autocorrelation = measure(Autocorrelation(), waveforms)
    print_cost("FCPE", fcpe)
    print_cost("Autocorrelation", autocorrelation)
    print(f"FCPE costs {fcpe.cost / autocorrelation.cost:.1f} times as much")
    print_errors(autocorrelation.tracks, fcpe.tracks)


if __name__ == "__main__":
    main()
