"""Base and Expressive trained in one stage: for another seed, or for a part of the speakers."""

from pathlib import Path

import lightning as L

from datamodules.prosody import F0DataModule, StyleDataModule
from lightningmodules.pitch_vqvae import PitchAutoencoder
from lightningmodules.reinitialize import redraw
from lightningmodules.style_encoder import StyleFinetuning
from recipes.stages.prosody import cluster_style, train_pitch, train_style
from recipes.stages.tokenizer import train_base_tokenizer
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.style_units import StyleUnits
from zoo.tokenizers.speech_tokenizer import Base, Expressive


def train_tokenizer_variants(
    out: Path,
    corpus: Path,
    encoder: SpeechEncoder,
    pitch: PitchAutoencoder,
    tracks: F0DataModule,
    pitch_trainer: L.Trainer,
    style: StyleFinetuning,
    crops: StyleDataModule,
    style_trainer: L.Trainer,
    num_clusters: int = 500,
    num_style_units: int = 100,
    switch_penalty: float = 0.0,
    hours: float = 10.0,
    seed: int = 0,
) -> dict[str, str]:
    """Train phonetic, pitch and style units from other initial weights, and save both tokenizers that they make.

    Args:
        out: Gets ``base/``, ``expressive/``, and a folder for each part that was trained.
        corpus: Folder filled by a corpus stage.
        encoder: Waveform to the features of phonetic units.
        pitch: The LightningModule of pitch units.
        tracks: F0 segments that it learns from.
        pitch_trainer: How long, and on what.
        style: The LightningModule of the style encoder.
        crops: Styled speech that it learns from.
        style_trainer: How long, and on what.
        num_clusters: Phonetic units.
        num_style_units: Style units.
        switch_penalty: As ``train_base_tokenizer``.
        hours: Of speech that phonetic and style units are clustered of.
        seed: Of initial weights, draws and clusterings; the data take their own.
    """
    redraw(pitch, seed)
    redraw(style, seed)
    told = train_base_tokenizer(out / "phonetic", corpus, encoder, num_clusters, switch_penalty, hours, seed=seed)
    told |= train_pitch(out / "pitch", pitch, tracks, pitch_trainer)
    told |= train_style(out / "classifier", style, crops, style_trainer)
    told |= cluster_style(out / "style", corpus, out / "classifier" / "style", num_style_units, hours, seed=seed)
    phonetic = PhoneticUnits.load(out / "phonetic" / "tokenizer" / "Hu")
    Base(phonetic).save(out / "base")
    Expressive(phonetic, PitchUnits.load(out / "pitch" / "pitch"), StyleUnits.load(out / "style" / "style")).save(
        out / "expressive"
    )
    return {name: line for name, line in told.items() if name not in ("curves", "inertia")}
