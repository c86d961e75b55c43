"""Phonetic units trained on a corpus: HuBERT, the quantizer that augmentations do not move, and what both are worth."""

import json
from itertools import islice
from pathlib import Path

import lightning as L
from transformers import Wav2Vec2FeatureExtractor

from datamodules.waveforms import AugmentedDataModule, WaveformDataModule
from lightningmodules.ctc_quantizer import AugmentationInvariantQuantizer
from lightningmodules.hubert import HubertPretraining
from recipes.stages.training import fit
from zoo.corpora.preparation import read_cuts
from zoo.evaluation.unit_robustness import MEAN, Robustness, measure
from zoo.files import atomic_folder, write_text
from zoo.speech.augmentation import Augmentation
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import load_utterances


def pretrain_hubert(
    out: Path, model: HubertPretraining, data: WaveformDataModule, trainer: L.Trainer, checkpoint_every: int = 1000
) -> dict[str, str]:
    """Pretrain a HuBERT and save it as a transformers folder, which ``HubertEncoder`` loads.

    Args:
        out: Gets ``model/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: The LightningModule.
        data: Waveforms.
        trainer: How long, and on what.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run goes on.
    """
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        with atomic_folder(out / "model") as folder:
            model.network.save_pretrained(folder)
            Wav2Vec2FeatureExtractor(do_normalize=model.normalize).save_pretrained(folder)
    return {
        "hubert": f"hidden frames told right: {metrics['val/accuracy']:.3f}; the commonest unit alone: {metrics['val/majority']:.3f}",
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


def train_ctc_quantizer(
    out: Path,
    model: AugmentationInvariantQuantizer,
    data: AugmentedDataModule,
    trainer: L.Trainer,
    checkpoint_every: int = 100,
) -> dict[str, str]:
    """Train a quantizer whose units augmentations do not move, and save the Base tokenizer with it.

    Args:
        out: Gets ``tokenizer/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: The LightningModule.
        data: Waveforms beside changed copies.
        trainer: How long, and on what.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run goes on.
    """
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        Base(PhoneticUnits(model.encoder, model.quantizer.cpu())).save(out / "tokenizer")
    names = [name.removeprefix("val/ued_") for name in metrics if name.startswith("val/ued_")]
    return {
        "unit edit distance, from the teacher's": ", ".join(
            f"{name} {metrics[f'val/teacher_ued_{name}']:.2f} to {metrics[f'val/ued_{name}']:.2f}" for name in names
        ),
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


def evaluate_units(
    out: Path,
    corpus: Path,
    tokenizers: dict[str, Path],
    augmentations: dict[str, Augmentation],
    split: str = "dev",
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, str]:
    """Compare the phonetic units of tokenizers: unit edit distance under augmentations, use of the codebook, what they tell of phones.

    Args:
        out: Gets ``units.json`` and ``units.md``.
        corpus: Folder filled by a corpus stage; the phones count where it has their times. Whether a machine spoke it is said beside the figures.
        tokenizers: Folders by name, the baseline first.
        augmentations: By name.
        split: Of the corpus.
        limit: Most utterances; all if None.
        seed: Of the strengths.
    """
    extractors = {name: load_tokenizer(folder).unit_extractors["Hu"] for name, folder in tokenizers.items()}
    rate = {part.sample_rate for part in extractors.values()}
    if len(rate) > 1:
        raise ValueError(f"the tokenizers take speech of different sample rates, {sorted(rate)}: compare those of one")
    speech = (
        (loaded.utterance, loaded.waveform)
        for loaded in load_utterances(read_cuts(corpus, split), rate.pop(), Tally(), "robustness")
    )
    found = measure(extractors, islice(speech, limit), augmentations, seed)
    baseline, synthetic = next(iter(found.values())), json.loads((corpus / "corpus.json").read_text())["synthetic"]
    report = {
        "synthetic_speech": synthetic,
        "split": split,
        "units": {name: one.report() for name, one in found.items()},
    }
    for name, one in list(found.items())[1:]:
        report["units"][name]["reduction"] = {
            kind: one.reduction(baseline, kind).named("value") for kind in (*augmentations, MEAN)
        }
    write_text(out / "units.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "units.md", _table(found, synthetic))
    return {
        f"unit edit distance, {name}": ", ".join(f"{kind} {one.distance(kind)}" for kind in (*augmentations, MEAN))
        for name, one in found.items()
    } | {"units": str(out / "units.md")}


def _table(found: dict[str, Robustness], synthetic: bool) -> str:
    baseline = next(iter(found.values()))
    kinds = [*baseline.edits, MEAN]
    head = ["units", *kinds, "perplexity", "units a second", "PNMI", "phone purity"]
    rows = []
    for name, one in found.items():
        tells = one.report()
        cells = [
            str(one.distance(kind)) + ("" if one is baseline else f"; {_change(one.reduction(baseline, kind).value)}")
            for kind in kinds
        ]
        rows.append(
            [
                name,
                *cells,
                f"{tells['perplexity']:.0f} of {one.size}",
                f"{tells['units_per_second']:.1f}",
                *(f"{tells[key]:.3f}" if key in tells else "" for key in ("pnmi", "purity")),
            ]
        )
    speech = "speech made by a synthesizer" if synthetic else "recorded speech"
    lines = [head, ["-"] * len(head), *rows]
    return (
        f"Unit edit distance under augmentation (edits per unit of the clean speech, with 95% intervals), {len(baseline.units)} utterances "
        f"of held-out {speech}.\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    )


def _change(reduction: float) -> str:
    return f"{-reduction:.0%} higher" if reduction < 0 else f"{reduction:.0%} lower"
