"""What the hardware of this machine supports."""

import torch


def precision(accelerator: str = "auto") -> str:
    """Return Lightning's name of the fastest precision that trains reliably here.

    ``bf16-mixed`` where the hardware multiplies bfloat16 matrices, ``32-true`` elsewhere. The choice depends on
    hardware features only and on no timing, so that an interrupted run resumes in the precision in which it started.

    Args:
        accelerator: Lightning's name of the accelerator; ``auto`` is a GPU if there is one.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    features = torch.cpu.get_capabilities()
    return "bf16-mixed" if features.get("avx512_bf16") or features.get("amx_tile") else "32-true"
