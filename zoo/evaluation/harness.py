"""Text benchmarks such as MMLU, by lm-evaluation-harness on the folder of a language model."""

from pathlib import Path
from typing import Any

import torch

from zoo.optional_packages import require_package


def evaluate_text(
    model: Path, tasks: list[str], limit: int | None = None, num_shots: int | None = None
) -> dict[str, dict[str, Any]]:
    """Evaluate tasks of lm-evaluation-harness.

    Args:
        model: A transformers folder with weights and text tokenizer, as language model stages and exports write it.
        tasks: Names of tasks of the harness, or files of task definitions.
        limit: Maximum number of items of each task; all if None.
        num_shots: Examples in a prompt; those of the task if None.

    Returns:
        Results of each task, by the names that the harness gives them.

    Raises:
        ValueError: If the harness is not installed.
    """
    require_package("lm_eval", "a text suite", "harness")
    import lm_eval

    output = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model), "add_bos_token": True},
        tasks=tasks,
        limit=limit,
        num_fewshot=num_shots,
        device="cuda" if torch.cuda.is_available() else "cpu",
        bootstrap_iters=1000,
    )
    results = {}
    for task, values in output["results"].items():
        results[task] = {name: value for name, value in values.items() if isinstance(value, (int, float, str))}
    return results
