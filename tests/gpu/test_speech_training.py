"""What listens and what speaks learns on a GPU what it learns on the processor."""

import os
import subprocess
import sys
from dataclasses import replace

import lightning as L
import pytest
import torch

from datamodules import F0DataModule, StyleDataModule
from lightningmodules import QuantizerLosses, VocoderLosses
from lightningmodules.callbacks import SpeechSamples
from recipes.stages.training import fit
from tests.lightningmodules import test_ctc_quantizer as ctc
from tests.lightningmodules import test_hubert as hubert
from tests.lightningmodules import test_pitch_vqvae as pitch
from tests.lightningmodules import test_style_encoder as style
from tests.lightningmodules import test_vocoder as vocoder
from tests.toy_corpus import write_tones
from tests.toy_prosody import write_corpus
from tests.toy_speech import STREAMS, write_hums
from zoo.corpora.preparation import read_cuts
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.f0_store import write_f0
from zoo.speech.kmeans import KMeans, fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.style_encoders import TransformerStyleEncoder
from zoo.tokenizers.speech_tokenizer import Base
from zoo.vocoder import UnitConsistencyLoss


def train(folder, device, model, data, steps=6, **options):
    """The metrics that training by the function of the stages ends with."""
    settings = {
        "max_steps": steps,
        "num_sanity_val_steps": 0,
        "val_check_interval": steps,
        "check_val_every_n_epoch": None,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    trainer = L.Trainer(accelerator="gpu" if device == "cuda" else "cpu", devices=1, **settings | options)
    return fit(folder, model, data, trainer, checkpoint_every=3)


def without_dropout(model):
    """Devices draw other masks from the same seed."""
    for submodule in model.modules():
        if isinstance(submodule, torch.nn.Dropout):
            submodule.p = 0.0
    return model


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"), train=12, dev=3)


@pytest.fixture(scope="module")
def acted(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("acted"))


@pytest.fixture(scope="module")
def hums(tmp_path_factory):
    return write_hums(tmp_path_factory.mktemp("hums"), [40, 30, 55, 25, 33, 28, 60, 41, 29, 50, 45, 35])


@pytest.fixture
def teacher(tones):
    encoder = FilterbankEncoder()
    chunks = hubert.data(tones).train_chunks
    frames = torch.cat([encoder(chunks.read(row, 0.0)) for row in range(12)])
    return PhoneticUnits(encoder, fit_kmeans([frames] * 5, hubert.UNITS).quantizer)


def tokenizer():
    encoder, quantizer = FilterbankEncoder(), KMeans(STREAMS[0].size, 26)
    torch.nn.init.normal_(quantizer.centroids, generator=torch.Generator().manual_seed(0))
    return Base(PhoneticUnits(encoder, quantizer))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("kind", ["unit", "istft"])
def test_vocoder_training_matches_the_cpu(device, hums, tmp_path, kind, precision):
    actual = train(
        tmp_path / "device",
        device,
        without_dropout(vocoder.module(kind)),
        vocoder.data(hums),
        precision=precision,
        callbacks=[SpeechSamples(1)],
    )
    expected = train(tmp_path / "cpu", "cpu", without_dropout(vocoder.module(kind)), vocoder.data(hums))
    for name in ("val/mel", "val/mel_distance", "val/duration"):
        assert actual[name] == pytest.approx(expected[name], rel=0.02 if precision == "32-true" else 0.3), name


@pytest.mark.parametrize("f0", [Autocorrelation, FCPE])
def test_vocoder_with_unit_consistency_loss_trains_after_a_sanity_check(device, hums, tmp_path, f0):
    judge = tokenizer()
    model = vocoder.module(
        "istft",
        tokenizer=judge,
        metrics={"f0": F0Errors(f0())},
        ema_decay=0.9,
        micro_batches=2,
        optimizer=replace(vocoder.OPTIMIZER, clip_norm=100.0),
        losses=VocoderLosses(mel_windows=(1024, 256), further={"unit_consistency": UnitConsistencyLoss(judge)}),
    )
    actual = train(tmp_path, device, model, vocoder.data(hums), num_sanity_val_steps=2)
    assert {"val/unit_consistency", "val/unit_edit_distance", "val/f0_frame_error"} <= actual.keys()
    assert model.vocoder(STREAMS)("[Hu1][Pi1][St1][Hu2]").device.type == "cpu"


def test_hubert_training_matches_the_cpu(device, tones, teacher, tmp_path):
    def module():
        result = hubert.module(teacher)
        result.network.config.layerdrop = 0.0
        return without_dropout(result)

    for precision, tolerance in (("32-true", 0.1), ("bf16-mixed", 0.2)):
        actual = train(tmp_path / f"device{precision}", device, module(), hubert.data(tones), 4, precision=precision)
        expected = train(tmp_path / f"cpu{precision}", "cpu", module(), hubert.data(tones), 4)
        assert actual["val/loss"] == pytest.approx(
            expected["val/loss"], rel=tolerance
        )  # training hides other spans on another device
        assert actual["val/label_perplexity"] == pytest.approx(expected["val/label_perplexity"], rel=0.02)


def test_quantizer_training_matches_the_cpu(device, tones, teacher, tmp_path):
    losses = QuantizerLosses(aligned_steps=2, aligned_weight=0.5, consistency_weight=0.5, balance_weight=0.5)

    def module():
        result = ctc.module(teacher, losses=losses)
        result.quantizer.output[1].p = 0.0
        return result

    actual = train(tmp_path / "device", device, module(), ctc.data(tones))
    expected = train(tmp_path / "cpu", "cpu", module(), ctc.data(tones))
    for name in ("val/loss", "val/teacher_ued_noise", "val/teacher_perplexity"):
        assert actual[name] == pytest.approx(expected[name], rel=0.05, abs=0.02), name


def test_pitch_unit_training_matches_the_cpu(device, acted, tmp_path):
    for split in ("train", "dev"):
        write_f0(tmp_path / "f0", split, read_cuts(acted, split), Autocorrelation(), num_processes=2)
    data = F0DataModule(tmp_path / "f0", segment_samples=7680, batch_size=8)
    actual = train(tmp_path / "device", device, pitch.module(), data, 30)
    expected = train(tmp_path / "cpu", "cpu", pitch.module(), data, 30)  # codes are drawn by other chance
    assert (
        actual["val/reconstruction"] == pytest.approx(expected["val/reconstruction"], rel=0.5)
        and actual["val/codes_used"] > 2
    )


@pytest.mark.parametrize("kind", ["prosody", "transformer"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_style_training_matches_the_cpu(device, acted, tmp_path, kind, precision):
    def module():
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "feed_forward": 64, "conv_dim": 16}
        return style.module(
            encoder=TransformerStyleEncoder.untrained(**sizes) if kind == "transformer" else None, learning_rate=1e-3
        )

    data = StyleDataModule(acted, crop_seconds=1.0, batch_size=6)
    actual = train(tmp_path / "device", device, module(), data, precision=precision)
    expected = train(tmp_path / "cpu", "cpu", module(), data)
    assert actual["val/loss"] == pytest.approx(expected["val/loss"], rel=0.1)


FORKED = """
import multiprocessing, sys
import torch
import recipes.stages.training, recipes.stages.tokens, recipes.engine.run
from zoo.hardware import precision

def use():
    print(precision("cpu"), precision(), torch.ones(2, device=sys.argv[1]).sum().item())

if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=use)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def test_forked_stages_can_use_the_device(device, tmp_path):
    (tmp_path / "forked.py").write_text(FORKED)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "forked.py"), device],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0 and done.stdout.split()[-1] == "2.0", done.stderr[-2000:]
