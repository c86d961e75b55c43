"""A Lightning trainer for tests: no logs, no bars, no checkpoints, and seeded steps."""

from pathlib import Path
from typing import Any

import lightning as L

from lightningmodules.callbacks import SeededSteps


def trainer(path: Path, steps: int, **options: Any) -> L.Trainer:
    """Return a trainer of so many steps on the CPU; ``options`` replace its arguments."""
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": path,
        "max_steps": steps,
        "num_sanity_val_steps": 0,
        "limit_val_batches": 0,
        "callbacks": [SeededSteps(7)],
    }
    return L.Trainer(**(defaults | options))
