"""The Base and the Expressive tokenizer trained in one stage, for one seed or one fold of the speakers."""

from dataclasses import dataclass
from pathlib import Path

import lightning as L

from datamodules.f0 import F0DataModule
from datamodules.style import StyleDataModule
from lightningmodules.pitch_vqvae import PitchAutoencoder
from lightningmodules.reinitialize import redraw
from lightningmodules.style_encoder import StyleFinetuning
from recipes.stages.prosody import cluster_style, train_pitch, train_style
from recipes.stages.tokenizer import train_base_tokenizer
from zoo.ranges import Hours, NonNegativeFloat, NumUnits, Seed, check_ranges
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.style_units import StyleUnits
from zoo.tokenizers.speech_tokenizer import Base, Expressive

# The lines of single stages that would name the same thing twice here.
OMITTED_LINES = ("curves", "inertia")


@dataclass(frozen=True)
class PhoneticTraining:
    """How phonetic units are clustered.

    Args:
        encoder: Waveform to the features that are clustered.
        num_clusters: Number of phonetic units.
        switch_penalty: Cost of a change of unit, as in ``train_base_tokenizer``.
    """

    encoder: SpeechEncoder
    num_clusters: NumUnits = 500
    switch_penalty: NonNegativeFloat = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class PitchTraining:
    """How pitch units are trained.

    Args:
        model: LightningModule of the pitch VQ-VAE; its weights are drawn anew.
        data: F0 segments to train on.
        trainer: Number of steps and the device.
    """

    model: PitchAutoencoder
    data: F0DataModule
    trainer: L.Trainer


@dataclass(frozen=True)
class StyleTraining:
    """How style units are trained: a classifier first, whose features are then clustered.

    Args:
        model: LightningModule of the style encoder and its classifier; their weights are drawn anew.
        data: Crops of speech with styles to train on.
        trainer: Number of steps and the device.
        num_clusters: Number of style units.
    """

    model: StyleFinetuning
    data: StyleDataModule
    trainer: L.Trainer
    num_clusters: NumUnits = 100

    def __post_init__(self) -> None:
        check_ranges(self)


def train_tokenizer_variants(
    out: Path,
    corpus: Path,
    phonetic: PhoneticTraining,
    pitch: PitchTraining,
    style: StyleTraining,
    hours: Hours = 10.0,
    seed: Seed = 0,
) -> dict[str, str]:
    """Train phonetic, pitch and style units from the weights of a seed, and save both tokenizers that use them.

    Args:
        out: Output folder of ``base/``, ``expressive/``, and one folder for each kind of unit.
        corpus: Folder written by a corpus stage.
        phonetic: How phonetic units are clustered.
        pitch: How pitch units are trained.
        style: How style units are trained.
        hours: Hours of training speech that phonetic and style units are clustered on.
        seed: Seed of initial weights, sampled utterances and clusterings; the DataModules have seeds of their own.
    """
    redraw(pitch.model, seed)
    redraw(style.model, seed)
    lines = train_base_tokenizer(
        out / "phonetic",
        corpus,
        phonetic.encoder,
        phonetic.num_clusters,
        phonetic.switch_penalty,
        hours,
        seed=seed,
    )
    lines |= train_pitch(out / "pitch", pitch.model, pitch.data, pitch.trainer)
    lines |= train_style(out / "classifier", style.model, style.data, style.trainer)
    classifier = out / "classifier" / "style"
    lines |= cluster_style(out / "style", corpus, classifier, style.num_clusters, hours, seed=seed)
    phonetic_units = PhoneticUnits.load(out / "phonetic" / "tokenizer" / "Hu")
    pitch_units = PitchUnits.load(out / "pitch" / "pitch")
    style_units = StyleUnits.load(out / "style" / "style")
    Base(phonetic_units).save(out / "base")
    Expressive(phonetic_units, pitch_units, style_units).save(out / "expressive")
    return {name: line for name, line in lines.items() if name not in OMITTED_LINES}
