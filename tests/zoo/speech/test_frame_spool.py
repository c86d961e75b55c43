import tracemalloc

import pytest
import torch

from zoo.speech.frame_spool import BLOCK_FRAMES, FrameSpool


def filled(folder, frames, dim=3, **arguments):
    spool = FrameSpool(folder, dim, **arguments)
    for part in torch.arange(frames * dim, dtype=torch.float32).view(frames, dim).split(37):
        spool.append(part)
    return spool


@pytest.mark.parametrize("frames", [1, BLOCK_FRAMES, 2000])
def test_each_pass_yields_every_frame_once_in_a_new_order(tmp_path, frames):
    with filled(tmp_path, frames, buffer_frames=700) as spool:
        batches = list(spool.batches(100, passes=2, seed=1))
        rows = torch.cat(batches)
        first, second = rows.split(frames)
        everything = torch.arange(frames * 3, dtype=torch.float32).view(-1, 3)
        assert len(spool) == frames and all(len(batch) <= 100 for batch in batches)
        for frames_of_pass in (first, second):
            assert torch.equal(frames_of_pass[frames_of_pass[:, 0].argsort()], everything)
        assert frames == 1 or not (torch.equal(first, second) or torch.equal(first, everything))
        assert torch.equal(torch.cat(list(spool.batches(100, 2, 1))), rows) and (
            frames == 1 or not torch.equal(torch.cat(list(spool.batches(100, 2, 2))), rows)
        )


def test_empty_spool_yields_nothing(tmp_path):
    with FrameSpool(tmp_path, 3) as spool:
        assert sum(map(len, spool.batches(10, 2))) == 0


def test_memory_is_bounded_and_no_file_is_left(tmp_path):
    def peak(frames):
        tracemalloc.start()
        with filled(tmp_path, frames, dim=16, buffer_frames=1024) as spool:
            tracemalloc.reset_peak()
            assert sum(len(batch) for batch in spool.batches(512, passes=2)) == 2 * frames
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    assert peak(40_000) < 1.3 * peak(4_000)
    assert list(tmp_path.iterdir()) == []
