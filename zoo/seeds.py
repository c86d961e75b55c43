"""Random numbers from a seed that leave the global generators as they were."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Generator[None, None, None]:
    """Seed torch's generators within the block, and restore their states after it.

    Only the CPU and ``device`` are touched. ``torch.manual_seed`` would seed all accelerators, and a process that has
    begun to use an accelerator cannot be forked into others that use one.

    Args:
        seed: Seed of all random numbers in the block.
        device: Device on which random numbers are drawn beside the CPU; ``cpu`` or ``meta`` if there is none.
    """
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for accelerator in devices:
            with torch.cuda.device(accelerator):
                torch.cuda.manual_seed(seed)
        yield
