import math

import lightning as L
import pytest
import torch
from torch.nn import functional as F

from datamodules import AugmentedDataModule, DurationBuckets
from lightningmodules import AugmentationInvariantQuantizer, QuantizerLosses
from lightningmodules.callbacks import SeededSteps
from tests.toy_corpus import StopAfter, write_tones
from zoo.speech.augmentation import ColoredNoise, Noise, TimeStretch
from zoo.speech.ctc_quantizer import ContextCTCQuantizer, CTCQuantizer
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits

UNITS = 6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"), train=12, dev=3)


@pytest.fixture(scope="module")
def teacher(corpus):
    encoder = FilterbankEncoder()
    data = AugmentedDataModule(corpus, TimeStretch(), {}, DurationBuckets(8.0, max_seconds=2.0))
    frames = torch.cat([encoder(data.train_chunks.read(row, 0.0)) for row in range(12)])
    return PhoneticUnits(encoder, fit_kmeans([frames] * 5, UNITS).quantizer)


def module(teacher, seed=0, **arguments):
    torch.manual_seed(seed)
    quantizer = ContextCTCQuantizer(26, [16, UNITS + 1], context_dim=24, num_blocks=2)
    return AugmentationInvariantQuantizer(
        quantizer, FilterbankEncoder(), teacher, **{"learning_rate": 1e-2, "warmup_steps": 2} | arguments
    )


def data(corpus):
    noise = Noise(ColoredNoise(), 0.0, 5.0)
    return AugmentedDataModule(
        corpus, noise, {"noise": noise, "stretch": TimeStretch()}, DurationBuckets(8.0, max_seconds=2.0)
    )


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


def test_the_loss_is_ctc_a_target_unit_and_rows_too_short_count_nothing(teacher):
    trained, scores = module(teacher), torch.randn(3, 8, UNITS + 1).log_softmax(-1)
    targets = [torch.tensor([1, 2, 1]), torch.tensor([4]), torch.tensor([0, 1, 2, 3])]
    frames = torch.tensor([8, 5, 3])
    each = [
        F.ctc_loss(scores[row, :count], targets[row], [count], [len(targets[row])], blank=UNITS, reduction="sum")
        for row, count in ((0, 8), (1, 5))
    ]
    torch.testing.assert_close(trained.loss(scores, frames, targets), sum(each) / 8)


def test_targets_are_the_teachers_units_without_repetition_and_blanks(teacher):
    trained = module(teacher)
    found = trained.targets([torch.tensor([2, 2, 0, 0, 2]), torch.tensor([UNITS] * 3)])
    assert [row.tolist() for row in found] == [[2, 0, 2], []]


def test_only_the_quantizer_learns_and_what_it_is_taught_with_stays_in_evaluation(corpus, teacher, tmp_path):
    trained = module(teacher, losses=QuantizerLosses(aligned_steps=2))
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    trainer(tmp_path, 4).fit(trained, data(corpus))
    changed = {
        name.split(".")[0] for name, value in trained.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"quantizer"}
    trained.train()
    assert trained.quantizer.training and not trained.encoder.training and not trained.teacher.training


def test_it_learns_to_hear_the_clean_units_in_noise(corpus, teacher, tmp_path):
    trained, fit = module(teacher, losses=QuantizerLosses(aligned_steps=30)), trainer(tmp_path, 60)
    fit.fit(trained, data(corpus))
    logged = {name: value.item() for name, value in fit.callback_metrics.items()}
    assert logged["val/ued_noise"] < 0.6 * logged["val/teacher_ued_noise"] and logged["val/loss"] < 0.6 * math.log(
        UNITS
    )
    assert logged["val/perplexity"] > 0.7 * logged["val/teacher_perplexity"] > 2
    assert {f"val/{whose}ued_{name}" for whose in ("", "teacher_") for name in ("noise", "stretch")} < logged.keys()


INVARIANCE = {"aligned_weight": 1.0, "consistency_weight": 2.0, "balance_weight": 1.0}


def test_it_may_learn_to_agree_with_itself_and_to_use_its_units_as_well(corpus, teacher, tmp_path):
    trained, fit = module(teacher, losses=QuantizerLosses(aligned_steps=2, **INVARIANCE)), trainer(tmp_path, 3)
    losses = {}
    trained.log = lambda name, value, **_: losses.setdefault(name, []).append(value)
    fit.fit(trained, data(corpus))
    assert {name: len(values) for name, values in losses.items() if name.startswith("train/")} == {
        "train/aligned_loss": 3,
        "train/loss": 1,
        "train/consistency_loss": 1,
        "train/imbalance": 1,
    }
    assert trained.quantizer.training and all(
        value.isfinite() for name in losses if name.startswith("train/") for value in losses[name]
    )


@pytest.mark.parametrize("losses", [QuantizerLosses(aligned_steps=2), QuantizerLosses(aligned_steps=2, **INVARIANCE)])
def test_a_resumed_run_ends_with_the_same_weights(corpus, teacher, tmp_path, losses):
    whole, half, resumed = (
        module(teacher, losses=losses),
        module(teacher, losses=losses),
        module(teacher, seed=5, losses=losses),
    )
    trainer(tmp_path, 6).fit(whole, data(corpus))
    killed = trainer(tmp_path, 6)
    killed.callbacks.append(StopAfter(3))
    killed.fit(half, data(corpus))
    killed.save_checkpoint(tmp_path / "last.ckpt")
    assert killed.global_step == 3
    torch.manual_seed(99)
    trainer(tmp_path, 6).fit(resumed, data(corpus), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert [
        name for name, value in whole.state_dict().items() if not torch.equal(value, resumed.state_dict()[name])
    ] == []


def test_parts_that_do_not_fit_are_errors(teacher):
    with pytest.raises(ValueError, match="quantizer.widths begin with 5, but the features of the encoder are 26 wide"):
        AugmentationInvariantQuantizer(CTCQuantizer([5, 7]), FilterbankEncoder(), teacher, 1e-3)
    with pytest.raises(
        ValueError, match="the quantizer has 9 units, but the teacher 6: make the last of quantizer.widths 7"
    ):
        AugmentationInvariantQuantizer(CTCQuantizer([26, 10]), FilterbankEncoder(), teacher, 1e-3)
