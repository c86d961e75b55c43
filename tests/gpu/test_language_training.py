"""Language models learn on a GPU what they learn on the processor, in every shape of network, and go on after an interrupt."""

import lightning as L
import pytest
import torch

from datamodules import InterleavedStream, MixtureDataModule, TextStream
from lightningmodules import SpeechTextLM
from recipes.stages.training import train_language_model
from tests.toy_corpus import StopAfter
from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences
from zoo.language.adapters import lora
from zoo.language.document_positions import DocumentPositions
from zoo.language.networks import checkpointed, compiled, llama
from zoo.language.speech_text_model import load_language_model
from zoo.tokens.contract import write_contract
from zoo.tokens.interleave import UniformSpans

VOCABULARY = words_vocabulary()
ADAPTATIONS = {
    "all weights": lambda network: network,
    "checkpointed": checkpointed,
    "compiled": compiled,
    "lora": lambda network: lora(network, rank=4, new_rows=VOCABULARY),
    "lora, checkpointed, compiled": lambda network: compiled(lora(checkpointed(network), rank=4, new_rows=VOCABULARY)),
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_sentences(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def train(tokens, tmp_path):
    """Trains by the function of the stages; the last metrics, and the folder of the model."""
    folder = tmp_path / "vocabulary"
    VOCABULARY.save(folder)
    write_contract(folder, {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract})

    def run(out, device, network, precision="32-true", stop=99, **arguments):
        streams = {"text": TextStream(tokens), "interleaved": InterleavedStream(tokens, UniformSpans((1, 3), (1, 3)))}
        data = MixtureDataModule(VOCABULARY, streams, {"text": 0.3, "interleaved": 0.7}, 64, 4, val_batches=4)
        trainer = L.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision=precision,
            max_steps=8,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            val_check_interval=4,
            check_val_every_n_epoch=None,
            log_every_n_steps=1,
            callbacks=[StopAfter(stop)],
        )
        model = SpeechTextLM(network, VOCABULARY, 1e-2, 2, **arguments)
        train_language_model(tmp_path / out, model, data, trainer, folder, checkpoint_every=2)
        assert not model.skipped_steps
        return {name: float(value) for name, value in trainer.callback_metrics.items()}, tmp_path / out / "model"

    return run


@pytest.mark.parametrize("adaptation", ADAPTATIONS)
def test_losses_equal_those_on_the_cpu(train, device, adaptation):
    expected, _ = train(
        "cpu", "cpu", ADAPTATIONS["lora" if "lora" in adaptation else "all weights"](tiny_network(VOCABULARY))
    )
    actual, folder = train("device", device, ADAPTATIONS[adaptation](tiny_network(VOCABULARY)))
    for name in ("val/loss", "val/text_loss", "val/speech_loss"):
        assert actual[name] == pytest.approx(expected[name], abs=5e-3), name
    assert "lora" in adaptation or load_language_model(folder)[0].device.type == "cpu"


@pytest.mark.parametrize("adaptation", ["all weights", "lora"])
def test_bfloat16_losses_are_close(train, device, adaptation):
    expected, _ = train("cpu", "cpu", ADAPTATIONS[adaptation](tiny_network(VOCABULARY)))
    actual, _ = train("device", device, ADAPTATIONS[adaptation](tiny_network(VOCABULARY)), "bf16-mixed")
    assert actual["val/loss"] == pytest.approx(expected["val/loss"], abs=0.05)


def test_separated_documents_have_the_losses_of_the_cpu(train, device):
    expected, _ = train("cpu", "cpu", tiny_network(VOCABULARY), positions=DocumentPositions(VOCABULARY))
    actual, _ = train("device", device, tiny_network(VOCABULARY), positions=DocumentPositions(VOCABULARY))
    assert actual["val/loss"] == pytest.approx(expected["val/loss"], abs=5e-3)


@pytest.mark.parametrize("adaptation", ["all weights", "lora"])
def test_resumed_run_ends_like_an_uninterrupted_one(train, device, adaptation):
    uninterrupted, _ = train("whole", device, ADAPTATIONS[adaptation](tiny_network(VOCABULARY)), "bf16-mixed")
    train("halves", device, ADAPTATIONS[adaptation](tiny_network(VOCABULARY)), "bf16-mixed", stop=4)
    resumed, _ = train("halves", device, ADAPTATIONS[adaptation](tiny_network(VOCABULARY)), "bf16-mixed")
    assert resumed["val/loss"] == pytest.approx(uninterrupted["val/loss"], abs=2e-3)


def test_checkpointed_layers_need_less_memory(device):
    if device == "cpu":
        pytest.skip("memory is counted on a GPU")
    ids = torch.randint(len(VOCABULARY), (8, 128), device=device)
    peaks = {}
    for name, wrap in (("plain", lambda network: network), ("checkpointed", checkpointed)):
        model = SpeechTextLM(wrap(llama(VOCABULARY, 32, 8, 2)).eval(), VOCABULARY, 1e-2).to(device)
        torch.cuda.reset_peak_memory_stats()
        model.next_token(ids).mean.backward()
        peaks[name] = torch.cuda.max_memory_allocated()
        del model
    assert peaks["checkpointed"] < peaks["plain"]
