"""What this machine is good at."""
import torch


def precision() -> str:
    """Lightning's name of the fastest precision that trains well here.

    Answers ``bf16-mixed`` where the processor multiplies bfloat16 matrices in hardware, ``32-true`` elsewhere. It asks the
    processor for its features and times nothing, so that an interrupted run is resumed in the precision it began with.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    features = torch.cpu.get_capabilities()
    return "bf16-mixed" if features.get("avx512_bf16") or features.get("amx_tile") else "32-true"


def autocast_dtype() -> torch.dtype | None:
    """The same as a type for ``torch.autocast``; None for none."""
    return torch.bfloat16 if precision() == "bf16-mixed" else None
