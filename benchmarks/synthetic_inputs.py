"""Inputs for steps of the paper-size recipes: checkpoints with random weights, batches of noise."""

from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from zoo.speech.encoders import FilterbankEncoder, HubertEncoder, SpeechEncoder
from zoo.speech.hubert_pretraining import hubert
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base

SAMPLE_RATE = 16000
NUM_STYLES = 26
SMALL = {
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_size": 64,
    "conv_dim": 16,
    "position_kernel": 16,
    "position_groups": 2,
}
SMALL_WAV2VEC2 = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
}

Batch = dict[str, Any]


def write_inputs(folder: Path, is_tiny: bool) -> list[str]:
    """Write the checkpoints and tokenizers that the recipes read, and return the overrides that name them."""
    hubert(**(SMALL if is_tiny else {})).save_pretrained(folder / "hubert")
    Wav2Vec2Model(Wav2Vec2Config(**(SMALL_WAV2VEC2 if is_tiny else {}))).save_pretrained(folder / "wav2vec2")
    source = str(folder / "hubert")
    save_tokenizer(folder / "filterbank_units" / "tokenizer", FilterbankEncoder(), 100)
    save_tokenizer(folder / "run" / "tokenizer" / "tokenizer", FilterbankEncoder(), 500)
    save_tokenizer(folder / "stage_1_units" / "tokenizer", HubertEncoder(source, 2 if is_tiny else 6), 500)
    save_tokenizer(folder / "kmeans", HubertEncoder(source, 2 if is_tiny else 11), 500)
    values = {
        "corpus": "none",
        "hubert": folder / "hubert",
        "kmeans": folder / "kmeans",
        "noises": "none",
        "rooms": "none",
        "checkpoint": folder / "wav2vec2",
        "run": folder / "run",
        "out": folder,
    }
    return [f"{key}={value}" for key, value in values.items()]


def save_tokenizer(folder: Path, encoder: SpeechEncoder, num_units: int) -> None:
    quantizer = KMeans(num_units, encoder.dim)
    torch.nn.init.normal_(quantizer.centroids)
    Base(PhoneticUnits(encoder, quantizer)).save(folder)


def make_batch(data: dict[str, Any]) -> tuple[Batch, float]:
    """Noise in the shape of a data module's batch, and the seconds of audio in it.

    Args:
        data: The node of the data module in a recipe, resolved.
    """
    kind = data["_target_"].split(".")[-1]
    return MAKERS.get(kind, vocoder_batch)(data)


def waveform_batch(data: dict[str, Any]) -> tuple[Batch, float]:
    buckets = data["buckets"]
    num_rows = int(buckets["batch_seconds"] / buckets["max_seconds"])
    num_samples = round(buckets["max_seconds"] * SAMPLE_RATE)
    waveform = 0.1 * torch.randn(num_rows, num_samples)
    return {"waveform": waveform}, num_rows * num_samples / SAMPLE_RATE


def augmented_batch(data: dict[str, Any]) -> tuple[Batch, float]:
    waveforms, seconds = waveform_batch(data)
    clean = waveforms["waveform"]
    lengths = torch.full((len(clean),), clean.shape[1])
    batch = {
        "clean": clean,
        "clean_samples": lengths,
        "augmented": clean + 0.02 * torch.randn_like(clean),
        "augmented_samples": lengths,
    }
    return batch, seconds


def f0_batch(data: dict[str, Any]) -> tuple[Batch, float]:
    num_rows = data["batch_size"]
    num_frames = data["segment_samples"] // 80
    tracks = torch.stack([30 * torch.randn(num_rows, num_frames), torch.ones(num_rows, num_frames)], 1)
    batch = {"tracks": tracks, "mean_hz": torch.full((num_rows, 1), 150.0)}
    return batch, num_rows * data["segment_samples"] / SAMPLE_RATE


def style_batch(data: dict[str, Any]) -> tuple[Batch, float]:
    num_rows = data["batch_size"]
    waveform = 0.1 * torch.randn(num_rows, round(data["crop_seconds"] * SAMPLE_RATE))
    batch = {"waveform": waveform, "style": torch.arange(num_rows) % NUM_STYLES}
    return batch, num_rows * data["crop_seconds"]


def vocoder_batch(data: dict[str, Any]) -> tuple[Batch, float]:
    num_rows = data["batch_size"]
    num_units = data["segment_units"]
    unit_rate = next(iter(data["rates"].values()))
    units = {prefix: torch.randint(64, (num_rows, num_units)) for prefix in data["rates"]}
    batch = {
        "waveform": 0.1 * torch.randn(num_rows, round(num_units * SAMPLE_RATE / unit_rate)),
        "units": units,
        "speaker": torch.arange(num_rows) % 4,
        "style": torch.zeros(num_rows, dtype=torch.int64),
        "run_units": torch.randint(500, (num_rows, 250)),
        "run_frames": torch.full((num_rows, 250), 2),
    }
    return batch, num_rows * num_units / unit_rate


MAKERS = {
    "WaveformDataModule": waveform_batch,
    "AugmentedDataModule": augmented_batch,
    "F0DataModule": f0_batch,
    "StyleDataModule": style_batch,
}
