from types import SimpleNamespace

import pytest

from lightningmodules.checkpoint import LastCheckpoint


class Killed(BaseException):
    """Not an error that anybody would catch."""


class Writer:
    """As much of a Trainer as a checkpoint needs."""

    accumulate_grad_batches, is_global_zero, strategy = 1, True, SimpleNamespace(barrier=lambda name: None)

    def __init__(self, text, fails=False):
        self.text, self.fails = text, fails

    def save_checkpoint(self, path):
        path.write_text(self.text[: len(self.text) // 2] if self.fails else self.text)
        if self.fails:
            raise Killed


def test_a_kill_while_writing_leaves_the_checkpoint_before(tmp_path):
    last = LastCheckpoint(tmp_path / "checkpoints" / "last.ckpt", 1)
    with pytest.raises(Killed):
        last.save(Writer("first", fails=True))
    assert not last.path.exists()
    last.save(Writer("first"))
    with pytest.raises(Killed):
        last.save(Writer("second", fails=True))
    assert last.path.read_text() == "first" and [p.name for p in last.path.parent.iterdir()] == ["last.ckpt"]
    last.save(Writer("second"))
    assert last.path.read_text() == "second" and last.previous.read_text() == "first"
    with pytest.raises(Killed):
        last.save(Writer("third", fails=True))
    assert last.path.read_text() == "second"
    last.remove_previous()
    assert [path.name for path in last.path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("every, accumulate, batches", [(3, 1, [2, 5, 8]), (2, 2, [3, 7]), (1, 4, [3, 7])])
def test_checkpoints_come_after_so_many_optimizer_steps(tmp_path, every, accumulate, batches):
    trainer, written = Writer("x"), []
    trainer.accumulate_grad_batches = accumulate
    last = LastCheckpoint(tmp_path / "last.ckpt", every)
    for batch in range(9):
        last.on_train_batch_end(trainer, None, None, None, batch)
        if last.path.exists():
            written.append(batch)
            last.path.unlink()
    assert written == batches
