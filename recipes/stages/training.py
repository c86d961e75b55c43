"""Training stages: from a LightningModule, its data and a Trainer to a model folder."""

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
from lightningmodules.attached import add_callbacks
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

NUM_SUBSTITUTES = 3  # commonest style units, one of which replaces a missing style stream


def leave_process_group() -> None:
    """End the threads of the process group before Python exits.

    A thread of gloo that releases a tensor during the shutdown of Python aborts the process.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # joins the threads of every group that nothing refers to any more
        # DTensor's caches keep references to some groups: wait for their pending work to finish.
        time.sleep(0.2)


def fit(
    out: Path, model: L.LightningModule, data: L.LightningDataModule, trainer: L.Trainer, checkpoint_every: int
) -> dict[str, float]:
    """Train from the last checkpoint, or from the start where there is none, and return the last metrics.

    Args:
        out: Folder that gets ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: LightningModule to train.
        data: DataModule to train and validate on.
        trainer: Trainer, with the length of training and the device.
        checkpoint_every: Optimizer steps between checkpoints.
    """
    last = LastCheckpoint(out / "checkpoints" / "last.ckpt", checkpoint_every)
    trainer.loggers = [TensorBoardLogger(out, name="logs", version="")]
    add_callbacks(trainer, SeededSteps(), last)
    if trainer.progress_bar_callback and not shows_bars():
        trainer.progress_bar_callback.disable()
    atexit.register(leave_process_group)
    trainer.fit(model, data, ckpt_path=last.existing, weights_only=True)
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
    """Train a language model on tokens and save it with its vocabulary and contract.

    The model is saved whole, or as its adapter where only that was trained.

    Args:
        out: Folder that gets ``model/``, ``checkpoints/last.ckpt``, ``metrics.json``, ``ledger.json`` and TensorBoard
            ``logs/``.
        model: LightningModule to train.
        data: Rows of token ids: text, speech, interleaved, or a mixture.
        trainer: Trainer, with the length of training and the devices.
        vocabulary: Folder that the model's vocabulary was loaded from; every stream of the data is compared with it.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run resumes.

    Raises:
        ValueError: Where only the first process has read the weights, and the strategy does not distribute them.
    """
    if any(weight.is_meta for weight in model.parameters()) and not isinstance(trainer.strategy, ModelParallelStrategy):
        raise ValueError(
            "zoo.language.sharding.from_checkpoint_once reads the weights in the first process only, and only "
            "ModelParallelStrategy distributes them: name that as the trainer's strategy, or "
            "zoo.language.networks.from_checkpoint as the network"
        )
    for stream in data.streams.values():
        require_match(vocabulary, stream.tokens)
    ledger = TokenLedger()
    add_callbacks(trainer, ledger)
    metrics = fit(out, model, data, trainer, checkpoint_every)
    state = whole_state(model.next_token)  # on all processes, which gather the shards
    if trainer.is_global_zero:
        write_text(out / "ledger.json", json.dumps(ledger.account(trainer), indent=2) + "\n")
        weights = None
        if state is not None:
            weights = {name.removeprefix("network."): weight for name, weight in state.items()}
        with atomic_folder(out / "model") as folder:
            save_language_model(model.network, folder, model.vocabulary, read_contract(vocabulary), weights)
    losses = []
    for modality in ("text", "speech"):
        if f"val/{modality}_loss" in metrics:
            losses.append(f"{modality} {metrics[f'val/{modality}_loss']:.2f}")
    return {
        "language model": f"held-out loss in nats per token: {', '.join(losses)}",
        "curves": f"tensorboard --logdir {out / 'logs'}",
    }


def train_vocoder(
    out: Path, model: UnitVocoder, data: VocoderDataModule, trainer: L.Trainer, checkpoint_every: int = 100
) -> dict[str, str]:
    """Train a vocoder on tokens and the audio that they were made of, and save it with its contract.

    Args:
        out: Folder that gets ``vocoder/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/`` with
            audio.
        model: LightningModule to train.
        data: Segments of speech with their units.
        trainer: Trainer, with the length of training and the device.
        checkpoint_every: Steps between checkpoints, from which an interrupted run resumes.

    Raises:
        ValueError: Where the generator does not fit the streams of the tokens.
    """
    contract = {"tokenizer": read_contract(data.rows.folder)["tokenizer"]}
    streams = [Stream(**stream) for stream in contract["tokenizer"]["streams"]]
    model.vocoder(streams)  # a generator that does not fit is an error before the training, not after it
    add_callbacks(trainer, SpeechSamples())
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        # As in Spirit LM, one of three style units replaces a missing style stream; a missing pitch stream is an error.
        missing = None
        if "St" in data.rows.rates:
            missing = {"St": data.rows.commonest("St", NUM_SUBSTITUTES)}
        vocoder = model.vocoder(streams, data.speakers, data.styles, missing, contract)
        vocoder.save(out / "vocoder")
    return {
        "vocoder": f"held-out mel distance {metrics['val/mel_distance']:.2f}",
        "audio and curves": f"tensorboard --logdir {out / 'logs'}",
    }
