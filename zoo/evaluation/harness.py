"""Text suites such as MMLU, by lm-evaluation-harness on a language model's own folder."""

from pathlib import Path
from typing import Any

import torch


def evaluate_text(
    model: Path, tasks: list[str], limit: int | None = None, shots: int | None = None
) -> dict[str, dict[str, Any]]:
    """Figures of each task, as the harness gives them.

    Args:
        model: A transformers folder with weights and text tokenizer, as language model stages and exports write it.
        tasks: Names, or files of task definitions, of the harness.
        limit: Most items of each task; all if None.
        shots: Examples in a prompt; those of the task if None.

    Raises:
        ValueError: Where the harness is not installed.
    """
    try:
        import lm_eval
    except ImportError:
        raise ValueError("text suites need lm-evaluation-harness: pip install 'spiritlm-zoo[harness]'") from None
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model), "add_bos_token": True},
        tasks=tasks,
        limit=limit,
        num_fewshot=shots,
        device="cuda" if torch.cuda.is_available() else "cpu",
        bootstrap_iters=1000,
    )
    return {
        task: {name: value for name, value in figures.items() if isinstance(value, (int, float, str))}
        for task, figures in found["results"].items()
    }
