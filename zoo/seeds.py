"""Chance that begins at a seed, and leaves all other chance as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Within the block torch draws from ``seed`` on, on the processor and on a device; after it, as if there had been no block.

    No other accelerator is touched: ``torch.manual_seed`` would seed all of them, and a process that has once begun to use one
    cannot be forked into others that do.

    Args:
        seed: Of all draws in the block.
        device: Where they are made besides; only the processor if it is that, or the meta device.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for each in devices:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        yield
