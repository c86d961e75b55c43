"""What two processes do, started by test_distributed.py: DDP and FSDP2 training on the CPU, and a resumed run in one."""

import json
import os
import sys
from pathlib import Path

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn

from datamodules import InterleavedStream, MixtureDataModule, TextStream
from lightningmodules import SpeechTextLM
from recipes.stages.training import train_language_model
from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.language.adapters import lora
from zoo.language.networks import checkpointed
from zoo.language.sharding import from_checkpoint_once
from zoo.tokens.interleave import UniformSpans

VOCABULARY = words_vocabulary()


class Poisoned(SpeechTextLM):
    """The loss of the first process is no number at one step."""

    poisoned_step = -1

    def training_step(self, ids: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(ids, batch_idx)
        return loss * float("nan") if self.global_step == self.poisoned_step and self.global_rank == 0 else loss


class Seen(L.Callback):
    """Writes down the batches and losses of a process."""

    def __init__(self, path: Path) -> None:
        self.path, self.batches = path, []

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: dict, batch: torch.Tensor, batch_idx: int
    ) -> None:
        self.batches.append([batch.tolist(), float(outputs["loss"])])

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        record = {"batches": self.batches, "skipped": int(module.skipped_steps)}
        self.path.with_name(f"{self.path.name}-{trainer.global_rank}.json").write_text(json.dumps(record))


def train(
    out: Path,
    tokens: Path,
    steps: int,
    devices: int,
    strategy: L.pytorch.strategies.Strategy | str,
    adapters: bool = False,
    accumulate: int = 1,
    poisoned_step: int = -1,
    name: str = "seen",
    precision: str = "32-true",
    network: nn.Module | None = None,
) -> None:
    network = checkpointed(tiny_network(VOCABULARY)) if network is None else network
    model = Poisoned(
        lora(network, rank=2, new_rows=VOCABULARY) if adapters else network,
        VOCABULARY,
        1e-2,
        2,
        gradient_clip=0.5,
        chunk_tokens=16,
    )
    model.poisoned_step = poisoned_step
    streams = {"text": TextStream(tokens), "interleaved": InterleavedStream(tokens, UniformSpans((1, 3), (1, 3)))}
    data = MixtureDataModule(VOCABULARY, streams, {"text": 0.3, "interleaved": 0.7}, 32, 2, val_batches=1)
    trainer = L.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy=strategy,
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        val_check_interval=100,
        check_val_every_n_epoch=None,
        log_every_n_steps=1,
        precision=precision,
        callbacks=[Seen(out.parent / f"{out.name}-{name}")],
    )
    train_language_model(out, model, data, trainer, tokens, checkpoint_every=2)


def two_processes(folder: Path, tokens: Path) -> None:
    def sharded() -> ModelParallelStrategy:
        return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)

    train(folder / "ddp", tokens, 4, 2, DDPStrategy())
    train(folder / "fsdp", tokens, 2, 2, sharded(), name="first")
    train(folder / "fsdp", tokens, 4, 2, sharded(), name="second")
    train(folder / "fsdp_bf16", tokens, 2, 2, sharded(), precision="bf16-mixed")
    train(folder / "adapters_ddp", tokens, 3, 2, DDPStrategy(), adapters=True, poisoned_step=1)
    train(folder / "adapters_fsdp", tokens, 3, 2, sharded(), adapters=True, poisoned_step=1)
    network = from_checkpoint_once(str(folder / "checkpoint"), VOCABULARY)
    assert all(weight.is_meta == (os.environ["RANK"] == "1") for weight in network.parameters())
    train(folder / "once", tokens, 2, 2, sharded(), network=network)
    for _ in range(50):  # under way when the process ends, which must not abort it
        dist.all_reduce(torch.ones(50000), async_op=True)


if __name__ == "__main__":
    os.environ |= {"RANK": sys.argv[1], "LOCAL_RANK": sys.argv[1]}
    two_processes(Path(sys.argv[2]), Path(sys.argv[3]))
