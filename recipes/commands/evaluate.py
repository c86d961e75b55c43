"""Evaluate a run's language model, or any transformers speech-text model in a folder with its vocabulary.

Suites: story_cloze, topic_story_cloze, swuggy, sblimp (likelihood); asr, tts, intent (from examples); sentiment; alignment;
toxicity; and text suites through lm-evaluation-harness. The demo corpus carries a small synthetic version of each.
What is evaluated already is not evaluated again; what was interrupted goes on.

examples:
  zoo evaluate runs/quickstart --suite story_cloze
  zoo evaluate runs/quickstart --suite swuggy --suite sblimp --suite alignment
  zoo evaluate runs/quickstart --suite swuggy --table zerospeech/swuggy.jsonl
  zoo evaluate my_model --tokenizer my_tokenizer --task contrast --table mine.jsonl
  zoo evaluate --convert swuggy zerospeech2021/lexical/dev --table swuggy.jsonl
  zoo evaluate runs/base --harness arc_easy,hellaswag
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="RUN",
        help="folder of a run, or of a transformers model with its vocabulary",
    )
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="NAME",
        help="a suite of the demo corpus, or a name for --table; may be repeated",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="a suite of your own (docs/evaluation.md)")
    parser.add_argument(
        "--task",
        help="what --table is for: contrast, asr, tts, intent, sentiment, toxicity (default: that of the suite's name, or contrast)",
    )
    parser.add_argument(
        "--convert",
        nargs=2,
        metavar=("KIND", "PATH"),
        help="write a public suite as --table: swuggy, sblimp, story_cloze, spoken_story_cloze",
    )
    parser.add_argument(
        "--harness", metavar="TASKS", help="text suites through lm-evaluation-harness, such as mmlu,arc_easy"
    )
    parser.add_argument("--out", type=Path, help="folder of the results (default: RUN/evaluations)")
    parser.add_argument("--limit", type=int, help="most items")
    parser.add_argument("--shots", type=int, help="examples in a prompt (default: those of the paper; 0 for sentiment)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--precision",
        choices=("32-true", "bf16-true"),
        default="32-true",
        help="of the model's weights; bf16-true is faster where the hardware multiplies bfloat16",
    )
    parser.add_argument("--device", default="cpu", help="where models compute, such as cuda (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of sentiment preservation")
    parser.add_argument("--asr", metavar="CHECKPOINT", help="a recognizer that hears the speech that is made")
    parser.add_argument(
        "--text-classifier", metavar="CHECKPOINT", help="of sentiment; a .json of words by sentiment serves too"
    )
    parser.add_argument(
        "--speech-classifier",
        metavar="CHECKPOINT",
        help="of sentiment or emotion; a style encoder of the zoo serves too",
    )
    parser.add_argument("--toxic-words", type=Path, metavar="FILE", help="one word or phrase a line")
    parser.add_argument("--toxicity-classifier", metavar="CHECKPOINT", help="of text, with a label named toxic")
    for part in ("language-model", "tokenizer", "vocoder", "tokens"):
        parser.add_argument(f"--{part}", type=Path, help=f"folder of another {part.replace('-', ' ')} than the run's")


def main(args: argparse.Namespace) -> None:
    if args.convert:
        _convert(args)
        return
    if args.model is None:
        raise ValueError("name a run, such as: zoo evaluate runs/quickstart --suite story_cloze")
    from recipes.commands.evaluation import Evaluation

    evaluation = Evaluation(args)
    if not args.suite and not args.harness:
        if args.table is None:
            raise ValueError(f"no --suite: {evaluation.offer()}")
        args.suite = [args.table.stem]
    if args.table is not None and len(args.suite) > 1:
        raise ValueError("--table is one suite; give one --suite name with it")
    for name in args.suite:
        evaluation.suite(name)
    if args.harness:
        evaluation.harness(args.harness.split(","))


def _convert(args: argparse.Namespace) -> None:
    from zoo.evaluation.suites.suite_converters import READERS, write_suite

    kind, source = args.convert[0], Path(args.convert[1])
    if kind not in READERS or args.table is None:
        raise ValueError(f"--convert {kind}: want one of {', '.join(READERS)}, and --table FILE to write")
    rows = READERS[kind](source)
    write_suite(rows, source if source.is_dir() else source.parent, args.table)
    print(f"{args.table}: {len(rows)} items")
