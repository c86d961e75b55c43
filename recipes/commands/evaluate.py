"""Evaluate a run's language model, or any transformers speech-text model in a folder with its vocabulary.

Suites: story_cloze, topic_story_cloze, swuggy, sblimp (likelihood); asr, tts, intent (few-shot); sentiment; alignment;
toxicity; resynthesis (judges of the speech of a run's vocoder); and text benchmarks through lm-evaluation-harness. The
demo corpus has a small synthetic version of each of the others.
Results are cached, and an interrupted evaluation resumes.

examples:
  zoo evaluate runs/quickstart --suite story_cloze
  zoo evaluate runs/quickstart --suite swuggy --suite sblimp --suite alignment
  zoo evaluate runs/quickstart --suite swuggy --table zerospeech/swuggy.jsonl
  zoo evaluate my_model --tokenizer my_tokenizer --task contrast --table mine.jsonl
  zoo evaluate runs/digits --suite resynthesis --asr openai/whisper-base
  zoo evaluate --convert swuggy zerospeech2021/lexical/dev --table swuggy.jsonl
  zoo evaluate runs/base --harness arc_easy,hellaswag
"""

import argparse
from pathlib import Path

from recipes.commands.options import device, number
from zoo.ranges import OptionalSize, Seed, Size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``zoo evaluate``."""
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
        help="suite of the demo corpus, or name of the suite in --table; can be repeated",
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="table of a suite (see docs/evaluation.md)")
    parser.add_argument(
        "--task",
        help="task of --table: contrast, asr, tts, intent, sentiment or toxicity "
        "(default: that of the suite's name, otherwise contrast)",
    )
    parser.add_argument(
        "--convert",
        nargs=2,
        metavar=("KIND", "PATH"),
        help="convert a public suite to --table: swuggy, sblimp, story_cloze or spoken_story_cloze",
    )
    parser.add_argument(
        "--harness", metavar="TASKS", help="text benchmarks of lm-evaluation-harness, such as mmlu,arc_easy"
    )
    parser.add_argument("--out", type=Path, help="folder of the results (default: RUN/evaluations)")
    parser.add_argument("--limit", type=number(Size), help="maximum number of items (default: all)")
    parser.add_argument(
        "--shots",
        type=number(OptionalSize),
        help="examples in a prompt (default: those of the Spirit LM paper; 0 for sentiment)",
    )
    parser.add_argument("--seed", type=number(Seed), default=0, help="seed of samples and draws (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=("32-true", "bf16-true"),
        default="32-true",
        help="precision of the model's weights; bf16-true is faster on hardware with bfloat16 (default: %(default)s)",
    )
    parser.add_argument(
        "--device", type=device, default="cpu", help="device of the models, such as cuda (default: %(default)s)"
    )
    parser.add_argument(
        "--runs", type=number(Size), default=3, help="runs of sentiment preservation (default: %(default)s)"
    )
    _add_judges(parser)
    for name in ("language-model", "tokenizer", "vocoder", "tokens"):
        parser.add_argument(
            f"--{name}", type=Path, metavar="FOLDER", help=f"folder of the {name.replace('-', ' ')}, if not the run's"
        )


def _add_judges(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the judges of generated text and speech."""
    parser.add_argument("--asr", metavar="CHECKPOINT", help="speech recognizer that transcribes generated speech")
    parser.add_argument(
        "--speaker-encoder",
        metavar="CHECKPOINT",
        help="x-vector checkpoint of the speaker similarity (default: Resemblyzer, where installed)",
    )
    parser.add_argument(
        "--asr-beams",
        type=number(Size),
        default=1,
        metavar="N",
        help="beams of the recognizer; 1 is greedy (default: 1)",
    )
    parser.add_argument(
        "--asr-task",
        choices=("transcribe", "translate"),
        default="transcribe",
        help="task of a Whisper recognizer; translate is into English (default: transcribe)",
    )
    parser.add_argument(
        "--language",
        metavar="TAG",
        help="language of the speech, such as en, for Whisper and text normalization (default: that of the table)",
    )
    parser.add_argument(
        "--text-classifier",
        metavar="CHECKPOINT",
        help="text classifier of sentiment, or a .json of words by sentiment, or vader (English)",
    )
    parser.add_argument(
        "--speech-classifier",
        metavar="CHECKPOINT",
        help="speech classifier of sentiment or emotion, or the folder of a style extractor of the zoo",
    )
    parser.add_argument("--toxic-words", type=Path, metavar="FILE", help="toxic words, one word or phrase a line")
    parser.add_argument(
        "--toxicity-classifier", metavar="CHECKPOINT", help="text classifier of toxicity, with a label named toxic"
    )


def main(args: argparse.Namespace) -> None:
    """Evaluate a model on the suites that the arguments name, or convert a public suite."""
    if args.convert:
        _convert(args)
        return
    if args.model is None:
        raise ValueError("no model: name a run, such as: zoo evaluate runs/quickstart --suite story_cloze")
    from recipes.commands.evaluation import Evaluation

    evaluation = Evaluation(args)
    if not args.suite and not args.harness:
        if args.table is None:
            raise ValueError(f"no --suite: {evaluation.list_suites()}")
        args.suite = [args.table.stem]
    if args.table is not None and len(args.suite) > 1:
        raise ValueError("--table is one suite: give one --suite name with it")
    for name in args.suite:
        evaluation.evaluate_suite(name)
    if args.harness:
        evaluation.evaluate_harness(args.harness.split(","))


def _convert(args: argparse.Namespace) -> None:
    """Convert a public suite to a table."""
    from zoo.evaluation.suites.suite_converters import CONVERTERS, write_suite

    kind, source = args.convert[0], Path(args.convert[1])
    if kind not in CONVERTERS or args.table is None:
        raise ValueError(f"--convert {kind}: expected one of {', '.join(CONVERTERS)}, and --table FILE to write")
    rows = CONVERTERS[kind](source)
    write_suite(rows, source if source.is_dir() else source.parent, args.table)
    print(f"{args.table}: {len(rows)} items")
