from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torchmetrics

from lightningmodules.callbacks import SeededSteps
from lightningmodules.checkpoint import LastCheckpoint
from lightningmodules.optimizers import GANOptimizer
from lightningmodules.vocoder import UnitVocoder
from lightningmodules.vocoder_loss_weights import VocoderLosses
from tests.toy_speech import STREAMS, write_hums
from tests.toy_trainer import trainer
from tests.toy_vocoder import OPTIMIZER, data, module
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base
from zoo.vocoder import (
    UnitConsistencyLoss,
    Vocoder,
)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_hums(tmp_path_factory.mktemp("hums"), [40, 30, 55, 25, 33, 28, 60, 41, 29, 50, 45, 35])


def weights(trained: UnitVocoder) -> dict:
    return {name: value.clone() for name, value in trained.state_dict().items()}


@pytest.mark.parametrize("kind", ["unit", "istft"])
def test_a_few_steps_lower_the_mel_loss(kind, tokens, tmp_path):
    trained = module(kind, adversarial=False)
    fit = trainer(tmp_path, 60, limit_val_batches=1.0)
    fit.validate(trained, data(tokens), verbose=False)
    before = float(fit.callback_metrics["val/mel_distance"])
    fit.fit(trained, data(tokens))
    fit.validate(trained, data(tokens), verbose=False)
    assert float(fit.callback_metrics["val/mel_distance"]) < 0.85 * before
    assert fit.callback_metrics["val/mel_distance"].item() == pytest.approx(
        fit.callback_metrics["val/mel"].item(), abs=1e-4
    )


def test_pitch_is_learned_and_spoken_by(tokens, tmp_path):
    """Training speaks by the pitch of the speech, validation by what was learned."""
    trained, fit = (
        module("harmonic", adversarial=False, micro_batches=2, ema_decay=0.5),
        trainer(tmp_path, 60, limit_val_batches=1.0),
    )
    fit.validate(trained, data(tokens), verbose=False)
    before = {name: float(fit.callback_metrics[f"val/{name}"]) for name in ("f0", "voicing", "mel")}
    fit.fit(trained, data(tokens))
    fit.validate(trained, data(tokens), verbose=False)
    assert all(float(fit.callback_metrics[f"val/{name}"]) < 0.9 * value for name, value in before.items())
    assert not any(name.startswith("f0") for name in trained.state_dict())


def test_pitch_is_learned_in_bfloat16_against_discriminators(tokens, tmp_path):
    trained = module("harmonic")
    trainer(tmp_path, 2, precision="bf16-mixed", limit_val_batches=1.0).fit(trained, data(tokens))
    assert trained.steps == 2 and all(p.isfinite().all() for p in trained.trained.parameters())
    assert trained.trained.generator.pitch.out.weight.grad.abs().sum() > 0


def test_a_harmonic_generator_wants_somebody_who_hears_f0():
    with pytest.raises(ValueError, match="harmonics 40, so its pitch must be learned .* f0 is not given"):
        module("harmonic", f0=None)
    module("istft", f0=None)


def test_what_is_heard_can_be_learned_from(tokens, tmp_path):
    """Without any other loss, a tokenizer comes to hear the units that speech is made of."""
    encoder, serving = FilterbankEncoder(), data(tokens)
    serving.setup("fit")
    spoken = [serving.rows.segment(row, 0, 25) for row in range(4)]
    frames = torch.cat([encoder(each["waveform"]) for each in spoken])
    units = torch.cat([each["units"]["Hu"] for each in spoken])
    quantizer = KMeans(6, encoder.dim)
    quantizer.centroids.copy_(torch.stack([frames[units == unit].mean(0) for unit in range(6)]))
    trained = module(
        "istft",
        adversarial=False,
        losses=VocoderLosses(
            mel_weight=0.0,
            further={"unit_consistency": UnitConsistencyLoss(Base(PhoneticUnits(encoder, quantizer)))},
        ),
    )
    fit = trainer(tmp_path, 60, limit_val_batches=1.0)
    fit.validate(trained, serving, verbose=False)
    before = float(fit.callback_metrics["val/unit_consistency"])
    fit.fit(trained, serving)
    fit.validate(trained, serving, verbose=False)
    assert float(fit.callback_metrics["val/unit_consistency"]) < 0.7 * before
    assert not any("unit_consistency" in name for name in trained.state_dict())


def test_lightning_counts_generator_steps_once(tokens, tmp_path):
    trained = module(losses=VocoderLosses(adversarial_from_step=2))
    fit = trainer(tmp_path, 5, callbacks=[SeededSteps(7), LastCheckpoint(tmp_path / "last.ckpt", 2)])
    fit.fit(trained, data(tokens))
    assert fit.global_step == trained.steps == 5
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] == kept["generator_steps"] == 4
    assert [group["lr"] for optimizer in kept["optimizer_states"] for group in optimizer["param_groups"]] == [
        trained.optimizer.learning_rate_at(3)
    ] * 2


def test_discriminators_wait_for_their_step(tokens, tmp_path):
    trained = module(losses=VocoderLosses(adversarial_from_step=3))
    before = weights(trained)
    trainer(tmp_path, 3).fit(trained, data(tokens))
    moved = [name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])]
    assert moved and not any(name.startswith("discriminators") for name in moved)
    trained = module(losses=VocoderLosses(adversarial_from_step=3))
    trainer(tmp_path, 4).fit(trained, data(tokens))
    assert any(
        not torch.equal(value, before[name])
        for name, value in trained.state_dict().items()
        if name.startswith("discriminators")
    )


@pytest.mark.parametrize("kind", ["unit", "harmonic"])
def test_a_resumed_run_ends_with_the_same_weights(kind, tokens, tmp_path):
    options = {
        "losses": VocoderLosses(adversarial_from_step=2),
        "optimizer": replace(OPTIMIZER, clip_norm=1.0, learning_rate_decay=0.5, decay_every_steps=2),
        "ema_decay": 0.9,
        "micro_batches": 2,
    }
    whole = module(kind, **options)
    trainer(tmp_path, 6).fit(whole, data(tokens))
    half, fit = module(kind, **options), trainer(tmp_path, 3)
    fit.fit(half, data(tokens))
    fit.save_checkpoint(tmp_path / "last.ckpt")
    torch.manual_seed(99)
    resumed, fit = module(kind, **options), trainer(tmp_path, 6)
    fit.fit(resumed, data(tokens), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert resumed.steps == 6
    assert [name for name, value in weights(whole).items() if not torch.equal(value, resumed.state_dict()[name])] == []


@pytest.mark.parametrize("kind", ["unit", "harmonic"])
def test_micro_batches_make_the_same_step(kind, tokens, tmp_path):
    def step(micro_batches: int) -> dict:
        trained = module(kind, micro_batches=micro_batches)
        trained.trained.durations.dropout.p = 0.0
        trainer(tmp_path, 1).fit(trained, data(tokens))
        return {name: p.grad.clone() for name, p in trained.trained.named_parameters() if p.grad is not None}

    one, two = step(1), step(2)
    assert all(
        torch.allclose(one[name], two[name], rtol=1e-3, atol=1e-5 * one[name].abs().max().item() + 1e-8) for name in one
    )
    with pytest.raises(ValueError, match="must divide the batch of 4"):
        step(3)


def test_the_learning_rate_is_a_function_of_the_step():
    optimizer = GANOptimizer(learning_rate=1.0, warmup_steps=4, learning_rate_decay=0.5, decay_every_steps=10)
    assert [optimizer.learning_rate_at(step) for step in (0, 1, 3, 9, 10, 25)] == [0.25, 0.5, 1.0, 1.0, 0.5, 0.25]


def test_clipping_bounds_the_gradient(tokens, tmp_path):
    trained = module(optimizer=replace(OPTIMIZER, clip_norm=1e-3))
    trainer(tmp_path, 1).fit(trained, data(tokens))
    for network in (trained.trained, trained.discriminators):
        assert torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).norm() < 1.1e-3


def test_the_running_mean_is_what_is_kept(tokens, tmp_path):
    trained = module(ema_decay=0.5, adversarial=False)
    before = weights(trained)
    trainer(tmp_path, 2).fit(trained, data(tokens))
    after, name = weights(trained), "generator.embed.speaker.weight"
    mean, now, start = after[f"averaged.module.{name}"], after[f"trained.{name}"], before[f"trained.{name}"]
    assert not torch.equal(mean, now) and (mean - start).abs().sum() < (now - start).abs().sum()
    kept = trained.vocoder(STREAMS, ["ann", "bob"])
    assert torch.equal(kept.generator.embed.speaker.weight, mean)


def test_too_few_speakers_are_told_before_training(tokens, tmp_path):
    with pytest.raises(ValueError, match="tokens have 2 speakers, but the generator has num_speakers 1"):
        trainer(tmp_path, 1).fit(module(num_speakers=1), data(tokens))


@pytest.mark.parametrize("kind", ["unit", "harmonic"])
def test_what_was_trained_speaks_and_goes_on_training(kind, tokens, tmp_path):
    trained, serving = module(kind, adversarial=False), data(tokens)
    trainer(tmp_path, 2).fit(trained, serving)
    vocoder = trained.vocoder(STREAMS, serving.speakers, serving.styles, contract={"tokenizer": {}})
    vocoder.save(tmp_path / "vocoder")
    spoken = Vocoder.load(tmp_path / "vocoder")("[St1][Pi2][Hu3][Hu4]", "bob")
    assert len(spoken) % 640 == 0 and torch.isfinite(spoken).all()
    assert trained.trained.training and not vocoder.training
    finetuned = Vocoder.load(tmp_path / "vocoder", fold_weight_norm=False)
    again = UnitVocoder(finetuned.generator, finetuned.durations, f0=Autocorrelation())
    assert all(part.training for part in again.modules())
    trainer(tmp_path, 1).fit(again, serving)
    assert again.steps == 1


class Ears:
    """Recognizes the unit of each tone."""

    def encode(self, waveform: torch.Tensor) -> dict:
        return {"Hu": (torch.fft.rfft(waveform.unflatten(0, (-1, 640))).abs()[:, 1:60].argmax(1) // 8).numpy()}


def test_validation_tells_the_edit_distance_where_there_is_a_tokenizer(tokens, tmp_path):
    fit = trainer(tmp_path, 1, limit_val_batches=1.0)
    fit.validate(module(tokenizer=Ears()), data(tokens), verbose=False)
    assert fit.callback_metrics["val/unit_edit_distance"] > 0


class Quietness(torchmetrics.MeanMetric):
    """Tells two things of what was made and what is real."""

    def update(self, made: torch.Tensor, real: torch.Tensor) -> None:
        super().update(1 - (made.abs().mean() / real.abs().mean()).clamp(max=1))

    def compute(self) -> dict:
        return {"quietness": super().compute(), "twice": 2 * super().compute()}


def test_validation_tells_every_measure_of_all_utterances_anew_each_time(tokens, tmp_path):
    trained = module(metrics={"first": Quietness(), "error": torchmetrics.MeanSquaredError()})
    fit = trainer(tmp_path, 1, limit_val_batches=1.0)
    told = []
    for _ in range(2):
        fit.validate(trained, data(tokens), verbose=False)
        told.append({name: fit.callback_metrics[f"val/{name}"].item() for name in ("quietness", "twice", "error")})
    assert told[0] == told[1] and told[0]["twice"] == pytest.approx(2 * told[0]["quietness"]) and told[0]["error"] > 0


def test_scaled_gradients_are_refused():
    trained = module()
    trained.trainer = SimpleNamespace(precision="16-mixed")
    with pytest.raises(ValueError, match="take bf16-mixed"):
        trained.setup("fit")
