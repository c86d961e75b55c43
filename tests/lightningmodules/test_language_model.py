import math

import lightning as L
import pytest
import torch

from datamodules import InterleavedStream, MixtureDataModule, TextStream
from lightningmodules import SpeechTextLM
from lightningmodules.optimizers import adamw_with_warmup
from recipes.stages.training import fit
from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences
from zoo.metrics.modality_loss import ModalityLoss
from zoo.tokens.interleave import UniformSpans

VOCABULARY = words_vocabulary()


def random_ids(rows=4, length=20, seed=0):
    return torch.randint(len(VOCABULARY), (rows, length), generator=torch.Generator().manual_seed(seed))


def module(**changes):
    return SpeechTextLM(
        **{"network": tiny_network(VOCABULARY), "vocabulary": VOCABULARY, "learning_rate": 1e-2, "warmup_steps": 2}
        | changes
    )


def test_untrained_loss_is_that_of_a_uniform_guess():
    losses = module().next_token(random_ids()).tokens
    assert losses.shape == (4, 19) and losses.mean().item() == pytest.approx(math.log(VOCABULARY.num_rows), rel=0.02)


def test_losses_are_the_cross_entropy_of_the_next_token():
    model, ids = module(), random_ids()
    shares = torch.log_softmax(model.network(ids).logits, -1)
    want = [[-shares[row, t, ids[row, t + 1]].item() for t in range(19)] for row in range(4)]
    torch.testing.assert_close(model.next_token(ids).tokens, torch.tensor(want), rtol=1e-4, atol=1e-5)


def test_a_token_is_not_predicted_from_the_ones_after_it():
    model, ids = module(), random_ids(1)
    changed = ids.clone()
    changed[:, 12:] = (changed[:, 12:] + 1) % len(VOCABULARY)
    before, after = model.next_token(ids).tokens, model.next_token(changed).tokens
    torch.testing.assert_close(after[:, :11], before[:, :11], rtol=0, atol=1e-5)
    assert not torch.allclose(after[:, 11:], before[:, 11:], atol=1e-3)


def test_each_predicted_token_is_text_or_speech_but_for_markers():
    ids = torch.tensor(
        [
            [
                VOCABULARY.bos,
                VOCABULARY.text_marker,
                5,
                VOCABULARY.speech_marker,
                VOCABULARY.first_unit,
                len(VOCABULARY) - 1,
                VOCABULARY.eos,
            ]
        ]
    )
    masks = module().by_modality(ids)
    assert masks["text"].tolist() == [[False, True, False, False, False, True]]
    assert masks["speech"].tolist() == [[False, False, False, True, True, False]]


def test_the_mean_over_batches_is_by_token():
    metric, losses = ModalityLoss(), [torch.rand(2, 6), torch.rand(3, 4)]
    masks = [torch.rand(each.shape) < 0.4 for each in losses]
    for each, mask in zip(losses, masks, strict=False):
        metric.update(each, mask)
    assert metric.compute().item() == pytest.approx(
        torch.cat([e[m] for e, m in zip(losses, masks, strict=False)]).mean().item(), rel=1e-5
    )


class Killed(BaseException):
    """Not an error that anybody would catch."""


class KillAfter(L.Callback):
    """Ends the process, as far as training can tell, after so many batches."""

    def __init__(self, batches):
        self.left = batches

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.left -= 1
        if not self.left:
            raise Killed


class KillInValidation(L.Callback):
    """Ends it in the midst of one of the validations."""

    def __init__(self, number):
        self.left = 2 * number

    def on_validation_batch_start(self, trainer, module, batch, batch_idx):
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_sentences(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def train(tokens, tmp_path):
    """Trains for 12 steps by the very function of the stages; the state of the network and the last metrics."""

    def run(name, kill=None, workers=0, accumulate=1, dropout=0.0, every=3, steps=12):
        model = module()
        model.network.config.attention_dropout = dropout
        for layer in model.network.model.layers:
            layer.self_attn.attention_dropout = dropout
        streams = {"text": TextStream(tokens), "interleaved": InterleavedStream(tokens, UniformSpans((1, 3), (1, 3)))}
        data = MixtureDataModule(
            VOCABULARY, streams, {"text": 0.3, "interleaved": 0.7}, 32, 2, val_batches=2, num_workers=workers
        )
        trainer = L.Trainer(
            accelerator="cpu",
            max_steps=steps,
            accumulate_grad_batches=accumulate,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            val_check_interval=4 * accumulate,
            check_val_every_n_epoch=None,
            log_every_n_steps=1,
            callbacks=[kill or KillAfter(0)],
        )
        metrics = fit(tmp_path / name, model, data, trainer, checkpoint_every=every)
        return {key: value.clone() for key, value in model.network.state_dict().items()}, metrics

    return run


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"dropout": 0.3}, {"workers": 2}], ids=str)
def test_a_killed_run_ends_with_the_same_bits(train, tmp_path, options):
    accumulate = options.get("accumulate", 1)
    whole, metrics = train("whole", **options)
    assert not equal(whole, module().network.state_dict())
    for kill in [5] if options else [1, 3, 4, 5, 8, 12]:
        with pytest.raises(Killed):
            train(f"at{kill}", KillAfter(kill * accumulate), **options)
        last = tmp_path / f"at{kill}" / "checkpoints" / "last.ckpt"
        assert last.is_file() == (kill > 3)  # the kill comes before the writing
        assert kill <= 3 or torch.load(last, weights_only=True)["global_step"] == (kill - 1) // 3 * 3
        again, same = train(f"at{kill}", **options)
        assert equal(again, whole) and same == metrics


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("every", [3, 4])
def test_a_run_killed_while_it_validates_ends_with_the_same_bits(train, number, every):
    whole, metrics = train("whole", every=every)
    with pytest.raises(Killed):
        train("killed", KillInValidation(number), every=every)
    again, same = train("killed", every=every)
    assert equal(again, whole) and same == metrics


def test_killed_twice_and_finished_runs_end_alike(train):
    whole, metrics = train("whole")
    for kill in (5, 4):
        with pytest.raises(Killed):
            train("twice", KillAfter(kill))
    for _ in range(2):
        again, same = train("twice")
        assert equal(again, whole) and same == metrics


def test_training_learns_and_tells_the_modalities_apart(train):
    untrained = train("short", steps=1)[1]
    metrics = train("long", steps=60, every=1000)[1]
    assert {"val/loss", "val/text_loss", "val/speech_loss"} <= metrics.keys()
    assert all(metrics[name] < untrained[name] - 0.5 for name in ("val/loss", "val/text_loss", "val/speech_loss"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another_network(path):
    content = torch.load(path, weights_only=True)
    torch.save(content | {"state_dict": {"encoder.weight": torch.zeros(2, 2)}}, path)


DAMAGES = {
    "cut": cut,
    "flipped": flipped,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint"),
    "tensors": lambda path: torch.save({"weight": torch.zeros(2)}, path),
    "network": of_another_network,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_resumes(damage, train, tmp_path):
    whole, metrics = train("whole")
    with pytest.raises(Killed):
        train("damaged", KillAfter(8))
    folder = tmp_path / "damaged" / "checkpoints"
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", ".last.ckpt.before"}
    DAMAGES[damage](folder / "last.ckpt")
    with pytest.warns(UserWarning, match="last.ckpt.* set aside as last.ckpt.damaged"):
        again, same = train("damaged")
    assert equal(again, whole) and same == metrics
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "last.ckpt.damaged"}


def test_with_both_checkpoints_damaged_the_training_begins_anew(train, tmp_path):
    whole, metrics = train("whole")
    with pytest.raises(Killed):
        train("damaged", KillAfter(8))
    for path in (tmp_path / "damaged" / "checkpoints").iterdir():
        cut(path)
    with pytest.warns(UserWarning, match="from the start"):
        again, same = train("damaged")
    assert equal(again, whole) and same == metrics


@pytest.mark.parametrize("clip", [0.01, None])
def test_the_gradient_is_clipped_to_its_norm(clip):
    model = module(gradient_clip=clip)
    (100 * model.next_token(random_ids()).mean).backward()
    before = torch.nn.utils.get_total_norm([p.grad for p in model.network.parameters()])
    model.on_before_optimizer_step(None)
    after = torch.nn.utils.get_total_norm([p.grad for p in model.network.parameters()])
    assert before > 0.01 and after.item() == pytest.approx(before.item() if clip is None else clip, rel=1e-3)


def test_the_rate_warms_up_and_falls_to_its_end():
    form = adamw_with_warmup(tiny_network(VOCABULARY), 0.1, warmup_steps=4, total_steps=20, final_learning_rate=0.01)
    rates = []
    for _ in range(21):
        rates.append(form["optimizer"].param_groups[0]["lr"])
        form["optimizer"].step()
        form["lr_scheduler"]["scheduler"].step()
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1]) and rates[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in zip(rates[3:], rates[4:], strict=False))


def test_matrices_decay_and_norms_do_not():
    groups = adamw_with_warmup(tiny_network(VOCABULARY), 0.1, 4, 20, weight_decay=0.3)["optimizer"].param_groups
    assert {(p.ndim > 1, group["weight_decay"]) for group in groups for p in group["params"]} == {
        (True, 0.3),
        (False, 0.0),
    }


def test_a_checkpoint_is_trained_in_training_mode():
    network = tiny_network(
        VOCABULARY
    ).eval()  # as transformers loads it; its layers are checkpointed in training mode only
    assert all(part.training for part in module(network=network).modules())
