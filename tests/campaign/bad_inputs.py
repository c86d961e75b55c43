"""Try hundreds of bad inputs on the command line, and print how many are refused in one clear line.

    python tests/campaign/bad_inputs.py --out /tmp/bad_inputs

Numbers of four recipes, recipes, overrides, tables, manifests, audio, folders, arguments of all commands, damaged runs and
limits of the machine. Every input runs in a process of its own, with a time limit. Those that are not refused in one clear
line are listed in OUT/unclear.txt, to be read by a person: whether a message is clear, only a reader can say.
"""

import argparse
import os
import pkgutil
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import recipes.commands
from recipes.commands.cli import main as zoo
from recipes.engine.recipe import load
from tests.campaign import bad_commands, bad_corpora, bad_numbers, bad_recipes
from tests.campaign.outcomes import VERDICTS, Case, Outcome, run_case

TINY = (
    *(
        "demo.hours=0.06",
        "demo.num_cloze=4",
        "trainer.max_steps=3",
        "trainer.val_check_interval=3",
        "data.batch_size=2",
    ),
    *("vocoder_trainer.max_steps=2", "vocoder_trainer.val_check_interval=2", "vocoder_data.batch_size=2"),
    *("network.num_layers=1", "vocoder.generator.backbone.num_blocks=1", "stages.tokens.train_speeds=[1.0]"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="new folder for the runs and the list")
    parser.add_argument("--seconds", type=float, default=20.0, help="limit for one input (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only the cases whose kind or name this matches")
    parser.add_argument("--starts", type=int, default=60, help="real starts with values that are legal")
    args = parser.parse_args()
    args.out.mkdir(parents=True)
    (args.out / "cases").mkdir()
    (args.out / "cases" / "canary.txt").write_text("must stay as it is")
    os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TQDM_DISABLE="1")
    _import_everything()
    tiny = _tiny_run(args.out)
    outcomes = _run_all(_cases(tiny), args)
    legal = [outcome.case for outcome in outcomes if outcome.verdict == "legal" and outcome.case.kind == "numbers"]
    starts = [case for case in legal if case.arguments[1] == "quickstart"][: args.starts]
    outcomes += _run_all(bad_numbers.real_starts(starts, TINY, tiny), args)
    print(_table(outcomes))
    _write_unclear(outcomes, args.out / "unclear.txt")


def _cases(tiny: Path) -> Iterable[Case]:
    yield from bad_recipes.cases()
    yield from bad_corpora.cases()
    yield from bad_commands.cases(tiny)
    yield from bad_numbers.dry_runs()


def _import_everything() -> None:
    """Import what the commands import, once, so that a forked process is quick to start."""
    for name in bad_numbers.RECIPES:
        load(name)
    for module in pkgutil.iter_modules(recipes.commands.__path__, "recipes.commands."):
        import_module(module.name)
    for name in ("zoo.language.speech_text_model", "zoo.interop.vocoder_checkpoints", "zoo.interop.huggingface"):
        import_module(name)


def _tiny_run(out: Path) -> Path:
    """Make a finished run of the quickstart in seconds, in a process of its own, and return its folder."""
    folder = out.resolve() / "tiny"
    child = os.fork()
    if child == 0:
        os.dup2(os.open(out / "tiny.log", os.O_WRONLY | os.O_CREAT), 1)
        zoo(["run", "quickstart", *TINY, f"out={folder}"])
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"the tiny run failed: {out / 'tiny.log'}")
    return folder


def _run_all(cases: Iterable[Case], args: argparse.Namespace) -> list[Outcome]:
    outcomes = []
    started = time.monotonic()
    for number, case in enumerate(cases):
        if not re.search(args.only, f"{case.kind}: {case.name}"):
            continue
        folder = args.out.resolve() / "cases" / f"{case.kind} {number}"
        outcome = run_case(case, folder, args.seconds)
        shutil.rmtree(folder, ignore_errors=True)
        outcomes.append(outcome)
        if outcome.verdict not in ("one line", "legal"):
            print(f"{outcome.verdict}: {case.kind}: {case.name}", flush=True)
        if len(outcomes) % 100 == 0:
            print(f"{len(outcomes)} in {time.monotonic() - started:.0f} s", flush=True)
    return outcomes


def _table(outcomes: list[Outcome]) -> str:
    """Return a line for each kind: how many were tried, and what came of them."""
    kinds = list(dict.fromkeys(outcome.case.kind for outcome in outcomes))
    counts = Counter((outcome.case.kind, outcome.verdict) for outcome in outcomes)
    lines = [f"{'kind':<20}{'tried':>8}" + "".join(f"{verdict:>12}" for verdict in VERDICTS)]
    for kind in (*kinds, "all"):
        row = [sum(count for key, count in counts.items() if key[0] in (kind, *(kinds if kind == "all" else ())))]
        for verdict in VERDICTS:
            row.append(sum(counts[name, verdict] for name in (kinds if kind == "all" else [kind])))
        lines.append(f"{kind:<20}{row[0]:>8}" + "".join(f"{count:>12}" for count in row[1:]))
    return "\n".join(lines)


def _write_unclear(outcomes: list[Outcome], path: Path) -> None:
    with path.open("w") as file:
        for verdict in VERDICTS:
            for outcome in outcomes:
                if outcome.verdict == verdict:
                    message = " ".join(outcome.message.strip()[-1500:].splitlines())
                    file.write(f"[{verdict}] {outcome.case.kind}: {outcome.case.name}\n    {message}\n")


if __name__ == "__main__":
    main()
