"""What this machine is good at."""

import torch


def precision(accelerator: str = "auto") -> str:
    """Lightning's name of the fastest precision that trains well here.

    Answers ``bf16-mixed`` where bfloat16 matrices are multiplied in hardware, ``32-true`` elsewhere. It asks for features and
    times nothing, so that an interrupted run is resumed in the precision it began with.

    Args:
        accelerator: What is to compute, by Lightning's name; with ``auto`` a GPU where there is one.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    features = torch.cpu.get_capabilities()
    return "bf16-mixed" if features.get("avx512_bf16") or features.get("amx_tile") else "32-true"
