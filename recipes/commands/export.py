"""Export a run's language model for other software.

examples:
  zoo export --run runs/quickstart --to huggingface --out exported
  zoo export --run runs/new_language_lora --language-model runs/new_language_lora/lora/model --merge --out exported
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a run, such as runs/quickstart")
    parser.add_argument("--to", choices=("huggingface",), default="huggingface", help="library that will load it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; must be new or empty")
    parser.add_argument(
        "--language-model", type=Path, help="folder of a language model or adapter, instead of the run's"
    )
    parser.add_argument("--merge", action="store_true", help="merge an adapter into the weights of its base model")


def main(args: argparse.Namespace) -> None:
    from zoo.interop.huggingface import export_language_model

    folder = args.language_model or args.run / "language_model" / "model"
    if not (folder / "vocabulary.json").is_file():
        raise FileNotFoundError(
            f"no language model in {folder}: run its stage first, or name another with --language-model"
        )
    if args.merge and not (folder / "adapter_config.json").is_file():
        raise ValueError(f"--merge: {folder} is no adapter; leave --merge out, or name one with --language-model")
    if args.out.exists() and not args.out.is_dir():
        raise FileExistsError(f"--out {args.out}: is a file; name a new folder")
    export_language_model(folder, args.out, args.merge)
    print(f"{args.out}: AutoModelForCausalLM, AutoTokenizer and modality.py (docs/export.md)")
