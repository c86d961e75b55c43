"""Training stages: a LightningModule, its data and a Trainer in; a model folder out."""

import atexit
import gc
import json
import time
from pathlib import Path

import lightning as L
import torch.distributed as dist
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import ModelParallelStrategy

from datamodules.language_model import MixtureDataModule
from datamodules.vocoder import VocoderDataModule
from lightningmodules.callbacks import SeededSteps, SpeechSamples, TokenLedger
from lightningmodules.checkpoint import LastCheckpoint
from lightningmodules.language_model import SpeechTextLM
from lightningmodules.vocoder import UnitVocoder
from zoo.files import atomic_folder, write_text
from zoo.language.adapters import save_language_model
from zoo.language.sharding import whole_state
from zoo.processes import shows_bars
from zoo.tokens.contract import read_contract, require_match
from zoo.tokens.units import Stream


def leave_process_group() -> None:
    """Let the threads of the process group end before Python does: one of gloo's that lets go of a tensor during the shutdown aborts the process."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # joins the threads of every group that nothing refers to any more
        time.sleep(0.2)  # DTensor's caches keep theirs for good: those finish what was awaited already


def fit(
    out: Path, model: L.LightningModule, data: L.LightningDataModule, trainer: L.Trainer, checkpoint_every: int
) -> dict[str, float]:
    """Train from the last checkpoint, or from the start where there is none, and return the last metrics."""
    last = LastCheckpoint(out / "checkpoints" / "last.ckpt", checkpoint_every)
    trainer.loggers = [TensorBoardLogger(out, name="logs", version="")]
    trainer.callbacks += [SeededSteps(), last]
    if trainer.progress_bar_callback and not shows_bars():
        trainer.progress_bar_callback.disable()
    atexit.register(leave_process_group)
    trainer.fit(model, data, ckpt_path=last.found, weights_only=True)
    last.save(trainer)
    trainer.validate(model, data, verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if trainer.is_global_zero:
        write_text(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    return metrics


def train_language_model(
    out: Path,
    model: SpeechTextLM,
    data: MixtureDataModule,
    trainer: L.Trainer,
    vocabulary: Path,
    checkpoint_every: int = 100,
) -> dict[str, str]:
    """Train a language model on tokens and save it with its vocabulary and contract: whole, or its adapter where one has learned.

    Args:
        out: Gets ``model/``, ``checkpoints/last.ckpt``, ``metrics.json``, ``ledger.json`` and TensorBoard ``logs/``.
        model: The LightningModule.
        data: Rows of token ids.
        trainer: How long, and on what.
        vocabulary: Folder that the model's vocabulary was loaded from; every stream of the data is checked against it.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run goes on.

    Raises:
        ValueError: Where the first process alone has read the weights, and the strategy does not hand them on.
    """
    if any(weight.is_meta for weight in model.parameters()) and not isinstance(trainer.strategy, ModelParallelStrategy):
        raise ValueError(
            "zoo.language.sharding.from_checkpoint_once reads the weights in the first process alone, and only ModelParallelStrategy hands them on: "
            "name that as the trainer's strategy, or zoo.language.networks.from_checkpoint as the network"
        )
    for stream in data.streams.values():
        require_match(vocabulary, stream.tokens)
    ledger = TokenLedger()
    trainer.callbacks.append(ledger)
    metrics = fit(out, model, data, trainer, checkpoint_every)
    state = whole_state(model.next_token)
    if trainer.is_global_zero:
        write_text(out / "ledger.json", json.dumps(ledger.account(trainer), indent=2) + "\n")
        with atomic_folder(out / "model") as folder:
            weights = (
                None if state is None else {name.removeprefix("network."): weight for name, weight in state.items()}
            )
            save_language_model(model.network, folder, model.vocabulary, read_contract(vocabulary), weights)
    losses = ", ".join(
        f"{kind} {metrics[f'val/{kind}_loss']:.2f}" for kind in ("text", "speech") if f"val/{kind}_loss" in metrics
    )
    return {"language model": f"held-out nats per token: {losses}", "curves": f"tensorboard --logdir {out / 'logs'}"}


def train_vocoder(
    out: Path, model: UnitVocoder, data: VocoderDataModule, trainer: L.Trainer, checkpoint_every: int = 100
) -> dict[str, str]:
    """Train a vocoder on tokens and the audio they were made of, and save it with its contract.

    Args:
        out: Gets ``vocoder/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/`` with audio.
        model: The LightningModule.
        data: Segments of waveform and units.
        trainer: How long, and on what.
        checkpoint_every: Steps between checkpoints, from which an interrupted run goes on.
    """
    contract = {"tokenizer": read_contract(data.rows.folder)["tokenizer"]}
    streams = [Stream(**stream) for stream in contract["tokenizer"]["streams"]]
    model.vocoder(streams)  # what does not fit is told before the training, not after it
    trainer.callbacks.append(SpeechSamples())
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        # Spirit LM, too, lets one of three styles stand in where none is told; a missing pitch is an error there and here.
        missing = {"St": data.rows.commonest("St", 3)} if "St" in data.rows.rates else None
        model.vocoder(streams, data.speakers, data.styles, missing, contract).save(out / "vocoder")
    return {
        "vocoder": f"held-out mel distance {metrics['val/mel_distance']:.2f}",
        "hear it learn": f"tensorboard --logdir {out / 'logs'}",
    }
