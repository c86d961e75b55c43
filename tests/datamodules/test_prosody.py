from types import SimpleNamespace

import numpy as np
import pytest
import torch

from datamodules.f0 import F0DataModule, F0Segments
from datamodules.style import StyleDataModule
from tests.toy_prosody import write_corpus
from zoo.audio import write
from zoo.corpora import open_corpus, prepare
from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import load_waveform, to_utterance
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_store import write_f0

FRAMES = 64


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("prosody"))


@pytest.fixture(scope="module")
def tracks(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("f0")
    for split in ("train", "dev"):
        write_f0(folder, split, read_cuts(corpus, split), Autocorrelation())
    return folder


def f0_module(tracks, **changes) -> F0DataModule:
    data = F0DataModule(**{"tracks": tracks, "segment_samples": 80 * FRAMES, "batch_size": 3} | changes)
    data.setup("fit")
    return data


def loader(data, step: int = 0, rank: int = 0, world: int = 1):
    data.trainer = SimpleNamespace(global_rank=rank, world_size=world, global_step=step, accumulate_grad_batches=1)
    return data.train_dataloader()


def first(batches, count: int) -> list[dict]:
    return [batch for _, batch in zip(range(count), batches, strict=False)]


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def assert_pure_function_of_seed_and_number(make) -> None:
    """Neither workers, nor ranks, nor interruptions change what is drawn."""
    ten = first(loader(make()), 10)
    assert all(same(a, b) for a, b in zip(ten, first(loader(make()), 10), strict=True))
    assert all(same(a, b) for a, b in zip(ten[6:], first(loader(make(), step=6), 4), strict=True))
    assert all(same(a, b) for a, b in zip(ten, first(loader(make(num_workers=2)), 10), strict=True))
    assert all(same(a, b) for a, b in zip(ten[1::2], first(loader(make(), rank=1, world=2), 5), strict=True))
    assert same(ten[7], first(loader(make(), step=3, rank=1, world=2), 1)[0])
    assert not same(ten[0], ten[1]) and not same(ten[0], first(loader(make(seed=1)), 1)[0])


def test_f0_batches_are_a_pure_function_of_seed_and_number(tracks):
    assert_pure_function_of_seed_and_number(lambda **changes: f0_module(tracks, **changes))


def test_a_segment_is_a_piece_of_its_utterance_less_the_mean_of_the_whole(tracks):
    data = f0_module(tracks)
    for batch in first(loader(data), 5):
        assert batch["tracks"].shape == (3, 2, FRAMES) and batch["mean_hz"].shape == (3, 1)
        for segment, mean in zip(batch["tracks"], batch["mean_hz"], strict=True):
            (row,) = [
                row
                for row, each in enumerate(data.training.rows)
                if each.mean_hz == pytest.approx(mean.item(), rel=1e-6)
            ]
            whole = data.training.track(row)
            starts = [
                start
                for start in range(len(whole.voiced) - FRAMES + 1)
                if torch.allclose(whole.frequency[start : start + FRAMES] - mean, segment[0], atol=1e-3)
            ]
            assert any(torch.equal(whole.voiced[start : start + FRAMES].float(), segment[1]) for start in starts)
    (plain,) = first(loader(f0_module(tracks, normalize=False)), 1)
    assert (plain["mean_hz"] == 0).all() and (plain["tracks"][:, 0] > 60).all()


def test_every_frame_is_as_likely(tracks):
    data = f0_module(tracks)
    segments = F0Segments(data.training, data.chosen, FRAMES, 4000, True, range(1), 0)
    places = np.random.default_rng([0, 1, 0]).integers(segments.ends[-1], size=4000)
    share = np.bincount(np.searchsorted(segments.ends, places, side="right"), minlength=len(data.chosen)) / 4000
    starts = np.array([data.training.rows[row].frames - FRAMES + 1 for row in data.chosen])
    assert np.abs(share - starts / starts.sum()).max() < 0.015


def test_validation_is_on_whole_utterances_of_the_other_speakers(tracks):
    data = f0_module(tracks)
    batches = list(data.val_dataloader())
    assert len(batches) == 8
    for batch, row in zip(batches, data.validation.rows, strict=True):
        assert batch["tracks"].shape == (1, 2, row.frames // 16 * 16) and row.speaker == "dan"
    assert len(list(f0_module(tracks, num_validation=3).val_dataloader())) == 3


def test_short_utterances_are_left_out_and_too_long_segments_refused(tracks):
    assert f0_module(tracks).num_left_out == 0
    assert f0_module(tracks, segment_samples=80 * 400).num_left_out == 6  # utterances of 1.5 s have 301 frames
    with pytest.raises(ValueError, match="segment_samples 64000; the longest has 48080: use shorter segments"):
        f0_module(tracks, segment_samples=64000)
    with pytest.raises(ValueError, match="segment_samples 16000 is not a multiple of 1280"):
        F0DataModule(tracks, segment_samples=16000)


def style_module(corpus, **changes) -> StyleDataModule:
    return StyleDataModule(corpus, **{"crop_seconds": 1.0, "batch_size": 3} | changes)


def test_style_batches_are_a_pure_function_of_seed_and_number(corpus):
    assert_pure_function_of_seed_and_number(lambda **changes: style_module(corpus, **changes))


def contains(sound: torch.Tensor, crop: torch.Tensor) -> bool:
    """Whether the crop occurs in the waveform, sample by sample."""
    place = int(crop.abs().argmax())  # silence occurs often
    starts = (sound == crop[place]).nonzero()[:, 0] - place
    return any(torch.equal(sound[start : start + len(crop)], crop) for start in starts.tolist() if start >= 0)


def test_a_crop_is_a_piece_of_an_utterance_of_its_style(corpus):
    data = style_module(corpus)
    whole = [load_waveform(cut) for cut in data.training]
    assert data.styles == ["calm", "glad"] and data.style_seconds.tolist() == pytest.approx([27.0, 27.0])
    for batch in first(loader(data), 3):
        assert batch["waveform"].shape == (3, 16000)
        for crop, style in zip(batch["waveform"], batch["style"], strict=True):
            rows = [row for row, sound in enumerate(whole) if contains(sound, crop)]
            assert rows and all(to_utterance(data.training[row]).style == data.styles[style] for row in rows)


def test_a_short_utterance_is_repeated_to_fill_a_crop(corpus):
    data = style_module(corpus, crop_seconds=4.0)
    batch = next(iter(loader(data)))
    for crop in batch["waveform"]:
        lengths = [round(cut.duration * 16000) for cut in data.training]
        assert any(torch.equal(crop[length:], crop[: 64000 - length]) for length in set(lengths))


def test_validation_is_on_whole_utterances_of_known_styles(corpus):
    data = style_module(corpus, max_seconds=2.0)
    batches = list(data.val_dataloader())
    assert len(batches) == 8 and {batch["waveform"].shape[1] for batch in batches} == {24000, 32000}
    assert [data.styles[batch["style"]] for batch in batches] == [to_utterance(cut).style for cut in data.validation]


def test_a_corpus_without_styles_is_refused(tmp_path):
    write(tmp_path / "source" / "a.wav", 0.1 * torch.randn(16000), 16000)
    (tmp_path / "source" / "train.jsonl").write_text('{"audio": "a.wav", "text": ""}\n')
    (tmp_path / "source" / "dev.jsonl").write_text('{"audio": "a.wav", "text": ""}\n')
    prepare(open_corpus(tmp_path / "source"), tmp_path / "corpus")
    with pytest.raises(ValueError, match="no utterance of split 'train' has a style"):
        style_module(tmp_path / "corpus").styles
