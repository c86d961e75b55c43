"""Measure the speedup of training the comparison's language models two at a time, each on one core.

    python benchmarks/parallel_stages.py [--steps 60] [--models 4] [--rounds 3]

The recipe is compare/base_vs_expressive, reduced to the units and models of Base and to little speech. The runs with
``jobs=1`` and ``jobs=2`` alternate; the time is that of the whole command, which includes some seconds of Python's
start-up.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from recipes.engine.recipe import load

UNUSED = ("expressive", "judge", "pitch", "style", "vocoder", "vocoders")
UNITS = ("corpus", "phonetic", "base_vocabulary", "base_tokens")
BASE = "${stages.phonetic.out}/tokenizer"


def recipe(models: int, steps: int) -> dict:
    """Return the comparison with Base's units and language models alone, each model with another seed."""
    overrides = ["demo.hours=0.2", "unit_hours=0.1", f"trainer.max_steps={steps}", f"seeds={list(range(models))}"]
    content = OmegaConf.to_container(load("compare/base_vs_expressive", overrides).config)
    clustering = {"_target_": "recipes.stages.tokenizer.train_base_tokenizer", "corpus": "${stages.corpus.out}"}
    clustering |= content["phonetic"] | {"hours": "${unit_hours}"}
    content["stages"]["phonetic"] = clustering  # the recipe's own stage also trains pitch and style units
    stages = {}
    for name in (*UNITS, "base_lm"):
        stages[name] = {key: value for key, value in content["stages"][name].items() if key != "out"}
    kept = {key: value for key, value in content.items() if key.split("_")[0] not in UNUSED}
    return kept | {"stages": stages, "tokenizers": {"Base": BASE}}


def time_command(*arguments: str) -> float:
    """Duration of ``zoo run`` in seconds."""
    start = time.monotonic()
    command = [sys.executable, "-m", "spiritlm_zoo", "run", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="training steps of each model")
    parser.add_argument("--models", type=int, default=4, help="number of models")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of the measurement")
    arguments = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}  # by number of jobs
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "models.yaml")
        out = Path(folder, "run")
        OmegaConf.save(recipe(arguments.models, arguments.steps), file)
        for stage in UNITS:
            time_command(str(file), f"out={out}", "--stage", stage)
        for _ in range(arguments.rounds):
            for jobs, durations in seconds.items():
                durations.append(time_command(str(file), f"out={out}", f"jobs={jobs}"))
                for model in out.glob("base_[0-9]*"):
                    shutil.rmtree(model)
    ratios = np.divide(seconds[1], seconds[2])
    models = f"{arguments.models} models of {arguments.steps} steps"
    print(f"{models}, {os.cpu_count()} cores, medians of {arguments.rounds} rounds")
    for jobs, durations in seconds.items():
        print(f"jobs={jobs}  {np.median(durations):6.1f} s")
    print(f"ratio   {np.median(ratios):6.2f}x ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
