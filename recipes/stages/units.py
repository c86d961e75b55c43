"""Phonetic units: HuBERT pretraining, the augmentation-invariant quantizer, and their evaluation."""

import json
from itertools import islice
from pathlib import Path

import lightning as L
from transformers import Wav2Vec2FeatureExtractor

from datamodules.waveforms import AugmentedDataModule, WaveformDataModule
from lightningmodules.ctc_quantizer import AugmentationInvariantQuantizer
from lightningmodules.hubert import HubertPretraining
from lightningmodules.training_logs import where_logged
from recipes.stages.held_out_speech import read_speech
from recipes.stages.training import fit
from zoo.evaluation.unit_robustness import MEAN, measure_unit_robustness, robustness_markdown, robustness_report
from zoo.files import atomic_folder, read_json, write_text
from zoo.ranges import PositiveInt, Seed, Size
from zoo.speech.augmentation import Augmentation
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer


def pretrain_hubert(
    out: Path,
    model: HubertPretraining,
    data: WaveformDataModule,
    trainer: L.Trainer,
    checkpoint_every: PositiveInt = 1000,
) -> dict[str, str]:
    """Pretrain a HuBERT and save it as a transformers folder, which ``HubertEncoder`` loads.

    Args:
        out: Output folder of ``model/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: LightningModule of the HuBERT.
        data: Waveforms to train on.
        trainer: Lightning trainer, which sets the number of steps and the accelerator.
        checkpoint_every: Number of optimizer steps between checkpoints, from which an interrupted run resumes.
    """
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        with atomic_folder(out / "model") as folder:
            model.network.save_pretrained(folder)
            Wav2Vec2FeatureExtractor(do_normalize=model.normalize).save_pretrained(folder)
    return {
        "hubert": f"accuracy on masked frames {metrics['val/accuracy']:.3f}; of the most frequent unit "
        f"{metrics['val/majority']:.3f}",
        **where_logged(trainer),
    }


def train_ctc_quantizer(
    out: Path,
    model: AugmentationInvariantQuantizer,
    data: AugmentedDataModule,
    trainer: L.Trainer,
    checkpoint_every: PositiveInt = 100,
) -> dict[str, str]:
    """Train a quantizer whose units are invariant to augmentations, and save the Base tokenizer with it.

    Args:
        out: Output folder of ``tokenizer/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: LightningModule of the quantizer.
        data: Waveforms with augmented copies.
        trainer: Lightning trainer, which sets the number of steps and the accelerator.
        checkpoint_every: Number of optimizer steps between checkpoints, from which an interrupted run resumes.
    """
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        Base(PhoneticUnits(model.encoder, model.quantizer.cpu())).save(out / "tokenizer")
    changes = []
    for key, distance in metrics.items():
        if key.startswith("val/ued_"):
            name = key.removeprefix("val/ued_")
            changes.append(f"{name} {metrics[f'val/teacher_ued_{name}']:.2f} to {distance:.2f}")
    return {
        "unit edit distance, from the teacher's": ", ".join(changes),
        **where_logged(trainer),
    }


def evaluate_units(
    out: Path,
    corpus: Path,
    tokenizers: dict[str, Path],
    augmentations: dict[str, Augmentation],
    split: str = "dev",
    limit: Size | None = None,
    seed: Seed = 0,
) -> dict[str, str]:
    """Compare the phonetic units of tokenizers: robustness to augmentations, codebook use, phonetic information.

    Args:
        out: Output folder of ``units.json`` and ``units.md``, which say whether the corpus was made by a synthesizer.
        corpus: Folder written by a corpus stage. Phonetic information is left out if it has no phone times.
        tokenizers: Folders by name, the baseline first.
        augmentations: Augmentations by name.
        split: Split of the corpus.
        limit: Largest number of utterances; all if None.
        seed: Seed of the augmentations.

    Raises:
        ValueError: If the tokenizers take speech of different sample rates.
    """
    extractors = {name: load_tokenizer(folder).unit_extractors["Hu"] for name, folder in tokenizers.items()}
    rates = {extractor.sample_rate for extractor in extractors.values()}
    if len(rates) > 1:
        raise ValueError(
            f"the tokenizers take speech of different sample rates, {sorted(rates)}: compare those of one sample rate"
        )
    speech = read_speech(corpus, split, rates.pop(), "robustness")
    robustness = measure_unit_robustness(extractors, islice(speech, limit), augmentations, seed)
    synthetic = read_json(corpus / "corpus.json")["synthetic"]
    report = {"synthetic_speech": synthetic, "split": split, "units": robustness_report(robustness)}
    write_text(out / "units.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "units.md", robustness_markdown(robustness, synthetic))
    lines = {}
    for name, of_extractor in robustness.items():
        distances = [f"{kind} {of_extractor.distance(kind)}" for kind in (*augmentations, MEAN)]
        lines[f"unit edit distance, {name}"] = ", ".join(distances)
    return {**lines, "units": str(out / "units.md")}
