"""Two training loops over the same language model and batches: ours, and a plain one in PyTorch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from datamodules import InterleavedStream, MixtureDataModule, SpeechStream, TextStream
from lightningmodules import SpeechTextLM
from lightningmodules.callbacks import SeededSteps, TokenLedger
from lightningmodules.optimizers import adamw_with_warmup
from zoo.language.networks import llama
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import write_tokens
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

NUM_UTTERANCES = 2000
TOKENS_PER_SECOND = 17.5  # of speech
LEARNING_RATE, WARMUP_STEPS = 1e-4, 10


@dataclass(frozen=True)
class Shape:
    """Size of a network and of its batches; ``length`` is in tokens."""

    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    length: int
    batch_size: int


def make_vocabulary(num_units: int) -> Vocabulary:
    letters = "abcdefghijklmnopqrst"
    words = [f"{first}{second}" for first in letters for second in letters]
    return Vocabulary(train_text_tokenizer(words * 10, 600), (Stream("Hu", num_units, 25.0),))


def write_corpus(folder: Path, vocabulary: Vocabulary) -> Path:
    """Write utterances of 15 to 45 words with random tokens, and return ``folder``."""
    rows = list(random_rows(vocabulary))
    for split in ("train", "dev"):
        write_tokens(folder, split, rows, vocabulary.streams)
    return folder


def random_rows(vocabulary: Vocabulary) -> Iterator[TokenRow]:
    draw = np.random.default_rng(0)
    for number in range(NUM_UTTERANCES):
        num_words = int(draw.integers(15, 46))
        word_ends = np.cumsum(draw.uniform(0.2, 0.6, num_words))
        duration = float(word_ends[-1])
        num_speech = int(duration * TOKENS_PER_SECOND)
        text_per_word = draw.integers(1, 3, num_words)
        text_ids = draw.integers(2, vocabulary.num_text, text_per_word.sum())
        speech_ids = draw.integers(vocabulary.first_unit, len(vocabulary), num_speech)
        boundaries = np.sort(draw.choice(np.arange(1, num_speech), num_words - 1, replace=False))
        yield TokenRow(
            id=str(number),
            audio="",
            start=0.0,
            duration=duration,
            text="",
            language="en",
            speaker="",
            style=None,
            units={},
            text_ids=text_ids,
            speech_ids=speech_ids,
            speech_times=np.linspace(0, duration, num_speech),
            words=["w"] * num_words,
            word_ends=word_ends,
            word_text=np.r_[0, np.cumsum(text_per_word)],
            word_speech=np.r_[0, boundaries, num_speech],
        )


def make_data(tokens: Path, vocabulary: Vocabulary, shape: Shape) -> MixtureDataModule:
    """Text, speech and interleaved rows in equal shares."""
    streams = {"text": TextStream(tokens), "speech": SpeechStream(tokens), "interleaved": InterleavedStream(tokens)}
    weights = dict.fromkeys(streams, 1.0)
    return MixtureDataModule(vocabulary, streams, weights, shape.length, shape.batch_size, val_batches=1)


def make_network(vocabulary: Vocabulary, shape: Shape) -> nn.Module:
    """A Llama with random weights, always the same."""
    torch.manual_seed(0)
    return llama(
        vocabulary,
        shape.hidden_size,
        shape.num_layers,
        shape.num_heads,
        shape.intermediate_size,
        max_positions=shape.length,
    )


class PlainLoop:
    """A loop as anybody would write it: complete logits, the same optimizer, gradient clipping and schedule."""

    def __init__(self, model: nn.Module, device: str, steps: int) -> None:
        self.device = device
        self.model = model.to(device).train()
        configuration = adamw_with_warmup(model, LEARNING_RATE, WARMUP_STEPS, steps)
        self.optimizer = configuration["optimizer"]
        self.schedule = configuration["lr_scheduler"]["scheduler"]

    def step(self, ids: torch.Tensor) -> None:
        """Train on a batch of token ids (B, T)."""
        ids = ids.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        if self.device == "cuda":
            torch.cuda.synchronize()


def now() -> np.ndarray:
    """Wall-clock time and CPU time in seconds; the latter is more reliable on a busy machine."""
    return np.array([time.perf_counter(), time.process_time()])


class StepTimes(L.Callback):
    """Measures each training step, everything in Lightning's loop included; a plain loop may step in between.

    Attributes:
        lightning: Wall-clock and CPU seconds of each step.
        plain: The same for the plain loop; empty without one.
    """

    def __init__(self, plain_loop: PlainLoop | None) -> None:
        self.plain_loop = plain_loop
        self.lightning: list[np.ndarray] = []
        self.plain: list[np.ndarray] = []
        self.start = now()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: torch.Tensor, batch_idx: int
    ) -> None:
        if batch.is_cuda:
            torch.cuda.synchronize()
        end = now()
        self.lightning.append(end - self.start)
        if self.plain_loop is not None:
            self.plain_loop.step(batch)
            self.plain.append(now() - end)
        self.start = now()


@dataclass(frozen=True)
class Training:
    """How a network is trained: number of steps, ``cpu`` or ``cuda``, and the folder of Lightning's files."""

    steps: int
    device: str
    folder: Path

    def run(
        self, model: nn.Module, vocabulary: Vocabulary, data: MixtureDataModule, plain_loop: PlainLoop | None = None
    ) -> StepTimes:
        """Train with ``SpeechTextLM``, and let ``plain_loop`` step on the same batches in alternation."""
        times = StepTimes(plain_loop)
        trainer = L.Trainer(
            accelerator=self.device,
            devices=1,
            max_steps=self.steps,
            precision="bf16-mixed" if self.device == "cuda" else "32-true",
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            log_every_n_steps=10,
            default_root_dir=self.folder,
            callbacks=[SeededSteps(), TokenLedger(), times],
        )
        trainer.fit(SpeechTextLM(model, vocabulary, LEARNING_RATE, WARMUP_STEPS), data)
        return times
