"""Training of pitch and style units; each training stage writes an extractor for the tokenizer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lhotse.cut import Cut
from torch import Tensor

from datamodules.f0 import F0DataModule
from datamodules.style import StyleDataModule
from lightningmodules.pitch_vqvae import PitchAutoencoder
from lightningmodules.style_encoder import StyleFinetuning
from lightningmodules.training_logs import where_logged
from recipes.stages.training import fit
from zoo.audio import SAMPLE_RATE
from zoo.corpora.preparation import first_hours, read_cuts
from zoo.corpora.split_names import SPLITS
from zoo.corpora.utterance import load_waveform, to_utterance
from zoo.evaluation.pitch_and_style import cluster_report, pitch_report, style_report
from zoo.files import read_json, write_text
from zoo.ranges import Hours, NumProcesses, NumUnits, PositiveInt, Probability, Seed, Size
from zoo.speech.f0 import F0Extractor
from zoo.speech.f0_store import F0Store, write_f0
from zoo.speech.pitch_units import F0_EXTRACTORS, PitchUnits
from zoo.speech.style_units import StyleUnits
from zoo.tokenizers.clustering import cluster_style_features
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import load_utterances

EXTRACTOR = "f0.json"


def extract_f0(
    out: Path,
    corpus: Path,
    extractor: F0Extractor,
    num_processes: NumProcesses = 1,
    max_bad_share: Probability = 0.05,
    hours: Hours | None = None,
) -> dict[str, str]:
    """Extract the F0 of every split of a corpus.

    Args:
        out: Output folder of ``{split}.f0``, ``{split}.jsonl`` and ``f0.json``.
        corpus: Folder written by a corpus stage.
        extractor: F0 extractor.
        num_processes: Number of processes that extract in parallel.
        max_bad_share: Largest share of a split's utterances that may be unreadable.
        hours: Hours of training speech whose F0 is computed. Defaults to all.

    Raises:
        ValueError: If a larger share of a split's utterances is unreadable.
    """
    voiced_counts = []
    for split in SPLITS:
        if not (corpus / f"{split}.jsonl.gz").is_file():
            continue
        cuts = first_hours(read_cuts(corpus, split), hours if split == "train" else None)
        store = write_f0(out, split, cuts, extractor, num_processes)
        total = len(store) + store.num_skipped
        if store.num_skipped > max_bad_share * total:
            raise ValueError(
                f"{store.num_skipped} of {total} utterances of {split!r} could not be read, more than "
                f"max_bad_share={max_bad_share}; the reasons are in {out / split}.jsonl"
            )
        num_voiced = sum(row.mean_hz > 0 for row in store.rows)
        voiced_counts.append(f"{split} {num_voiced} of {len(store)}")
    config = {"class": type(extractor).__name__, "arguments": extractor.config()}
    write_text(out / EXTRACTOR, json.dumps(config, indent=2) + "\n")
    return {"F0": f"utterances with a voiced frame: {', '.join(voiced_counts)}"}


def train_pitch(
    out: Path, model: PitchAutoencoder, data: F0DataModule, trainer: L.Trainer, checkpoint_every: PositiveInt = 1000
) -> dict[str, str]:
    """Train a pitch VQ-VAE on F0 tracks, save it as an extractor, and measure it on the validation split.

    Args:
        out: Output folder of ``pitch/``, ``pitch.json``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard
            ``logs/``.
        model: LightningModule of the VQ-VAE.
        data: F0 segments to train on.
        trainer: Trainer, which sets the number of steps and the device.
        checkpoint_every: Steps between checkpoints, from which an interrupted run resumes.
    """
    config = read_json(data.tracks / EXTRACTOR)
    fit(out, model, data, trainer, checkpoint_every)
    extractor = F0_EXTRACTORS[config["class"]](**config["arguments"])
    pitch = PitchUnits(extractor, model.network.cpu(), data.normalize)
    report = pitch_report(pitch, F0Store(data.tracks, data.validation_split))
    if trainer.is_global_zero:
        pitch.save(out / "pitch")
        write_text(out / "pitch.json", json.dumps(report, indent=2) + "\n")
    return {
        "pitch units": f"{report['units_used']} of {report['units']} used, perplexity {report['perplexity']:.1f}",
        "held-out F0": _f0_errors(report),
        **where_logged(trainer),
    }


def _f0_errors(report: dict[str, Any]) -> str:
    error = report["log_f0_error"]
    frame_error = report["f0_frame_error"]["share"]
    mean_frame_error = report["f0_frame_error_of_the_mean"]["share"]
    return (
        f"error {error['octaves']:.3f} octaves {error['interval']} "
        f"against {report['of_the_mean']['octaves']:.3f} of the utterance's mean; "
        f"frame error {frame_error:.3f} against {mean_frame_error:.3f}"
    )


def train_style(
    out: Path, model: StyleFinetuning, data: StyleDataModule, trainer: L.Trainer, checkpoint_every: PositiveInt = 500
) -> dict[str, str]:
    """Finetune a style encoder with a classifier, save both as an extractor, and measure it on the validation split.

    Args:
        out: Output folder of ``style/``, ``style.json``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard
            ``logs/``.
        model: LightningModule of the encoder and the classifier.
        data: Crops of speech with styles to train on.
        trainer: Trainer, which sets the number of steps and the device.
        checkpoint_every: Steps between checkpoints, from which an interrupted run resumes.
    """
    fit(out, model, data, trainer, checkpoint_every)
    num_styles = len(data.styles)
    model.head.labels = data.styles + [f"unused {index}" for index in range(num_styles, model.head.size)]
    style = StyleUnits(model.encoder.cpu(), model.head.cpu())
    report = style_report(style, _validation_speech(data.validation, data.max_seconds))
    if trainer.is_global_zero:
        style.save(out / "style")
        write_text(out / "style.json", json.dumps(report, indent=2) + "\n")
    accuracy = report["accuracy"]
    return {
        "style": (
            f"held-out accuracy {accuracy['share']:.2f} {accuracy['interval']} "
            f"against {report['majority']:.2f} of the majority"
        ),
        **where_logged(trainer),
    }


def _validation_speech(cuts: list[Cut], max_seconds: float) -> Iterator[tuple[Tensor, str]]:
    """Yield the first ``max_seconds`` of each waveform, (num_samples,), and its style."""
    for cut in cuts:
        samples = load_waveform(cut)
        style = to_utterance(cut).style
        if style is None:
            raise ValueError(f"cut {cut.id} has no style")
        yield samples[: round(SAMPLE_RATE * max_seconds)], style


@torch.inference_mode()
def cluster_style(
    out: Path,
    corpus: Path,
    style: Path,
    num_clusters: NumUnits = 100,
    hours: Hours = 50.0,
    passes: Size = 20,
    seed: Seed = 0,
) -> dict[str, str]:
    """Cluster the seconds of a corpus by the features of a style encoder, and save both as an extractor.

    Args:
        out: Output folder of ``style/`` and ``clusters.json``.
        corpus: Folder written by a corpus stage. Styles are optional; if known, the report says how well the units
            predict them.
        style: Folder of a style extractor, of which the encoder is used.
        num_clusters: Number of style units.
        hours: Hours of training speech to cluster, whose features are held in memory, a few kilobytes a second.
        passes: Number of passes over the features.
        seed: Seed of the clustering.
    """
    encoder = StyleUnits.load(style).encoder
    waveforms = (samples for samples, _ in _speech(corpus, "train", hours, encoder.min_samples))
    units = cluster_style_features(encoder, waveforms, num_clusters, passes, seed)
    train = cluster_report(units, _speech(corpus, "train", hours, units.min_samples))
    style_of_unit = {int(unit): name for unit, name in train["named"].items()}
    dev = cluster_report(units, _speech(corpus, "dev", hours, units.min_samples), style_of_unit)
    units.save(out / "style")
    write_text(out / "clusters.json", json.dumps({"train": train, "dev": dev}, indent=2) + "\n")
    summary = (
        f"{train['units_used']} of {num_clusters} used in training, {dev['units_used']} in held-out speech, "
        f"perplexity {dev['perplexity']:.1f}"
    )
    if "majority" in dev:
        accuracy = dev["accuracy_by_unit"]["share"]
        summary += f"; they predict the style of {accuracy:.2f} of the seconds against {dev['majority']:.2f}"
    return {"style units": summary}


def _speech(corpus: Path, split: str, hours: float, min_samples: int) -> Iterator[tuple[Tensor, str | None]]:
    """Yield the waveform (num_samples,) and the style of the first hours of a split.

    Utterances that are unreadable or shorter than ``min_samples`` are left out.
    """
    cuts = first_hours(read_cuts(corpus, split), hours)
    for loaded in load_utterances(cuts, SAMPLE_RATE, Tally(), f"style {split}"):
        if len(loaded.waveform) >= min_samples:
            yield loaded.waveform, loaded.utterance.style
