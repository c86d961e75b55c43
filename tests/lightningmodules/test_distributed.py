"""Two processes on the CPU, begun once; what they left behind is compared with one process that saw the same batches."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules import InterleavedStream, MixtureDataModule, TextStream
from tests.lightningmodules.distributed import train
from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences
from zoo.language.networks import from_checkpoint
from zoo.language.sharding import from_checkpoint_once
from zoo.tokens.interleave import UniformSpans

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    tokens = write_sentences(folder / "tokens")
    tiny_network(words_vocabulary(), tie_embeddings=True).save_pretrained(folder / "checkpoint")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, "-m", "tests.lightningmodules.distributed"]
    outputs = [folder / f"output-{rank}.txt" for rank in range(2)]
    started = [
        subprocess.Popen(
            [*command, str(rank), str(folder), str(tokens)],
            cwd=ROOT,
            env=os.environ | world,
            stdout=output.open("w"),
            stderr=subprocess.STDOUT,
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        codes = [process.wait(timeout=600) for process in started]
    finally:
        for process in started:
            process.kill()
    assert codes == [0, 0], "\n".join(output.read_text()[-3000:] for output in outputs)
    train(folder / "one", tokens, 4, 1, "auto", accumulate=2)
    train(
        folder / "each",
        tokens,
        2,
        1,
        "auto",
        accumulate=2,
        network=from_checkpoint(str(folder / "checkpoint"), words_vocabulary()),
    )
    shutil.copytree(folder / "ddp", folder / "changing")
    train(folder / "changing", tokens, 6, 1, "auto", accumulate=2)
    return folder


def seen(folder, name, ranks=1):
    records = [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in range(ranks)]
    return [
        batch for batches in zip(*(record["batches"] for record in records), strict=True) for batch, _ in batches
    ], records


def weights(folder, name):
    return load_file(folder / name / "model" / "model.safetensors")


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_learns_from_the_same_batches(ran, name):
    one, two = weights(ran, "one"), weights(ran, name)
    assert one.keys() == two.keys()
    for key, weight in one.items():
        torch.testing.assert_close(two[key], weight, rtol=1e-3, atol=2e-4, msg=key)
    batches, _ = seen(ran, "one-seen")
    runs = ["ddp-seen"] if name == "ddp" else ["fsdp-first", "fsdp-second"]
    assert [batch for run in runs for batch in seen(ran, run, 2)[0]] == batches


def test_weights_that_the_first_process_alone_has_read_are_those_of_all(ran):
    each, once = weights(ran, "each"), weights(ran, "once")
    assert each.keys() == once.keys() and "lm_head.weight" not in once  # they are tied
    for key, weight in each.items():
        torch.testing.assert_close(once[key], weight, rtol=1e-3, atol=2e-4, msg=key)
    assert seen(ran, "once-seen", 2)[0] == seen(ran, "each-seen")[0]


def test_weights_that_another_process_has_read_are_refused_where_nothing_hands_them_on(ran, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    network = from_checkpoint_once(str(ran / "checkpoint"), words_vocabulary())
    with pytest.raises(ValueError, match="only ModelParallelStrategy distributes them"):
        train(ran / "refused", ran / "tokens", 1, 1, "auto", network=network)


def test_bfloat16_is_for_the_length_of_a_pass(ran):
    def losses(name):
        return [loss for record in seen(ran, name, 2)[1] for _, loss in record["batches"][:2]]

    assert losses("fsdp_bf16-seen") == pytest.approx(losses("ddp-seen"), rel=0.01)
    assert losses("fsdp_bf16-seen") != losses("ddp-seen")
    assert all(weight.dtype == torch.float32 for weight in weights(ran, "fsdp_bf16").values())


def test_each_batch_is_read_once_across_a_change_of_world_size(ran):
    streams = {
        "text": TextStream(ran / "tokens"),
        "interleaved": InterleavedStream(ran / "tokens", UniformSpans((1, 3), (1, 3))),
    }
    wanted = MixtureDataModule(words_vocabulary(), streams, {"text": 0.3, "interleaved": 0.7}, 32, 2).mixture(
        "train", range(12)
    )
    assert seen(ran, "ddp-seen", 2)[0] + seen(ran, "changing-seen")[0] == [batch.tolist() for batch in wanted]
    ledger = json.loads((ran / "changing" / "ledger.json").read_text())
    assert sum(count for name, count in ledger.items() if name.startswith("tokens/")) == 12 * 2 * 32


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_a_step_that_is_not_finite_is_skipped_by_all(ran, name):
    _, records = seen(ran, f"adapters_{name}-seen", 2)
    assert [record["skipped"] for record in records] == [1, 1]
    assert all(
        weight.isfinite().all()
        for weight in load_file(ran / f"adapters_{name}" / "model" / "adapter_model.safetensors").values()
    )


def test_adapters_learn_alike_and_are_saved_as_adapters(ran):
    ddp, fsdp = (
        load_file(ran / f"adapters_{name}" / "model" / "adapter_model.safetensors") for name in ("ddp", "fsdp")
    )
    assert (
        ddp.keys() == fsdp.keys() and any("lora_B" in key for key in ddp) and any("token_adapter" in key for key in ddp)
    )
    for key, weight in ddp.items():
        torch.testing.assert_close(fsdp[key], weight, rtol=1e-3, atol=2e-4, msg=key)
    kept = torch.load(ran / "adapters_ddp" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert kept and all("lora_" in key or "trainable_tokens" in key or key == "skipped_steps" for key in kept)


def test_shards_are_saved_by_each_process(ran):
    last = ran / "fsdp" / "checkpoints" / "last.ckpt"
    assert (
        last.is_dir()
        and len(list(last.glob("*.distcp"))) == 2
        and [path.name for path in last.parent.iterdir()] == ["last.ckpt"]
    )


def test_the_account_of_tokens_and_epochs_is_in_tensorboard(ran):
    scalars = EventAccumulator(str(ran / "one" / "logs")).Reload()
    ledger = json.loads((ran / "one" / "ledger.json").read_text())
    assert set(ledger) == {"tokens/text", "tokens/speech", "tokens/other", "epochs/text", "epochs/interleaved"}
    for name, last in ledger.items():
        values = [event.value for event in scalars.Scalars(name)]
        assert len(values) == 4 and values == sorted(values) and values[-1] == pytest.approx(last)
    batches, _ = seen(ran, "one-seen")
    ids = torch.tensor(batches)
    assert (
        ledger["tokens/text"] == words_vocabulary().is_text(ids).sum()
        and ledger["tokens/speech"] == words_vocabulary().is_unit(ids).sum()
    )
