import lightning as L
import pytest
import torch

from datamodules.f0 import F0DataModule
from lightningmodules.pitch_vqvae import PitchAutoencoder
from tests.toy_prosody import write_corpus
from tests.toy_trainer import trainer
from zoo.corpora.preparation import read_cuts
from zoo.evaluation.pitch_and_style import pitch_report
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_store import F0Store, write_f0
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    corpus, folder = write_corpus(tmp_path_factory.mktemp("prosody")), tmp_path_factory.mktemp("f0")
    for split in ("train", "dev"):
        write_f0(folder, split, read_cuts(corpus, split), Autocorrelation())
    return folder


def module(**options) -> PitchAutoencoder:
    torch.manual_seed(0)
    sizes = {"dim": 16, "width": 16, "depth": 2}
    return PitchAutoencoder(
        PitchVQVAE(PitchEncoder(**sizes), EMACodebook(12, 16, decay=0.9), PitchDecoder(**sizes), 30.0),
        **{"learning_rate": 3e-3} | options,
    )


def data(tracks) -> F0DataModule:
    return F0DataModule(tracks, segment_samples=7680, batch_size=8)


def test_training_beats_the_mean_of_each_utterance_on_another_speaker(tracks, tmp_path):
    trained, fit = module(), trainer(tmp_path, 150, limit_val_batches=1.0)
    fit.fit(trained, data(tracks))
    assert {
        "train/perplexity",
        "train/codes_used",
        "train/codes_reseeded",
        "train/reconstruction",
        "train/commitment",
    } <= set(fit.callback_metrics)
    fit.validate(trained, data(tracks), verbose=False)
    metrics = {name: float(value) for name, value in fit.callback_metrics.items()}
    assert metrics["val/log_f0_error"] < 0.8 * metrics["val/mean_log_f0_error"]
    assert metrics["val/codes_used"] >= 6 and 1 < metrics["val/perplexity"] <= metrics["val/codes_used"]
    report = pitch_report(PitchUnits(Autocorrelation(), trained.network), F0Store(tracks, "dev"))
    assert report["log_f0_error"]["octaves"] == pytest.approx(metrics["val/log_f0_error"], abs=2e-3)
    assert report["of_the_mean"]["octaves"] == pytest.approx(metrics["val/mean_log_f0_error"], abs=2e-3)
    assert report["f0_frame_error"]["share"] == pytest.approx(metrics["val/f0_frame_error"], abs=2e-3)
    assert report["f0_frame_error"]["share"] < report["f0_frame_error_of_the_mean"]["share"]
    assert report["units_used"] == metrics["val/codes_used"]


def test_a_resumed_run_ends_with_the_same_weights_and_codes(tracks, tmp_path):
    whole = module(warmup_steps=2, final_learning_rate=1e-3)
    trainer(tmp_path, 8).fit(whole, data(tracks))
    half, fit = module(warmup_steps=2, final_learning_rate=1e-3), trainer(tmp_path, 8)
    stop = L.pytorch.callbacks.LambdaCallback(
        on_train_batch_end=lambda trainer, *_: setattr(trainer, "should_stop", trainer.global_step == 5)
    )
    fit.callbacks.append(stop)
    fit.fit(half, data(tracks))
    assert fit.global_step == 5
    fit.save_checkpoint(tmp_path / "last.ckpt")
    torch.manual_seed(99)
    resumed, fit = module(warmup_steps=2, final_learning_rate=1e-3), trainer(tmp_path, 8)
    fit.fit(resumed, data(tracks), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert fit.global_step == 8
    assert [
        name for name, value in whole.state_dict().items() if not torch.equal(value, resumed.state_dict()[name])
    ] == []


def test_the_commitment_loss_has_its_weight(tracks):
    batch = next(iter(data_loader(tracks)))["tracks"]
    reconstruction = module(commitment_weight=0.5).eval().losses(batch)
    losses = reconstruction.losses
    scale = torch.tensor([30.0, 1.0])[:, None]
    assert losses["reconstruction"].item() == pytest.approx(
        ((reconstruction.tracks - batch) / scale).square().mean().item(), rel=1e-5
    )
    assert losses["loss"].item() == pytest.approx(
        (losses["reconstruction"] + 0.5 * losses["commitment"]).item(), rel=1e-5
    )
    assert reconstruction.units.shape == (8, 6)


def data_loader(tracks):
    serving = data(tracks)
    serving.setup("fit")
    serving.trainer = type(
        "Rank", (), {"global_rank": 0, "world_size": 1, "global_step": 0, "accumulate_grad_batches": 1}
    )
    return serving.train_dataloader()


def test_a_network_without_decoder_cannot_be_trained():
    with pytest.raises(ValueError, match="without a decoder cannot be trained"):
        PitchAutoencoder(PitchVQVAE(PitchEncoder(dim=8), EMACodebook(4, 8)))
