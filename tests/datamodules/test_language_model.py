from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch

from datamodules import (
    InterleavedDataModule,
    InterleavedStream,
    MixtureDataModule,
    SpeechDataModule,
    SpeechStream,
    SpeechThenTextStream,
    TextDataModule,
    TextStream,
    TextThenSpeechStream,
    WordTranscriptionStream,
)
from tests.toy_tokens import read_back, words_vocabulary, write_sentences
from zoo.tokens.interleave import UniformSpans
from zoo.tokens.store import TokenTable

VOCABULARY = words_vocabulary()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_sentences(tmp_path_factory.mktemp("tokens"))


def data(tokens, **changes):
    streams = {"text": TextStream(tokens), "interleaved": InterleavedStream(tokens, UniformSpans((1, 3), (1, 3)))}
    return MixtureDataModule(
        **{
            "vocabulary": VOCABULARY,
            "streams": streams,
            "weights": {"text": 0.3, "interleaved": 0.7},
            "sequence_length": 32,
            "batch_size": 2,
        }
        | changes
    )


def attached(module, begun=0, rank=0, world=1):
    progress = SimpleNamespace(current=SimpleNamespace(ready=begun))
    loops = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
    module.trainer = SimpleNamespace(global_rank=rank, world_size=world, fit_loop=loops)
    return module


def resumed(tokens, state, **place):
    module = attached(data(tokens), **place)
    module.load_state_dict(state)
    return module


def first(loader, count):
    return [batch for _, batch in zip(range(count), loader, strict=False)]


def equal(a, b):
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("begun", [0, 5, 6])
def test_a_loader_begins_after_what_was_trained_on(tokens, begun):
    ten = first(attached(data(tokens)).train_dataloader(), 10)
    module = resumed(tokens, attached(data(tokens), begun).state_dict(), begun=begun)
    assert equal(first(module.train_dataloader(), 10 - begun), ten[begun:])


@pytest.mark.parametrize("world", [2, 3])
def test_the_batches_of_all_processes_are_those_of_one(tokens, world):
    one = first(attached(data(tokens)).train_dataloader(), 6 * world)
    for rank in range(world):
        module = attached(data(tokens), rank=rank, world=world)
        assert equal(first(module.train_dataloader(), 6), one[rank::world])
        module = attached(data(tokens, num_workers=2), begun=4, rank=rank, world=world)
        module.load_state_dict(module.state_dict())
        assert equal(first(module.train_dataloader(), 2), one[rank::world][4:])


def test_each_batch_is_read_once_across_changes_of_the_number_of_processes(tokens):
    one = first(attached(data(tokens)).train_dataloader(), 18)
    seen, state, begun = [], {"next": 0, "begun": 0}, 0
    for world, batches in ((2, 3), (3, 2), (1, 4), (2, 1)):
        places = [resumed(tokens, state, begun=begun, rank=rank, world=world) for rank in range(world)]
        shares = [first(module.train_dataloader(), batches) for module in places]
        seen += [shares[number % world][number // world] for number in range(world * batches)]
        begun += batches
        (state,) = {
            str(attached(module, begun, rank, world).state_dict()): module.state_dict()
            for rank, module in enumerate(places)
        }.values()
    assert state == {"next": 18, "begun": 10} and equal(seen, one)


def test_validation_reads_so_many_batches_of_the_other_split(tokens):
    module = data(tokens, val_batches=3)
    val = list(attached(module, begun=7).val_dataloader())
    assert len(val) == 3 and equal(val, list(attached(module).val_dataloader()))
    assert not equal(val, first(module.train_dataloader(), 3))
    dev = {" ".join(row.words) for row in TokenTable(tokens, "dev")}
    for row in torch.cat(val).numpy():
        start, end = (row == VOCABULARY.bos).nonzero()[0][0], (row == VOCABULARY.eos).nonzero()[0]
        if len(end):
            assert " ".join(w for _, words in read_back(row[start : end[0] + 1], VOCABULARY) for w in words) in dev


@pytest.mark.parametrize(
    "make, markers",
    [
        (lambda t: TextDataModule(VOCABULARY, t, 16, 2), "text"),
        (lambda t: SpeechDataModule(VOCABULARY, t, 16, 2), "speech"),
        (lambda t: InterleavedDataModule(VOCABULARY, t, 64, 2, UniformSpans((1, 2), (1, 2))), "both"),
    ],
)
def test_data_modules_of_one_kind_hold_their_modality(tokens, make, markers):
    ids = torch.cat(first(attached(make(tokens)).train_dataloader(), 20))
    there = {
        name
        for name, marker in (("text", VOCABULARY.text_marker), ("speech", VOCABULARY.speech_marker))
        if (ids == marker).any()
    }
    assert there == ({"text", "speech"} if markers == "both" else {markers})


@pytest.mark.parametrize(
    "kind, order", [(SpeechThenTextStream, ["speech", "text"]), (TextThenSpeechStream, ["text", "speech"])]
)
def test_orders_of_recognition_and_synthesis(tokens, kind, order):
    module = attached(data(tokens, streams={"a": kind(tokens)}, weights={"a": 1.0}, sequence_length=128))
    row = module.mixture("train", range(1)).batch(0)[0].numpy()
    document = row[: (row == VOCABULARY.eos).nonzero()[0][0] + 1]
    (first_kind, said), (second_kind, again) = read_back(document, VOCABULARY)
    assert [first_kind, second_kind] == order and said == again


def test_a_prompt_of_the_task_stands_around_the_text(tokens):
    streams = {"asr": SpeechThenTextStream(tokens, template="anna: {text} ben")}
    row = (
        attached(data(tokens, streams=streams, weights={"asr": 1.0}, sequence_length=128))
        .mixture("train", range(1))
        .batch(0)[0]
        .numpy()
    )
    (_, said), (_, written) = read_back(row[: (row == VOCABULARY.eos).nonzero()[0][0] + 1], VOCABULARY)
    assert written == ["anna:", *said, "ben"]
    with pytest.raises(ValueError, match=r"template 'say it' must contain \{text\} once"):
        TextThenSpeechStream(tokens, template="say it").form(VOCABULARY, "train")


def test_word_transcription_says_and_writes_each_word(tokens):
    form, orders = WordTranscriptionStream(tokens).form(VOCABULARY, "train"), set()
    for row in form.rows[:12]:
        document = form.document(int(row), np.random.default_rng(row))
        spans = read_back(document, VOCABULARY)
        assert len(document) == form.lengths[row] and all(len(words) == 1 for _, words in spans)
        assert spans[::2] != spans[1::2] and [w for _, w in spans[::2]] == [w for _, w in spans[1::2]]
        orders.add(spans[0][0])
        assert len({kind for kind, _ in spans[::2]}) == len({kind for kind, _ in spans[1::2]}) == 1
    assert orders == {"text", "speech"}


def test_a_token_rate_out_of_its_range_is_an_error(tokens):
    rate = TokenTable(tokens, "train").speech_rates()
    ((path, found),) = rate.items()
    rows = list(TokenTable(tokens, "train"))
    assert found == pytest.approx(sum(len(row.speech_ids) for row in rows) / sum(row.duration for row in rows))
    SpeechStream(tokens, expected_rate=(found - 1, found + 1)).form(VOCABULARY, "train")
    with pytest.raises(
        ValueError, match=rf"train-00000.arrow: {found:.1f} speech tokens per second, expected_rate is \[17, 18\]"
    ):
        InterleavedStream(tokens, expected_rate=(17.0, 18.0)).form(VOCABULARY, "train")


def test_a_stream_without_weight_is_not_read(tokens, tmp_path):
    streams = {"text": TextStream(tokens), "speech": SpeechStream(tmp_path / "nowhere")}
    batch = (
        attached(data(tokens, streams=streams, weights={"text": 1.0, "speech": 0.0}))
        .mixture("train", range(1))
        .batch(0)
    )
    assert (batch == VOCABULARY.text_marker).any()


def test_epochs_count_how_often_a_stream_was_read(tokens):
    module = attached(data(tokens, weights={"text": 1.0, "interleaved": 3.0}), begun=1000)
    packed = module.mixture("train", range(0)).streams
    assert module.epochs() == {"text": 500 / packed[0].rows_per_epoch, "interleaved": 1500 / packed[1].rows_per_epoch}


def test_missing_tokens_name_the_stage_to_run(tokens, tmp_path):
    with pytest.raises(FileNotFoundError, match="no 'train' tokens in .*: run the tokens stage first"):
        attached(TextDataModule(VOCABULARY, tmp_path, 16, 2)).train_dataloader()


class Recorder(L.LightningModule):
    """Learns nothing; remembers the rows it was given."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.zeros(())), []

    def training_step(self, ids, batch_idx):
        self.seen.append(ids)
        return self.weight * 0

    def validation_step(self, ids, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("workers, accumulate", [(0, 1), (2, 1), (0, 2), (2, 3)])
def test_a_resumed_run_goes_on_where_it_stopped(tokens, tmp_path, workers, accumulate):
    def run(steps, resume=None, save=None):
        module, trainer = (
            Recorder(),
            L.Trainer(
                accelerator="cpu",
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
                default_root_dir=tmp_path,
                max_steps=steps,
                num_sanity_val_steps=0,
                accumulate_grad_batches=accumulate,
                val_check_interval=2 * accumulate,
                check_val_every_n_epoch=None,
            ),
        )
        trainer.fit(module, data(tokens, num_workers=workers, val_batches=1), ckpt_path=resume, weights_only=True)
        if save:
            trainer.save_checkpoint(save)
        return module.seen

    whole = run(6)
    assert len(whole) == 6 * accumulate
    for stop in (2, 3):
        parts = run(stop, save=tmp_path / "half.ckpt") + run(6, resume=tmp_path / "half.ckpt")
        assert equal(parts, whole)


def test_data_modules_of_one_kind_expect_a_rate_and_validate_like_a_mixture(tokens):
    wanted = {"speech": SpeechStream(tokens), "interleaved": InterleavedStream(tokens)}
    for kind, name in ((SpeechDataModule, "speech"), (InterleavedDataModule, "interleaved")):
        module = attached(kind(VOCABULARY, tokens, 32, 2, val_batches=3, seed=4))
        mixture = attached(MixtureDataModule(VOCABULARY, {name: wanted[name]}, {name: 1.0}, 32, 2, 3, seed=4))
        assert equal(list(module.val_dataloader()), list(mixture.val_dataloader()))
        assert equal(first(module.train_dataloader(), 3), first(mixture.train_dataloader(), 3))
        with pytest.raises(ValueError, match=r"expected_rate is \[1000, 1001\]"):
            attached(kind(VOCABULARY, tokens, 32, 2, expected_rate=(1000.0, 1001.0))).train_dataloader()
