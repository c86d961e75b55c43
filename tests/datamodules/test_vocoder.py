from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from datamodules.vocoder import HeldOutUtterances, VocoderDataModule
from datamodules.vocoder_segments import Segments
from tests.toy_speech import RATES, SAMPLES, STREAMS, hum, write_hums
from zoo.audio import AudioError
from zoo.tokens.store import TokenTable, write_tokens


@pytest.fixture
def tokens(tmp_path):
    return write_hums(tmp_path, [40, 12, 30, 55, 25, 33, 28, 60, 41, 5, 29, 50])


def module(tokens, **changes) -> VocoderDataModule:
    data = VocoderDataModule(**{"tokens": tokens, "rates": RATES, "segment_units": 10, "batch_size": 3} | changes)
    data.setup("fit")
    return data


def loader(data: VocoderDataModule, step: int = 0, rank: int = 0, world: int = 1):
    data.trainer = SimpleNamespace(global_rank=rank, world_size=world, global_step=step, accumulate_grad_batches=1)
    return data.train_dataloader()


def first(batches, count: int) -> list[dict]:
    return [batch for _, batch in zip(range(count), batches, strict=False)]


def same(a: dict, b: dict) -> bool:
    return all(same(a[k], b[k]) if isinstance(a[k], dict) else torch.equal(a[k], b[k]) for k in a)


def test_a_segment_is_exactly_the_sound_of_its_units(tokens):
    for batch in first(loader(module(tokens)), 4):
        assert batch["waveform"].shape == (3, 10 * SAMPLES)
        assert {prefix: row.shape for prefix, row in batch["units"].items()} == dict.fromkeys(RATES, (3, 10))
        for waveform, units in zip(batch["waveform"], batch["units"]["Hu"], strict=True):
            for start, unit in zip(range(0, 10 * SAMPLES, SAMPLES), units, strict=False):
                spectrum = torch.fft.rfft(waveform[start : start + SAMPLES]).abs()
                assert spectrum.argmax().item() * 25 == 200 * (unit.item() + 1)


def test_slower_streams_are_those_of_the_same_time(tokens):
    data = module(tokens)
    segment = data.rows.segment(3, 7, 10)
    table = TokenTable(tokens, "train")
    times = (7 + np.arange(10)) / 25
    for prefix, rate in RATES.items():
        assert segment["units"][prefix].tolist() == table.array(3, prefix)[(times * rate + 1e-9).astype(int)].tolist()


def test_runs_are_those_of_the_whole_utterance(tokens):
    segment = module(tokens).rows.segment(3, 20, 10)
    assert (
        segment["run_units"].repeat_interleave(segment["run_frames"]).tolist()
        == TokenTable(tokens, "train").array(3, "Hu").tolist()
    )
    assert module(tokens, duration_units=20).rows.segment(3, 20, 10)["run_frames"].sum() == 20


def test_batches_are_a_pure_function_of_seed_and_number(tokens):
    ten = first(loader(module(tokens)), 10)
    assert all(same(a, b) for a, b in zip(ten, first(loader(module(tokens)), 10), strict=True))
    assert all(same(a, b) for a, b in zip(ten[6:], first(loader(module(tokens), step=6), 4), strict=True))
    assert all(same(a, b) for a, b in zip(ten, first(loader(module(tokens, num_workers=2)), 10), strict=True))
    assert not same(ten[0], ten[1]) and not same(ten[0], first(loader(module(tokens, seed=1)), 1)[0])


def test_ranks_share_the_batches_between_them(tokens):
    ten = first(loader(module(tokens)), 10)
    assert all(same(a, b) for a, b in zip(ten[1::2], first(loader(module(tokens), rank=1, world=2), 5), strict=True))
    assert same(ten[7], first(loader(module(tokens), step=3, rank=1, world=2), 1)[0])


def test_every_second_of_the_corpus_is_as_likely(tokens):
    data = module(tokens, held_out=HeldOutUtterances(num_utterances=1))
    segments = Segments(data.rows, data.training, 10, 3000, range(1), 0)
    places = np.random.default_rng([0, 1, 0]).integers(segments.ends[-1], size=3000)
    share = np.bincount(np.searchsorted(segments.ends, places, side="right"), minlength=len(data.training)) / 3000
    starts = data.rows.lengths[data.training] - 9
    assert np.abs(share - starts / starts.sum()).max() < 0.02


def test_short_utterances_are_left_out_and_counted(tokens):
    data = module(tokens, segment_units=20)
    assert data.num_left_out == 2 and not {1, 9} & {*data.training, *data.validation}
    with pytest.raises(ValueError, match="segment_units 100; the longest has 60"):
        module(tokens, segment_units=100)


def test_validation_utterances_are_kept_from_training(tokens):
    data = module(tokens)
    assert len(data.validation) == 1 and not set(data.validation) & set(data.training)
    (batch,) = list(data.val_dataloader())
    row = int(data.validation[0])
    assert torch.allclose(
        batch["waveform"][0], hum(TokenTable(tokens, "train").array(row, "Hu"), 0.3 + 0.3 * (row % 2)), atol=1e-4
    )
    assert list(module(tokens, held_out=HeldOutUtterances(max_units=12)).val_dataloader())[0]["waveform"].shape == (
        1,
        12 * SAMPLES,
    )


def test_speakers_and_styles_are_named_in_the_order_of_their_indices(tmp_path):
    data = module(write_hums(tmp_path, [20, 20, 20, 20], speakers=("zoe", "ann"), style="sad"))
    assert data.speakers == ["ann", "zoe"] and data.styles == ["sad"]
    assert data.rows.segment(0, 0, 10)["speaker"] == 1 and data.rows.segment(1, 0, 10)["speaker"] == 0
    assert module(write_hums(tmp_path / "plain", [20, 20])).styles == ["unknown"]


def test_rows_without_audio_are_left_out(tmp_path, tokens):
    rows = [
        replace(row, audio="" if number % 2 else row.audio) for number, row in enumerate(TokenTable(tokens, "train"))
    ]
    write_tokens(tmp_path / "half", "train", rows, STREAMS)
    assert all(row % 2 == 0 for row in module(tmp_path / "half").training)
    write_tokens(tmp_path / "none", "train", [replace(row, audio="") for row in rows], STREAMS)
    with pytest.raises(ValueError, match="audio file"):
        module(tmp_path / "none")


def test_wrong_rates_and_missing_files_are_told(tokens):
    with pytest.raises(ValueError, match="rates.Hu"):
        module(tokens, rates={"Hu": 50.0})
    with pytest.raises(FileNotFoundError, match="no 'dev' tokens"):
        module(tokens, split="dev")
    for path in (tokens.parent / "audio").iterdir():
        path.unlink()
    with pytest.raises(AudioError, match="no such file"):
        next(iter(loader(module(tokens))))


def test_the_commonest_units_are_counted_over_all_rows(tokens):
    table = TokenTable(tokens, "train")
    counts = np.bincount(np.concatenate([table.array(row, "St") for row in range(len(table))]))
    assert module(tokens).rows.commonest("St", 2) == np.argsort(-counts, kind="stable")[:2].tolist()
