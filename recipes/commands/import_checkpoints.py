"""Convert another project's checkpoints to folders of the zoo; no code in them is executed.

examples:
  zoo import spiritlm checkpoints --out runs/spiritlm
  zoo generate --run runs/spiritlm/base --text "the largest country in the world is" --to text

For spiritlm, name the folder that contains speech_tokenizer/ and spiritlm_model/. Missing parts are reported, skipped.
Each model becomes a folder with the layout of a run: tokenizer, vocoder, vocabulary, language model.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", choices=("spiritlm",), help="project that released the checkpoints")
    parser.add_argument("checkpoints", type=Path, help="folder of the checkpoints")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for base/ and expressive/; existing parts are written anew"
    )


def main(args: argparse.Namespace) -> None:
    from transformers.utils.logging import disable_progress_bar

    from zoo.interop.spiritlm.release import import_release

    disable_progress_bar()  # one line per part is printed below
    found = 0
    for part in import_release(args.checkpoints, args.out):
        found += part.folder is not None
        print(f"{part.name}: {part.folder}" if part.folder else f"{part.name}: not imported, {part.reason}", flush=True)
    if not found:
        raise FileNotFoundError(f"{args.checkpoints}: nothing was imported")
