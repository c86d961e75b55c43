import lightning as L
import pytest
import torch
from torch.nn import functional as F

from datamodules import TranscribedFeaturesDataModule
from lightningmodules import BottleneckFitting, SupervisedUnits
from lightningmodules.callbacks import SeededSteps
from tests.toy_corpus import StopAfter
from tests.toy_features import DIM, write_toy_features
from zoo.speech.bottleneck import VectorQuantizer
from zoo.speech.context_layers import ConvolutionLayers
from zoo.speech.finite_scalar_quantizer import FiniteScalarQuantizer
from zoo.speech.supervised_units import ReadingHead, SupervisedQuantizer
from zoo.speech.transcript_labels import Characters


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return write_toy_features(tmp_path_factory.mktemp("features"))


def module(features, kind="vq", unquantized_steps=0, head_steps=0, **arguments):
    torch.manual_seed(0)
    labels = Characters.load(features)
    bottleneck = VectorQuantizer(8, 16) if kind == "vq" else FiniteScalarQuantizer([3, 3], 16)
    quantizer = SupervisedQuantizer(bottleneck, ConvolutionLayers(DIM, 16, num_blocks=1))
    head = ReadingHead(16, labels, ConvolutionLayers(16, 16, num_blocks=1), kernel_frames=3)
    arguments = {"learning_rate": 1e-2, "warmup_steps": 5} | arguments
    fitting = BottleneckFitting(unquantized_steps, head_steps, initial_frames=500)
    return SupervisedUnits(quantizer, head, labels, 25.0, fitting=fitting, **arguments)


def data(features):
    return TranscribedFeaturesDataModule(features, Characters.load(features), batch_frames=300, num_buckets=2)


def trainer(folder, steps, *callbacks):
    return L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=steps,
        callbacks=[SeededSteps(), *callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        val_check_interval=steps,
        check_val_every_n_epoch=None,
    )


@pytest.mark.parametrize("kind", ["vq", "fsq"])
def test_training_lowers_the_loss_and_the_errors(features, kind, tmp_path):
    trained = module(features, kind)
    untrained = trainer(tmp_path, 1)
    untrained.fit(trained, data(features))
    before = dict(untrained.callback_metrics)
    fit = trainer(tmp_path, 80)
    fit.fit(trained, data(features))
    after = fit.callback_metrics
    assert after["val/loss"] < 0.5 * before["val/loss"] and after["val/character_error"] < 0.6
    assert after["val/word_error"] >= after["val/character_error"]
    assert 0.4 < after["val/codes_used"] <= 1 and 2 < after["val/perplexity"] <= trained.quantizer.size
    torch.testing.assert_close(after["val/bits_per_second"], 25 * after["val/perplexity"].log2())


def test_the_loss_is_ctc_a_label_without_utterances_that_are_too_short(features):
    trained = module(features)
    scores = torch.randn(2, 6, 6).log_softmax(-1)
    batch = {
        "labels": torch.tensor([[1, 2, 0], [1, 1, 1]]),
        "frames": torch.tensor([6, 4]),
        "label_counts": torch.tensor([2, 3]),
    }
    losses = trained.ctc_losses(scores, batch)
    expected = F.ctc_loss(scores[0], torch.tensor([1, 2]), [6], [2], blank=5, reduction="sum")
    torch.testing.assert_close(losses[0], expected)
    # Three equal labels need two blanks between them.
    assert losses[1] == 0 and trained.has_room(batch).tolist() == [True, False]


def test_an_utterance_that_is_too_short_changes_nothing(features, tmp_path):
    trained = module(features)
    trainer(tmp_path, 1).fit(trained, data(features))
    batch = next(iter(data(features).training_batches(range(1))))
    batch["labels"] = F.pad(batch["labels"], (0, 400), value=1)
    batch["label_counts"][0] = batch["labels"].shape[1]
    trained.log = lambda *_, **__: None
    trained.training_step(batch, 0).backward()
    gradients = [weight.grad for weight in trained.parameters() if weight.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert not trained.has_room(batch)[0] and trained.has_room(batch)[1:].all()


def test_the_bottleneck_is_fitted_once_to_the_latents_of_training_speech(features, tmp_path):
    trained = module(features)
    assert not trained.quantizer.bottleneck.is_initialized
    trainer(tmp_path, 1).fit(trained, data(features))
    codes = trained.quantizer.bottleneck.codebook.codes.clone()
    trained.on_fit_start()
    assert trained.quantizer.bottleneck.is_initialized
    assert torch.equal(trained.quantizer.bottleneck.codebook.codes, codes)


def test_the_head_may_learn_to_read_before_the_units_change(features, tmp_path):
    trained = module(features, head_steps=3)
    trainer(tmp_path, 1).fit(trained, data(features))
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    trainer(tmp_path, 3).fit(trained, data(features))
    changed = {
        name.split(".")[0] for name, value in trained.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"head"}
    trainer(tmp_path, 4).fit(trained, data(features))
    changed = {
        name.split(".")[0] for name, value in trained.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"head", "quantizer"}


def test_the_bottleneck_may_be_fitted_to_latents_that_were_trained_to_be_read(features, tmp_path):
    trained = module(features, unquantized_steps=3, head_steps=2)
    before = trained.quantizer.layers.input.weight.clone()

    class Phases(L.Callback):
        """Whether there are units, and what the layers are, after each step."""

        def __init__(self):
            self.has_units, self.layers = [], []

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.has_units.append(pl_module.quantizer.bottleneck.is_initialized)
            self.layers.append(pl_module.quantizer.layers.input.weight.clone())

    phases = Phases()
    fit = trainer(tmp_path, 6, phases)
    fit.fit(trained, data(features))
    assert phases.has_units == [False, False, False, True, True, True]
    assert not torch.equal(before, phases.layers[0])  # without units, the layers are trained at once
    assert torch.equal(phases.layers[2], phases.layers[4])  # then the head alone
    assert not torch.equal(phases.layers[4], phases.layers[5])
    assert fit.callback_metrics["val/codes_used"] > 0


def test_validation_without_units_reads_the_latents(features, tmp_path):
    trained = module(features, unquantized_steps=10)
    fit = trainer(tmp_path, 11)
    fit.validate(trained, data(features), verbose=False)
    assert "val/word_error" in fit.callback_metrics and "val/perplexity" not in fit.callback_metrics


def test_steps_without_units_leave_steps_with_them(features, tmp_path):
    with pytest.raises(ValueError, match="unquantized_steps 4: training takes 4 steps"):
        trainer(tmp_path, 4).fit(module(features, unquantized_steps=4), data(features))


def test_layers_have_a_learning_rate_of_their_own(features, tmp_path):
    trained = module(features, layers_learning_rate=0.0, weight_decay=0.0)
    before = {name: value.clone() for name, value in trained.named_parameters()}
    trainer(tmp_path, 3).fit(trained, data(features))
    changed = {name for name, value in trained.named_parameters() if not torch.equal(value, before[name])}
    assert changed and not any(".layers." in name for name in changed)
    assert {name.split(".")[1] for name in changed} == {"positions", "norm", "output"}


@pytest.mark.parametrize("unquantized_steps", [0, 2, 5])
def test_a_resumed_run_ends_with_the_same_weights(features, tmp_path, unquantized_steps):
    whole, stopped, resumed = (module(features, unquantized_steps=unquantized_steps) for _ in range(3))
    trainer(tmp_path, 8).fit(whole, data(features))
    first = trainer(tmp_path, 8, StopAfter(3))
    first.fit(stopped, data(features))
    first.save_checkpoint(tmp_path / "last.ckpt")
    trainer(tmp_path, 8).fit(resumed, data(features), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_parts_that_do_not_fit_are_errors(features):
    labels = Characters.load(features)
    quantizer = SupervisedQuantizer(VectorQuantizer(8, 16))
    with pytest.raises(ValueError, match="reads codes of width 12, but they are 16 wide"):
        SupervisedUnits(quantizer, ReadingHead(12, labels), labels, 25.0, 1e-3)
    with pytest.raises(ValueError, match="29 labels, but the transcripts 5|28 labels, but the transcripts 5"):
        SupervisedUnits(quantizer, ReadingHead(16, Characters()), labels, 25.0, 1e-3)
