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

UNITS = ("corpus", "phonetic", "base_tokenizer", "base_vocabulary", "base_tokens")


def recipe(models: int, steps: int) -> dict:
    """The comparison without all that is neither Base's units nor its models, each with another seed."""
    whole = OmegaConf.to_container(
        load(
            "compare/base_vs_expressive",
            ["source.hours=0.2", "stages.phonetic.hours=0.1", f"steps.language_model={steps}"],
        ).config
    )
    stages = {
        name: {key: value for key, value in whole["stages"][name].items() if key != "out"}
        for name in (*UNITS, "base_0")
    }
    model = stages.pop("base_0")
    for seed in range(models):
        stages[f"model_{seed}"] = {**model, "data": {**model["data"], "seed": seed}}
    return whole | {
        "stages": stages,
        "tokenizers": {"Base": whole["tokenizers"]["Base"]},
        "vocoders": {},
        "templates": {},
        "base_segments": None,
        "expressive_segments": None,
        "expressive_vocabulary": None,
    }


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
                for model in out.glob("model_*"):
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
