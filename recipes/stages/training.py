"""Training stages: from a LightningModule, its data and a Trainer to a model folder."""

import atexit
import gc
import json
import time
from pathlib import Path

import lightning as L
import torch.distributed as dist
from lightning.pytorch.strategies import ModelParallelStrategy
from peft import PeftModel
from transformers import PreTrainedModel

from datamodules.language_model import MixtureDataModule
from datamodules.vocoder import VocoderDataModule
from lightningmodules.attached import add_callbacks, callbacks_of
from lightningmodules.callbacks import SeededSteps, SpeechSamples, TokenLedger
from lightningmodules.checkpoint import LastCheckpoint
from lightningmodules.finite_loss import FiniteLoss
from lightningmodules.language_model import SpeechTextLM
from lightningmodules.starting_point import StartingPoint
from lightningmodules.training_logs import set_up_logs, where_logged
from lightningmodules.vocoder import UnitVocoder
from zoo.files import atomic_folder, write_text
from zoo.language.adapters import save_language_model
from zoo.language.position_limits import require_positions
from zoo.language.sharding import whole_state
from zoo.processes import shows_bars
from zoo.ranges import PositiveInt
from zoo.tokens.contract import read_contract, require_match
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

NUM_SUBSTITUTES = 3  # most frequent style units, one of which replaces a missing style stream


def leave_process_group() -> None:
    """End the threads of the process group before Python exits.

    Otherwise a thread of gloo may release a tensor while Python shuts down, which aborts the process.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
        gc.collect()  # joins the threads of groups without references
        # DTensor's caches keep references to some groups: wait for their pending work to finish.
        time.sleep(0.2)


def fit(
    out: Path, model: L.LightningModule, data: L.LightningDataModule, trainer: L.Trainer, checkpoint_every: int
) -> dict[str, float]:
    """Train a model, from its last checkpoint if there is one, and return the metrics at the end by name.

    Args:
        out: Output folder of ``checkpoints/last.ckpt``, ``metrics.json`` and, if the trainer has no logger of its own,
            TensorBoard ``logs/``.
        model: LightningModule to train.
        data: DataModule to train and validate on.
        trainer: Trainer, with the length of training and the devices.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run resumes.

    Raises:
        ValueError: The loss stays infinite or NaN.
    """
    checkpoint = LastCheckpoint(out / "checkpoints" / "last.ckpt", checkpoint_every)
    set_up_logs(trainer, out)
    add_callbacks(trainer, SeededSteps(), FiniteLoss(), checkpoint)
    if trainer.progress_bar_callback and not shows_bars():
        trainer.progress_bar_callback.disable()
    atexit.register(leave_process_group)
    trainer.fit(model, data, ckpt_path=checkpoint.usable(model), weights_only=True)
    checkpoint.save(trainer)
    checkpoint.remove_previous()
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
    checkpoint_every: PositiveInt = 100,
) -> dict[str, str]:
    """Train a language model on tokens and save it with its vocabulary and contract.

    A network with adapters is saved as its adapter, any other as a whole.

    Args:
        out: Output folder of ``model/``, ``checkpoints/last.ckpt``, ``metrics.json``, ``ledger.json`` and TensorBoard
            ``logs/``.
        model: LightningModule to train.
        data: DataModule of rows of token ids: text, speech, interleaved, or a mixture.
        trainer: Trainer, with the length of training and the devices.
        vocabulary: Folder that the model's vocabulary was loaded from, with the contract that the tokens of each
            stream must match.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run resumes.

    Raises:
        ValueError: Only the first process has read the weights and the strategy does not distribute them, rows are
            longer than the network's table of positions, or a stream was tokenized under another contract.
    """
    if any(weight.is_meta for weight in model.parameters()) and not isinstance(trainer.strategy, ModelParallelStrategy):
        raise ValueError(
            "zoo.language.sharding.from_checkpoint_once reads the weights in the first process only, and only "
            "ModelParallelStrategy distributes them: name that as the trainer's strategy, or "
            "zoo.language.networks.from_checkpoint as the network"
        )
    require_positions(model.network, data.sequence_length)
    for stream in data.streams.values():
        require_match(vocabulary, stream.tokens)
    ledger = TokenLedger()
    add_callbacks(trainer, ledger)
    metrics = fit(out, model, data, trainer, checkpoint_every)
    state = whole_state(model.next_token)  # called in all processes, which gather the shards
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
        **_starting_point(trainer),
        **where_logged(trainer),
    }


def save_network(out: Path, network: PreTrainedModel | PeftModel, vocabulary: Path) -> dict[str, str]:
    """Save a network before any training, to evaluate it beside the trained ones.

    Args:
        out: Output folder of ``model/``.
        network: Network, as the language model stage begins with.
        vocabulary: Folder that its vocabulary was loaded from.
    """
    with atomic_folder(out / "model") as folder:
        save_language_model(network, folder, Vocabulary.load(vocabulary), read_contract(vocabulary))
    return {"network": f"{sum(weight.numel() for weight in network.parameters()):,} weights, untrained"}


def _starting_point(trainer: L.Trainer) -> dict[str, str]:
    """Return a line on what the model predicted before its first step, if a callback has measured it."""
    for callback in callbacks_of(trainer):
        if isinstance(callback, StartingPoint) and callback.figures:
            figures = []
            for name, value in callback.figures.items():
                figures.append(f"{name.removeprefix('start/').replace('_', ' ')} {value:.3f}")
            return {"before training": f"in nats per token: {', '.join(figures)}"}
    return {}


def train_vocoder(
    out: Path, model: UnitVocoder, data: VocoderDataModule, trainer: L.Trainer, checkpoint_every: PositiveInt = 100
) -> dict[str, str]:
    """Train a vocoder on tokens and the audio that they encode, and save it with its contract.

    Args:
        out: Output folder of ``vocoder/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/`` with
            audio.
        model: LightningModule to train.
        data: DataModule of segments of speech with their units.
        trainer: Trainer, with the length of training and the devices.
        checkpoint_every: Optimizer steps between checkpoints, from which an interrupted run resumes.

    Raises:
        ValueError: The generator does not fit the streams of the tokens.
    """
    contract = {"tokenizer": read_contract(data.rows.folder)["tokenizer"]}
    streams = [Stream(**stream) for stream in contract["tokenizer"]["streams"]]
    model.vocoder(streams)  # raises before the training, rather than after it, if the generator does not fit
    add_callbacks(trainer, SpeechSamples())
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        # As in Spirit LM, one of three style units replaces a missing style stream; a missing pitch stream is an error.
        substitutes = None
        if "St" in data.rows.rates:
            substitutes = {"St": data.rows.commonest("St", NUM_SUBSTITUTES)}
        vocoder = model.vocoder(streams, data.speakers, data.styles, substitutes, contract)
        vocoder.save(out / "vocoder")
    return {
        "vocoder": f"held-out mel distance {metrics['val/mel_distance']:.2f}",
        **where_logged(trainer),
    }
