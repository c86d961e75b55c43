"""Recipes at sizes at which each runs in seconds, with frequent checkpoints."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from zoo.audio import write

LANGUAGE_MODEL = [
    "network.hidden_size=32",
    "network.num_heads=2",
    "network.num_layers=1",
    "data.batch_size=2",
    "precision=32-true",
]
SAMPLES = ["stages.samples.count=2", "stages.samples.max_new_tokens=20"]
VOCODER = [
    "vocoder.generator.backbone.channels=16",
    "vocoder.generator.backbone.hidden=16",
    "vocoder.generator.backbone.num_blocks=1",
    "vocoder_data.batch_size=2",
]


@dataclass(frozen=True)
class Workload:
    """A recipe that is run again and again.

    Args:
        name: Name of the recipe, and of its folder below ``runs/``.
        overrides: Values that make it small.
        trained: Stage whose checkpoints are damaged.
        prepare: Writes what the recipe reads into the folder in which it is run.
    """

    name: str
    overrides: tuple[str, ...]
    trained: str
    prepare: Callable[[Path], object] = lambda folder: None

    @property
    def command(self) -> list[str]:
        return ["run", self.name, *self.overrides, f"out=runs/{self.folder}"]

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[2]


def trainer(name: str, steps: int) -> list[str]:
    return [f"{name}.max_steps={steps}", f"{name}.val_check_interval={steps // 2}"]


def write_digits(folder: Path) -> None:
    """Write a table of tones as a corpus with word times: each word is a pitch of its own."""
    words = ["one", "two", "three", "four", "five"]
    for split, count in {"train": 24, "dev": 8}.items():
        rows = ["audio\ttext\twords\tspeaker"]
        for number in range(count):
            spoken = np.random.default_rng([len(split), number]).choice(len(words), 4)
            times = np.arange(16000 * 2) / 16000
            pitch = np.repeat(200.0 * (spoken + 1), 8000)
            path = folder / "digits" / split / f"{number}.wav"
            write(path, torch.from_numpy(0.3 * np.sin(2 * np.pi * pitch * times)).float(), 16000)
            alignment = [[words[word], place / 2, place / 2 + 0.5] for place, word in enumerate(spoken)]
            quoted = str(alignment).replace("'", '""')
            text = " ".join(words[word] for word in spoken)
            rows.append(f'{split}/{number}.wav\t{text}\t"{quoted}"\tspeaker{number % 4}')
        (folder / "digits" / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    for path in (folder / "digits").rglob("*"):
        os.utime(path, (1e9, 1e9))  # the fingerprint of the corpus has the times of its files


WORKLOADS = (
    Workload(
        "quickstart",
        (
            "demo.hours=0.02",
            "demo.num_cloze=6",
            "num_units=16",
            *LANGUAGE_MODEL,
            *trainer("trainer", 8),
            *trainer("vocoder_trainer", 6),
            *VOCODER,
            "stages.language_model.checkpoint_every=2",
            "stages.without_interleaving.checkpoint_every=3",
            "stages.vocoder.checkpoint_every=2",
            "stages.vocabulary.text_size=300",
            "stages.tokens.train_speeds=[1.0]",
            *SAMPLES,
        ),
        "language_model",
    ),
    Workload(
        "digits",
        (
            "corpus=digits",
            "num_units=16",
            *LANGUAGE_MODEL,
            *trainer("trainer", 8),
            *trainer("vocoder_trainer", 6),
            *VOCODER,
            "stages.language_model.checkpoint_every=3",
            "stages.vocoder.checkpoint_every=2",
            "stages.vocabulary.text_size=300",
            "stages.tokens.train_speeds=[1.0, 1.1]",
            *SAMPLES,
        ),
        "vocoder",
        write_digits,
    ),
    Workload(
        "adapt/demo",
        (
            "hours=0.12",
            "num_units=16",
            "batch_size=2",
            "accelerator=cpu",
            "precision=32-true",
            "base_network.hidden_size=32",
            "base_network.num_layers=1",
            "trainer.max_steps=6",
            "base_trainer.max_steps=6",
            "stages.old_corpus.source.num_cloze=6",
            "stages.corpus.source.num_cloze=6",
            *(f"stages.{name}.checkpoint_every=2" for name in ("language_model", "lora", "full", "scratch")),
            "stages.vocabulary.text_size=300",
        ),
        "lora",
    ),
    Workload(
        "compare/base_vs_expressive",
        (
            "jobs=2",
            "seeds=[0]",
            "judges=null",
            "demo.hours=0.03",
            "demo.num_cloze=24",
            "demo.num_suite=12",
            "judge_demo.hours=0.02",
            "num_units=8",
            "num_pitches=8",
            "num_style_units=4",
            "precision=32-true",
            "network.hidden_size=32",
            "network.num_layers=1",
            "data.batch_size=2",
            *VOCODER,
            "vocoder.generator.harmonics=4",
            "vocoder_data.held_out.num_utterances=4",
            "pitch_trainer.max_steps=6",
            "style_trainer.max_steps=6",
            "judge_trainer.max_steps=6",
            "vocoder_trainer.max_steps=6",
            "trainer.max_steps=6",
            "stages.base_lm.checkpoint_every=2",
            "stages.base_vocoder.checkpoint_every=2",
            "stages.base_vocabulary.text_size=300",
            "stages.f0.num_processes=1",
            "stages.measure_tokenizers.num_processes=1",
            "stages.measure_language_models.num_processes=1",
        ),
        "base_vocoder",
    ),
)
