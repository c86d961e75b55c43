"""What the F0 extractors cost on one core, and how far they agree, on a corpus of your own.

    python benchmarks/f0_extractors.py FOLDER [--split dev] [--utterances 40]

Costs are seconds per second of audio, and the ratio of one run. Errors are of the autocorrelation against FCPE.
"""

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch

from zoo.corpora import load_waveform, open_corpus, prepare, read_cuts
from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--utterances", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        prepare(open_corpus(arguments.corpus), Path(folder))
        waveforms = [
            load_waveform(cut) for cut in islice(read_cuts(Path(folder), arguments.split), arguments.utterances)
        ]
    seconds = sum(map(len, waveforms)) / 16000
    tracks, costs = {}, {}
    for extractor in (FCPE(), Autocorrelation()):
        extractor(waveforms[0])  # FCPE loads its weights at the first call
        start = time.process_time()
        tracks[type(extractor)] = [extractor(each) for each in waveforms]
        costs[type(extractor)] = (time.process_time() - start) / seconds
    print(f"{len(waveforms)} utterances, {seconds:.0f} s")
    for kind, cost in costs.items():
        voiced = torch.cat([track.voiced for track in tracks[kind]]).float().mean()
        print(
            f"{kind.__name__:16} {cost:.4f} s per second of audio, {1 / cost:5.0f} times as fast as speech; {voiced:.1%} voiced"
        )
    print(f"FCPE costs {costs[FCPE] / costs[Autocorrelation]:.1f} times as much")
    frame_error, log_error = F0FrameError(), LogF0Error()
    for found, reference in zip(tracks[Autocorrelation], tracks[FCPE]):
        for metric in (frame_error, log_error):
            metric.update(found.frequency, found.voiced, reference.frequency, reference.voiced)
    print(
        f"they differ: F0 frame error {frame_error.compute():.1%} (gross {frame_error.gross / frame_error.count:.2%}), "
        f"{log_error.compute():.3f} octaves where both are voiced"
    )


if __name__ == "__main__":
    main()
