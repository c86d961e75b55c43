import json
from itertools import islice

import numpy as np
import pytest
import torch

from tests.toy_prosody import write_corpus
from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import load_waveform
from zoo.speech.f0 import F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_store import F0Store, write_f0


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("prosody"), utterances=2)


class Interrupted(Autocorrelation):
    """Stops in the middle of the corpus."""

    left = 5

    def forward(self, waveform):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().forward(waveform)


class Loudness(Autocorrelation):
    """Voiced where it is loud; counts its calls."""

    calls = 0

    def forward(self, waveform):
        self.calls += 1
        level = (
            torch.nn.functional.pad(waveform, (0, 80))[: len(waveform) // 80 * 80 + 80].view(-1, 80).abs().amax(1)
            + 1e-3
        )
        return F0Track(100 * level, level > 0.1)


def test_stored_tracks_equal_computed_ones(corpus, tmp_path):
    store, extractor = write_f0(tmp_path, "train", read_cuts(corpus, "train"), Autocorrelation()), Autocorrelation()
    assert len(store) == 12
    for index, cut in enumerate(read_cuts(corpus, "train")):
        reference, track, row = extractor(load_waveform(cut)), store.track(index), store.rows[index]
        assert torch.equal(track.frequency, reference.frequency) and torch.equal(track.voiced, reference.voiced)
        assert (row.id, row.frames) == (cut.id, len(reference.voiced)) and row.speaker in ("ann", "bob", "cat")
        assert row.mean_hz == pytest.approx(reference.frequency[reference.voiced].mean().item(), rel=1e-5)
        section = store.track(index, 20, 30)
        assert torch.equal(section.frequency, reference.frequency[20:50]) and torch.equal(
            section.voiced, reference.voiced[20:50]
        )


def test_interrupted_run_resumes_and_writes_the_same_files(corpus, tmp_path):
    cuts = read_cuts(corpus, "train")
    write_f0(tmp_path / "whole", "train", cuts, Autocorrelation())
    with pytest.raises(KeyboardInterrupt):
        write_f0(tmp_path / "torn", "train", cuts, Interrupted())
    with pytest.raises(FileNotFoundError, match="no F0 of split 'train'"):
        F0Store(tmp_path / "torn", "train")
    # As if killed in the middle of a line, with values already written.
    with (
        (tmp_path / "torn" / ".train.jsonl.part").open("a") as lines,
        (tmp_path / "torn" / "train.f0").open("ab") as values,
    ):
        lines.write('{"id": "tr')
        values.write(bytes(400))
    rest = Loudness()
    with pytest.raises(KeyboardInterrupt):
        write_f0(tmp_path / "torn", "train", cuts, Interrupted())
    write_f0(tmp_path / "torn", "train", cuts, Autocorrelation())
    for name in ("train.jsonl", "train.f0"):
        assert (tmp_path / "torn" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    write_f0(tmp_path / "torn", "train", cuts, rest)
    assert rest.calls == 0


def test_two_processes_write_the_same_files(corpus, tmp_path):
    for count in (1, 2):
        write_f0(tmp_path / str(count), "dev", read_cuts(corpus, "dev"), Loudness(), count)
    assert all(
        (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in ("dev.jsonl", "dev.f0")
    )


def test_unreadable_audio_is_skipped_and_counted(corpus, tmp_path):
    cuts = list(islice(read_cuts(corpus, "dev"), 3))
    cuts[1].recording.sources[0].source = str(tmp_path / "gone.wav")
    store = write_f0(tmp_path / "f0", "dev", cuts, Loudness())
    assert len(store) == 2 and store.num_skipped == 1
    rows = [json.loads(line) for line in (tmp_path / "f0" / "dev.jsonl").read_text().splitlines()]
    assert "gone.wav" in rows[1]["skipped"] and rows[2]["start"] == rows[0]["frames"]
    assert np.isfinite(store.track(1).frequency.numpy()).all()
