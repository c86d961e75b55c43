"""How much faster the language models of the comparison are trained two at a time, a core each, than one after another on both.

    python benchmarks/parallel_stages.py [--steps 60] [--models 4] [--rounds 3]

The recipe is compare/base_vs_expressive, cut down to Base's units and models, of little speech. Both ways take turns, each with the same command
and another ``jobs``; the time is that of the whole command, of which some seconds are the start of Python.
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
UNITS = ("corpus", "phonetic", "base_tokenizer", "base_vocabulary", "base_tokens")


def recipe(models: int, steps: int) -> dict:
    """Return the comparison with Base's units and language models alone, each model with another seed."""
    overrides = ["demo.hours=0.2", "unit_hours=0.1", f"trainer.max_steps={steps}", f"seeds={list(range(models))}"]
    content = OmegaConf.to_container(load("compare/base_vs_expressive", overrides).config)
    stages = {}
    for name in (*UNITS, "base"):
        stages[name] = {key: value for key, value in content["stages"][name].items() if key != "out"}
    kept = {key: value for key, value in content.items() if key.split("_")[0] not in UNUSED}
    return kept | {"stages": stages, "tokenizers": {"Base": content["tokenizers"]["Base"]}}


def seconds(*command: str) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "recipes.commands.cli", "run", *command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "models.yaml"), Path(folder, "run")
        OmegaConf.save(recipe(arguments.models, arguments.steps), file)
        for stage in UNITS:
            seconds(str(file), f"out={out}", "--stage", stage)
        taken = {1: [], 2: []}
        for _ in range(arguments.rounds):
            for jobs, found in taken.items():
                found.append(seconds(str(file), f"out={out}", f"jobs={jobs}"))
                for model in out.glob("base_[0-9]*"):
                    shutil.rmtree(model)
    ratios = np.divide(taken[1], taken[2])
    print(
        f"{arguments.models} models of {arguments.steps} steps, {os.cpu_count()} cores, medians of {arguments.rounds} rounds"
    )
    for jobs, found in taken.items():
        print(f"jobs={jobs}  {np.median(found):6.1f} s")
    print(f"ratio   {np.median(ratios):6.2f}x ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
