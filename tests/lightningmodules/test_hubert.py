from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from datamodules import DurationBuckets, WaveformDataModule
from lightningmodules import HubertPretraining, MaskedPrediction
from lightningmodules.callbacks import SeededSteps
from tests.toy_corpus import StopAfter, write_tones
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder
from zoo.speech.hubert_pretraining import hubert
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits

UNITS = 6
OBJECTIVE = MaskedPrediction(mask_share=0.4, predictor_dim=16)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"), train=12, dev=3)


@pytest.fixture(scope="module")
def teacher(corpus):
    encoder = FilterbankEncoder()
    chunks = WaveformDataModule(corpus, DurationBuckets(8.0, max_seconds=2.0)).train_chunks
    frames = torch.cat([encoder(chunks.read(row, 0.0)) for row in range(12)])
    return PhoneticUnits(encoder, fit_kmeans([frames] * 5, UNITS).quantizer)


def network(seed=0):
    torch.manual_seed(seed)
    return hubert(
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        intermediate_size=64,
        conv_dim=16,
        conv_kernel=[20, 8, 4, 4],
        conv_stride=[10, 8, 4, 2],
        position_kernel=8,
        position_groups=2,
    )


def module(teacher, seed=0, **arguments):
    return HubertPretraining(
        network(seed),
        teacher,
        **{"learning_rate": 5e-3, "warmup_steps": 2, "objective": OBJECTIVE} | arguments,
    )


def data(corpus):
    return WaveformDataModule(corpus, DurationBuckets(8.0, max_seconds=2.0))


def trainer(folder, steps):
    return L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=steps,
        callbacks=[SeededSteps()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        val_check_interval=steps,
        check_val_every_n_epoch=None,
    )


def sound(rows=2, samples=32000):
    return 0.1 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(0))


def test_labels_are_the_teachers_units_of_each_row(teacher):
    """Middles of the frames are at 645 samples and every 640 from there, those of the labels at 240: the next is nearest."""
    trained, waveforms = module(teacher), sound()
    frames = trained.network.feature_extractor(waveforms).shape[2]
    labels = trained.labels(waveforms, frames)
    assert labels.shape == (2, frames) and [row.tolist() for row in labels] == [
        teacher.encode(row)[1 : frames + 1].tolist() for row in waveforms
    ]


def test_hidden_frames_are_hidden_from_the_transformer_and_others_are_not(teacher):
    trained, given = module(teacher).eval(), []
    trained.network.encoder.register_forward_pre_hook(lambda layer, arguments: given.append(arguments[0]))
    hidden = torch.zeros(2, 48, dtype=torch.bool)
    hidden[0, 10:15] = hidden[1, 30:40] = True
    trained.logits(sound(), hidden)
    trained.network(sound())
    masked, plain = given
    assert torch.equal(masked[hidden], trained.network.masked_spec_embed.expand(15, -1))
    torch.testing.assert_close(masked[~hidden], plain[~hidden], rtol=1e-5, atol=1e-5)


def test_the_loss_is_of_hidden_frames_and_by_its_weight_of_the_others(teacher):
    logits, labels = torch.randn(2, 9, UNITS), torch.randint(UNITS, (2, 9))
    hidden = torch.zeros(2, 9, dtype=torch.bool)
    hidden[:, 2:5] = True
    hidden_loss = F.cross_entropy(logits[hidden], labels[hidden])
    seen_loss = F.cross_entropy(logits[~hidden], labels[~hidden])
    torch.testing.assert_close(module(teacher).loss(logits, labels, hidden), hidden_loss)
    torch.testing.assert_close(
        module(teacher, objective=replace(OBJECTIVE, seen_weight=0.5)).loss(logits, labels, hidden),
        hidden_loss + 0.5 * seen_loss,
    )


def test_the_convolutions_learn_more_slowly_by_the_factor(teacher):
    grads = []
    for factor in (1.0, 0.25):
        trained = module(teacher, conv_gradient=factor).eval()
        torch.manual_seed(0)
        logits, hidden, _ = trained.logits(sound())
        trained.loss(logits, trained.labels(sound(), 48), hidden).backward()
        grads.append(trained.network.feature_extractor.conv_layers[1].conv.weight.grad)
    torch.testing.assert_close(grads[1], 0.25 * grads[0], rtol=1e-4, atol=1e-8)


def test_it_learns_to_tell_hidden_units_and_the_teacher_stays(corpus, teacher, tmp_path):
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    trained, fit = (
        module(
            teacher,
            conv_gradient=1.0,
            objective=replace(OBJECTIVE, seen_weight=1.0, mask_share=0.2, mask_seconds=0.04),
        ),
        trainer(tmp_path, 60),
    )
    fit.fit(trained, data(corpus))
    logged = {name: value.item() for name, value in fit.callback_metrics.items()}
    assert min(logged["val/accuracy"], logged["val/seen_accuracy"]) > logged["val/majority"] + 0.2
    assert (
        logged["val/loss"] < 1.5 * np.log(UNITS) and logged["val/label_perplexity"] > 2 and logged["val/perplexity"] > 2
    )
    assert (
        all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
        and not trained.train().teacher.training
    )


def test_every_validation_hides_the_same_spans(corpus, teacher, tmp_path):
    trained, results = module(teacher), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        fit = trainer(tmp_path, 1)
        fit.validate(trained, data(corpus), verbose=False)
        results.append({name: value.item() for name, value in fit.callback_metrics.items()})
    assert results[0] == results[1]


def test_what_is_saved_is_an_encoder(teacher, tmp_path):
    trained = module(teacher).eval()
    trained.network.save_pretrained(tmp_path)
    encoder = HubertEncoder(str(tmp_path), 1)
    with torch.inference_mode():
        want = trained.network(sound(1), output_hidden_states=True).hidden_states[1][0]
        torch.testing.assert_close(encoder(sound(1)[0]), want, rtol=1e-5, atol=1e-5)
    assert encoder.frame_rate == 25.0 and encoder.normalize is trained.normalize


def test_a_resumed_run_ends_with_the_same_weights(corpus, teacher, tmp_path):
    whole, half, resumed = module(teacher), module(teacher), module(teacher, seed=5)
    trainer(tmp_path, 6).fit(whole, data(corpus))
    killed = trainer(tmp_path, 6)
    killed.callbacks.append(StopAfter(3))
    killed.fit(half, data(corpus))
    killed.save_checkpoint(tmp_path / "last.ckpt")
    torch.manual_seed(99)
    trainer(tmp_path, 6).fit(resumed, data(corpus), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert killed.global_step == 3
    assert [
        name for name, value in whole.state_dict().items() if not torch.equal(value, resumed.state_dict()[name])
    ] == []
