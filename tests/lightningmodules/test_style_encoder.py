import lightning as L
import pytest
import torch

from datamodules.style import StyleDataModule
from lightningmodules.style_encoder import StyleFinetuning
from tests.toy_prosody import write_corpus
from tests.toy_trainer import trainer
from zoo.corpora.utterance import load_waveform
from zoo.evaluation.pitch_and_style import style_report
from zoo.speech.style_encoders import ProsodyStyleEncoder, TransformerStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("prosody"))


def module(num_styles: int = 2, encoder=None, **options) -> StyleFinetuning:
    torch.manual_seed(0)
    encoder = encoder or ProsodyStyleEncoder(dim=16, depth=2, num_cepstra=3)
    return StyleFinetuning(encoder, StyleClassifier(encoder.dim, num_styles, 16), **{"learning_rate": 1e-2} | options)


def data(corpus, **options) -> StyleDataModule:
    return StyleDataModule(corpus, **{"crop_seconds": 1.0, "batch_size": 6} | options)


def test_styles_of_another_speaker_are_told_after_a_few_steps(corpus, tmp_path):
    trained, fit, serving = module(), trainer(tmp_path, 40, limit_val_batches=1.0), data(corpus)
    fit.fit(trained, serving)
    fit.validate(trained, serving, verbose=False)
    metrics = {name: float(value) for name, value in fit.callback_metrics.items()}
    assert (
        metrics["val/accuracy"] > 0.85
        and metrics["val/balanced_accuracy"] > 0.85
        and metrics["val/second_accuracy"] > 0.75
    )
    trained.head.labels = serving.styles
    report = style_report(
        StyleUnits(trained.encoder, trained.head),
        ((load_waveform(cut), cut.supervisions[0].custom["style"]) for cut in serving.validation),
    )
    assert report["accuracy"]["share"] == pytest.approx(metrics["val/accuracy"], abs=1e-4) and report["majority"] == 0.5


def test_a_resumed_run_ends_with_the_same_weights(corpus, tmp_path):
    whole = module()
    trainer(tmp_path, 6).fit(whole, data(corpus))
    half, fit = module(), trainer(tmp_path, 6)
    fit.callbacks.append(
        L.pytorch.callbacks.LambdaCallback(
            on_train_batch_end=lambda trainer, *_: setattr(trainer, "should_stop", trainer.global_step == 3)
        )
    )
    fit.fit(half, data(corpus))
    assert fit.global_step == 3
    fit.save_checkpoint(tmp_path / "last.ckpt")
    torch.manual_seed(99)
    resumed, fit = module(), trainer(tmp_path, 6)
    fit.fit(resumed, data(corpus), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert [
        name for name, value in whole.state_dict().items() if not torch.equal(value, resumed.state_dict()[name])
    ] == []


@pytest.mark.parametrize("freeze", [True, False])
def test_the_front_end_keeps_its_weights_only_where_it_is_frozen(freeze, corpus, tmp_path):
    torch.manual_seed(0)
    trained = module(encoder=TransformerStyleEncoder.untrained("wav2vec2", 16, 1, 2, 24, 8), freeze_front_end=freeze)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    trainer(tmp_path, 2).fit(trained, data(corpus))
    moved = {name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])}
    assert any("feature_extractor" in name for name in moved) != freeze
    assert {"head.classifier.weight", "encoder.network.feature_projection.projection.weight"} <= moved


def test_styles_weigh_the_same_however_much_speech_there_is_of_them(corpus, tmp_path):
    trained, serving = module(num_styles=3), data(corpus)
    serving.style_seconds = torch.tensor([30.0, 10.0])
    trained.trainer = type("Trainer", (), {"datamodule": serving})
    trained.setup("fit")
    assert trained.style_weights.tolist() == pytest.approx([20 / 30, 2.0, 1.0])
    plain = module(num_styles=3, balance_styles=False)
    plain.trainer = trained.trainer
    plain.setup("fit")
    assert plain.style_weights.tolist() == [1, 1, 1]


def test_the_loss_is_that_of_each_second():
    logits, styles = torch.randn(2, 3, 4), torch.tensor([1, 3])
    wanted = -logits.log_softmax(-1)[torch.arange(2)[:, None], torch.arange(3), styles[:, None]].mean()
    assert module(num_styles=4).loss(logits, styles).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_too_few_outputs_are_told_before_training(corpus, tmp_path):
    serving = data(corpus)
    serving.styles = ["a", "b", "c"]
    with pytest.raises(ValueError, match="the corpus has 3 styles, but the head has num_styles 2"):
        trainer(tmp_path, 1).fit(module(num_styles=2), serving)
