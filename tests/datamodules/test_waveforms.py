from types import SimpleNamespace

import numpy as np
import pytest
import torch

from datamodules.waveform_batches import Batches, Chunks, length_buckets
from datamodules.waveforms import AugmentedDataModule, DurationBuckets, WaveformDataModule
from zoo import audio
from zoo.corpora import open_corpus, prepare, read_cuts
from zoo.corpora.cut_table import CutTable
from zoo.speech.augmentation import Augmentation, ColoredNoise, Noise, Unchanged

SECONDS = [0.2, 0.7, 0.9, 1.0, 1.5, 2.0, 3.0, 0.8, 2.5]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Utterance n counts up from n in steps of 2 ** -15, so that each sample tells where it comes from."""
    folder = tmp_path_factory.mktemp("speech")
    for split, lengths in {"train": SECONDS, "dev": SECONDS[:5]}.items():
        for number, seconds in enumerate(lengths):
            ramp = torch.arange(round(seconds * 16000)) % 16000
            path = folder / "audio" / split / f"s{number}" / f"{number}.wav"
            audio.write(path, (number * 1000 + ramp) / 2**15, 16000)
            path.with_suffix(".txt").write_text("a word\n")
    prepare(open_corpus(folder / "audio"), folder / "corpus")
    return folder / "corpus"


def module(corpus, kind=WaveformDataModule, step=0, rank=0, world=1, **arguments):
    sizes = {"batch_seconds": 4.0, "max_seconds": 2.0, "num_buckets": 3}
    for name in DurationBuckets.__dataclass_fields__:
        if name in arguments:
            sizes[name] = arguments.pop(name)
    data = kind(corpus, buckets=DurationBuckets(**sizes), **arguments)
    data.setup("fit")
    data.trainer = SimpleNamespace(global_step=step, accumulate_grad_batches=1, global_rank=rank, world_size=world)
    return data


def some(data, count):
    return [batch for batch, _ in zip(data.train_dataloader(), range(count), strict=False)]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Halved(Augmentation):
    def __call__(self, waveform, draw):
        return waveform[::2]


def test_a_table_gives_every_cut_by_its_number_also_to_another_process(corpus):
    cuts = list(read_cuts(corpus, "train"))
    table = CutTable(corpus, "train")
    assert len(table) == len(cuts) == 9 and [table[n].id for n in (8, 0, 3)] == [cuts[n].id for n in (8, 0, 3)]
    assert (
        table.durations.tolist() == pytest.approx([cut.duration for cut in cuts])
        and table[4].to_dict() == cuts[4].to_dict()
    )
    copy = CutTable.__new__(CutTable)
    copy.__dict__.update(table.__getstate__())
    assert "_lines" not in vars(copy) and copy[8].id == cuts[8].id
    with pytest.raises(FileNotFoundError, match="test.jsonl.gz: no split 'test'.*it has train, dev"):
        CutTable(corpus, "test")


def test_batches_are_a_function_of_seed_and_step_with_any_number_of_workers(corpus):
    alone = some(module(corpus), 8)
    for other in (
        some(module(corpus, num_workers=2), 8),
        some(module(corpus, num_workers=1), 8),
        some(module(corpus), 8),
    ):
        assert all(map(same, alone, other))
    assert all(map(same, alone[5:], some(module(corpus, step=5), 3)))
    ranks = [some(module(corpus, rank=rank, world=2), 4) for rank in (0, 1)]
    assert all(same(alone[2 * n + rank], ranks[rank][n]) for rank in (0, 1) for n in range(4))
    assert not all(map(same, alone, some(module(corpus, seed=1), 8)))


def test_chunks_are_consecutive_samples_of_utterances_of_at_most_max_seconds(corpus):
    starts = set()
    for batch in some(module(corpus), 60):
        for row in batch["waveform"]:
            samples = (row * 2**15).round().long()
            assert set(samples.diff().tolist()) <= {1, -15999} and len(row) <= 2.0 * 16000
            starts.add(int(samples[0]) % 1000)
        assert batch["waveform"].numel() <= 4.0 * 16000 and batch["waveform"].shape[1] >= 0.5 * 16000
    assert len(starts) > 30  # cut at random places


def test_buckets_hold_like_lengths_and_every_second_is_as_likely():
    seconds = np.random.default_rng(0).uniform(0.5, 10.0, 400)
    buckets = length_buckets(seconds, np.flatnonzero(seconds > 1.0), 30.0, 5)
    rows = np.concatenate([bucket.rows for bucket in buckets])
    assert (
        len(buckets) == 5
        and sorted(rows.tolist()) == np.flatnonzero(seconds > 1.0).tolist()
        and (np.diff(seconds[rows]) >= 0).all()
    )
    for bucket in buckets:
        longest = seconds[bucket.rows].max()
        assert bucket.batch_size * longest <= 30.0 < (bucket.batch_size + 1) * longest
    chunks = SimpleNamespace(seconds=seconds)
    probabilities = Batches(chunks, buckets, range(0), 0).probabilities
    per_second = [
        probability * bucket.batch_size / len(bucket.rows)
        for probability, bucket in zip(probabilities, buckets, strict=True)
    ]
    assert per_second == pytest.approx([per_second[0]] * 5, rel=1e-6)


def test_copies_are_changed_and_padded_apart_from_the_originals(corpus):
    data = module(
        corpus,
        AugmentedDataModule,
        augmentation=Halved(),
        validation={"same": Unchanged(), "noise": Noise(ColoredNoise())},
    )
    for batch in some(data, 5):
        for clean, samples, changed, left in zip(*batch.values(), strict=True):
            assert (
                left == (samples + 1) // 2
                and torch.equal(changed[:left], clean[:samples:2])
                and not clean[samples:].any()
                and not changed[left:].any()
            )
    first, again = (list(data.val_dataloader()) for _ in range(2))
    assert len(first) == 4  # one of the five is too short
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a["clean"], a["augmented"]["same"]) and torch.equal(
            a["augmented"]["noise"], b["augmented"]["noise"]
        )
        assert not torch.equal(a["clean"], a["augmented"]["noise"])


def test_unreadable_audio_is_passed_over_and_a_missing_corpus_is_an_error(corpus, tmp_path):
    cuts = list(read_cuts(corpus, "train"))
    for number, broken in (("few", cuts[5:6]), ("all", cuts)):
        for cut in broken:
            cut.recording.sources[0].source = str(tmp_path / "gone.wav")
        (tmp_path / number).mkdir()
        type(read_cuts(corpus, "train")).from_cuts(cuts).to_file(tmp_path / number / "train.jsonl.gz")
        (tmp_path / number / "dev.jsonl.gz").write_bytes((corpus / "dev.jsonl.gz").read_bytes())
    assert len(some(module(tmp_path / "few"), 30)) == 30
    with pytest.raises(audio.AudioError, match="gone.wav"):
        some(module(tmp_path / "all"), 1)


def test_audio_is_read_no_further_than_it_is_used(corpus, monkeypatch):
    read = []
    monkeypatch.setattr(
        "datamodules.waveform_batches.load_waveform",
        lambda cut, rate: read.append((cut.start, cut.duration)) or torch.zeros(round(cut.duration * rate)),
    )
    Chunks(CutTable(corpus, "train"), 0.5, 16000).read(6, 0.5)
    assert read == [(1.25, 0.5)]


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"min_seconds": 3.0}, "want 0 < min_seconds <= max_seconds <= batch_seconds, got 3, 2 and 4"),
        ({"max_seconds": 5.0}, "got 0.5, 5 and 4"),
    ],
)
def test_impossible_lengths_are_errors(corpus, arguments, says):
    with pytest.raises(ValueError, match=says):
        module(corpus, **arguments)


def test_no_utterance_long_enough_is_an_error(corpus):
    with pytest.raises(ValueError, match="train.jsonl.gz: no utterance has min_seconds 3.5"):
        module(corpus, max_seconds=4.0, min_seconds=3.5)
