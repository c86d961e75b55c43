"""Measure the speed of speech encoders on recorded speech beside the pipelines of transformers, in one run.

Whisper: log-mel features and encoder of transformers, padded to 30 s, against ``WhisperEncoder`` in batches. HuBERT of
base size with random weights: transformers with padded batches, and one utterance at a time, against
``HubertEncoder`` in batches. In every round each of them encodes the same utterances, one after another, in an order
that is rotated, and the ratios are taken within the round: the median over the rounds is printed with the smallest and
the largest.

    python benchmarks/encoders.py CORPUS --whisper FOLDER [--seconds 120] [--rounds 5] [--threads 2]

CORPUS is a folder with ``train.jsonl``, as ``zoo.corpora.open_corpus`` reads it. On a machine that is busy otherwise,
``--threads 1 --processor-time`` compares the processor time of this process, which other programs disturb less than the
wall clock.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor, WhisperModel
from transformers.utils import logging

from zoo.audio import read
from zoo.hardware import precision
from zoo.speech.encoders import HubertEncoder, SpeechEncoder, WhisperEncoder

Pipeline = Callable[[list[Tensor]], None]

SAMPLE_RATE = 16000
BATCH_SECONDS = 30.0
PADDED_BATCH = 8  # utterances per padded batch of transformers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder with train.jsonl")
    parser.add_argument("--whisper", required=True, help="name or folder of a Whisper")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds of speech (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="number of paired rounds (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default: %(default)s)")
    parser.add_argument("--processor-time", action="store_true", help="measure processor time, not the wall clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor_time else time.perf_counter
    torch.set_num_threads(arguments.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    waveforms = load_speech(arguments.corpus, arguments.seconds)
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE
    print(f"{len(waveforms)} utterances, {seconds:.0f} s; {arguments.threads} threads; load {os.getloadavg()[0]:.1f}")
    print(f"precision of this machine: {precision('cpu')}")
    with torch.inference_mode():
        compare(whisper_pipelines(arguments.whisper), waveforms, arguments.rounds, clock)
        compare(hubert_pipelines(), waveforms, arguments.rounds, clock)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


def load_speech(corpus: Path, seconds: float) -> list[Tensor]:
    """Read utterances of a table until they have so many seconds."""
    waveforms: list[Tensor] = []
    for line in (corpus / "train.jsonl").read_text().splitlines():
        waveforms.append(read(corpus / json.loads(line)["audio"], SAMPLE_RATE))
        if sum(map(len, waveforms)) >= seconds * SAMPLE_RATE:
            break
    return waveforms


def whisper_pipelines(source: str) -> dict[str, Pipeline]:
    """Return the pipelines of Whisper by name, ours first."""
    encoder = best_precision(WhisperEncoder(source, None))
    network = WhisperModel.from_pretrained(source, dtype=torch.float32).get_encoder().eval()
    extractor = WhisperFeatureExtractor(feature_size=network.config.num_mel_bins)

    def padded(waveforms: list[Tensor], size: int) -> None:
        for batch in chunks(waveforms, size):
            speech = [waveform.numpy() for waveform in batch]
            network(extractor(speech, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features)

    return {
        "Whisper here": lambda waveforms: encode(encoder, waveforms),
        "transformers, padded to 30 s, one at a time": lambda waveforms: padded(waveforms, 1),
        f"transformers, padded to 30 s, batches of {PADDED_BATCH}": lambda waveforms: padded(waveforms, PADDED_BATCH),
    }


def hubert_pipelines() -> dict[str, Pipeline]:
    """Return the pipelines of a HuBERT of base size with random weights by name, ours first."""
    torch.manual_seed(0)
    network = HubertModel(HubertConfig()).eval()
    encoder = best_precision(HubertEncoder(HubertModel(HubertConfig()), None, normalize=False))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)

    def padded(waveforms: list[Tensor]) -> None:
        for batch in chunks(sorted(waveforms, key=len), PADDED_BATCH):
            speech = [waveform.numpy() for waveform in batch]
            network(**extractor(speech, sampling_rate=SAMPLE_RATE, padding=True, return_tensors="pt"))

    def one_at_a_time(waveforms: list[Tensor]) -> None:
        for waveform in waveforms:
            network(waveform[None])

    return {
        "HuBERT base here": lambda waveforms: encode(encoder, waveforms),
        f"transformers, padded batches of {PADDED_BATCH}": padded,
        "transformers, one at a time": one_at_a_time,
    }


def best_precision(encoder: SpeechEncoder) -> SpeechEncoder:
    """Use bfloat16 where the processor multiplies it."""
    if precision("cpu") == "bf16-mixed":
        encoder.use_bfloat16()
    return encoder


def encode(encoder: SpeechEncoder, waveforms: list[Tensor]) -> None:
    """Encode utterances in batches of limited duration, short ones first, as the tokenization does."""
    batch: list[Tensor] = []
    for waveform in sorted(waveforms, key=len):
        if batch and sum(map(len, batch)) + len(waveform) > BATCH_SECONDS * SAMPLE_RATE:
            encoder.batch(batch)
            batch = []
        batch.append(waveform)
    encoder.batch(batch)


def chunks(waveforms: list[Tensor], size: int) -> Iterator[list[Tensor]]:
    for start in range(0, len(waveforms), size):
        yield waveforms[start : start + size]


def compare(
    pipelines: dict[str, Pipeline],
    waveforms: list[Tensor],
    rounds: int,
    clock: Callable[[], float],
) -> None:
    """Print hours of speech per hour for each pipeline, and the ratio of the first to each other one."""
    seconds = sum(map(len, waveforms)) / SAMPLE_RATE
    names = list(pipelines)
    for name in names:
        pipelines[name](waveforms[:2])  # the first call allocates and compiles
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            start = clock()
            pipelines[name](waveforms)
            times[name].append(clock() - start)
    ours = times[names[0]]
    for name in names:
        ratios = sorted(other / own for other, own in zip(times[name], ours, strict=True))
        print(
            f"{name}: {seconds / median(times[name]):.1f} hours per hour; the first is "
            f"{median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
