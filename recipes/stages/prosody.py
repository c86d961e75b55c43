"""Pitch and style units, trained on a corpus: each stage leaves a folder that a tokenizer can be put together from."""

import json
from collections.abc import Iterator
from pathlib import Path

import lightning as L
import torch
from lhotse.cut import Cut
from torch import Tensor

from datamodules.f0 import F0DataModule
from datamodules.style import StyleDataModule
from lightningmodules.pitch_vqvae import PitchAutoencoder
from lightningmodules.style_encoder import StyleFinetuning
from recipes.stages.training import fit
from zoo.audio import SAMPLE_RATE
from zoo.corpora.preparation import first_hours, read_cuts
from zoo.corpora.source import SPLITS
from zoo.corpora.utterance import load_waveform, to_utterance
from zoo.evaluation.pitch_and_style import cluster_report, pitch_report, style_report
from zoo.files import write_text
from zoo.speech.f0 import F0Extractor
from zoo.speech.f0_store import F0Store, write_f0
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.pitch_units import F0_EXTRACTORS, PitchUnits
from zoo.speech.style_units import StyleClusters, StyleUnits
from zoo.tokenizers.tokenization import Tally, readable

EXTRACTOR = "f0.json"


def extract_f0(
    out: Path,
    corpus: Path,
    extractor: F0Extractor,
    num_processes: int = 1,
    max_bad_share: float = 0.05,
    hours: float | None = None,
) -> dict[str, str]:
    """Compute the F0 of every split of a corpus, once.

    Args:
        out: Gets ``{split}.f0``, ``{split}.jsonl`` and ``f0.json``.
        corpus: Folder filled by a corpus stage.
        extractor: Waveform to F0.
        num_processes: That compute at once.
        max_bad_share: Of a split, how many utterances may be unreadable.
        hours: Of training speech that is listened to; all if None.

    Raises:
        ValueError: Where more are.
    """
    voiced = []
    for split in (name for name in SPLITS if (corpus / f"{name}.jsonl.gz").is_file()):
        store = write_f0(
            out,
            split,
            first_hours(read_cuts(corpus, split), hours if split == "train" else None),
            extractor,
            num_processes,
        )
        if store.num_skipped > max_bad_share * (len(store) + store.num_skipped):
            raise ValueError(
                f"{store.num_skipped} of {len(store) + store.num_skipped} utterances of {split!r} could not be read, more than "
                f"max_bad_share={max_bad_share}; the reasons are in {out / split}.jsonl"
            )
        voiced.append(f"{split} {sum(row.mean_hz > 0 for row in store.rows)} of {len(store)}")
    write_text(
        out / EXTRACTOR,
        json.dumps({"class": type(extractor).__name__, "arguments": extractor.config()}, indent=2) + "\n",
    )
    return {"F0": f"utterances with a voiced frame: {', '.join(voiced)}"}


def train_pitch(
    out: Path, model: PitchAutoencoder, data: F0DataModule, trainer: L.Trainer, checkpoint_every: int = 1000
) -> dict[str, str]:
    """Train a pitch VQ-VAE on F0 tracks, save it as an extractor, and measure it on the validation split.

    Args:
        out: Gets ``pitch/``, ``pitch.json``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: The LightningModule.
        data: F0 segments.
        trainer: How long, and on what.
        checkpoint_every: Steps between checkpoints, from which an interrupted run goes on.
    """
    form = json.loads((data.tracks / EXTRACTOR).read_text())
    fit(out, model, data, trainer, checkpoint_every)
    pitch = PitchUnits(F0_EXTRACTORS[form["class"]](**form["arguments"]), model.network.cpu(), data.normalize)
    report = pitch_report(pitch, F0Store(data.tracks, data.validation_split))
    if trainer.is_global_zero:
        pitch.save(out / "pitch")
        write_text(out / "pitch.json", json.dumps(report, indent=2) + "\n")
    error, flat = report["log_f0_error"], report["of_the_mean"]
    return {
        "pitch units": f"{report['units_used']} of {report['units']} used, perplexity {report['perplexity']:.1f}",
        "held-out F0": f"error {error['octaves']:.3f} octaves {error['interval']} against {flat['octaves']:.3f} of the utterance's mean; "
        f"frame error {report['f0_frame_error']['share']:.3f} against {report['f0_frame_error_of_the_mean']['share']:.3f}",
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


def train_style(
    out: Path, model: StyleFinetuning, data: StyleDataModule, trainer: L.Trainer, checkpoint_every: int = 500
) -> dict[str, str]:
    """Finetune a style encoder with a classifier, save both as an extractor, and measure it on the validation split.

    Args:
        out: Gets ``style/``, ``style.json``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: The LightningModule.
        data: Crops of styled speech.
        trainer: How long, and on what.
        checkpoint_every: Steps between checkpoints, from which an interrupted run goes on.
    """
    fit(out, model, data, trainer, checkpoint_every)
    model.head.labels = data.styles + [f"unused {index}" for index in range(len(data.styles), model.head.size)]
    style = StyleUnits(model.encoder.cpu(), model.head.cpu())
    report = style_report(style, _styled(data.validation, data.max_seconds))
    if trainer.is_global_zero:
        style.save(out / "style")
        write_text(out / "style.json", json.dumps(report, indent=2) + "\n")
    return {
        "style": f"held-out accuracy {report['accuracy']['share']:.2f} {report['accuracy']['interval']} against {report['majority']:.2f} of the majority",
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


@torch.inference_mode()
def cluster_style(
    out: Path, corpus: Path, style: Path, num_clusters: int = 100, hours: float = 50.0, passes: int = 20, seed: int = 0
) -> dict[str, str]:
    """Cluster the seconds of a corpus by the features of a style encoder, and save encoder and clusters as an extractor.

    Args:
        out: Gets ``style/`` and ``clusters.json``.
        corpus: Folder filled by a corpus stage; styles need not be known, but then their agreement with the units is not told.
        style: Folder of a style extractor, whose head is put aside.
        num_clusters: Style units.
        hours: Of training speech that is listened to.
        passes: Over the features of its seconds, which are kept in memory: a few kilobytes each.
        seed: Of the clustering.
    """
    encoder = StyleUnits.load(style).encoder
    frames = round(encoder.frame_rate)
    points = torch.cat(
        [
            StyleClusters.unit_means(encoder(piece[None]), frames)[0]
            for piece, _ in _listen(encoder.min_samples, corpus, "train", hours)
        ]
    )
    draw = torch.Generator().manual_seed(seed)
    fitted = fit_kmeans(
        (points[torch.randperm(len(points), generator=draw)] for _ in range(passes)), num_clusters, seed
    )
    head = StyleClusters(num_clusters, encoder.dim)
    head.kmeans = fitted.quantizer
    head.reseed_unused(points)
    units = StyleUnits(encoder, head)
    train = cluster_report(units, _listen(units.min_samples, corpus, "train", hours))
    named = {int(unit): name for unit, name in train["named"].items()}
    report = {"train": train, "dev": cluster_report(units, _listen(units.min_samples, corpus, "dev", hours), named)}
    units.save(out / "style")
    write_text(out / "clusters.json", json.dumps(report, indent=2) + "\n")
    dev = report["dev"]
    agree = (
        f"; they tell the style of {dev['accuracy_by_unit']['share']:.2f} of the seconds against {dev['majority']:.2f}"
        if "majority" in dev
        else ""
    )
    return {
        "style units": f"{train['units_used']} of {num_clusters} used in training, {dev['units_used']} in held-out speech, perplexity {dev['perplexity']:.1f}{agree}"
    }


def _styled(cuts: list[Cut], max_seconds: float) -> Iterator[tuple[Tensor, str]]:
    for cut in cuts:
        piece = load_waveform(cut)
        yield piece[: round(SAMPLE_RATE * max_seconds)], to_utterance(cut).style


def _listen(min_samples: int, corpus: Path, split: str, hours: float) -> Iterator[tuple[Tensor, str | None]]:
    """Waveform and style of the first ``hours`` of a split; what is unreadable or too short is passed over."""
    for spoken, _, samples in readable(
        first_hours(read_cuts(corpus, split), hours), SAMPLE_RATE, Tally(), f"style {split}"
    ):
        if len(samples) >= min_samples:
            yield samples, spoken.style
