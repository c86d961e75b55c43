"""Turn another project's checkpoints into folders of the zoo; nothing in them is run.

examples:
  zoo import spiritlm checkpoints --out runs/spiritlm
  zoo generate --run runs/spiritlm/base --text "the largest country in the world is" --to text

What spiritlm wants is the folder with speech_tokenizer/ and spiritlm_model/ in it; what is missing there is told and left out.
Each model becomes a folder in the layout of a run: tokenizer, vocoder, vocabulary, language model.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("release", choices=("spiritlm",), help="whose checkpoints they are")
    parser.add_argument("checkpoints", type=Path, help="their folder")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for base/ and expressive/; parts that are there are made again"
    )


def main(args: argparse.Namespace) -> None:
    from transformers.utils.logging import disable_progress_bar

    from zoo.interop.spiritlm.release import import_release

    disable_progress_bar()  # a line for each part says enough
    found = 0
    for part in import_release(args.checkpoints, args.out):
        found += part.folder is not None
        print(f"{part.name}: {part.folder}" if part.folder else f"{part.name}: not imported, {part.why}", flush=True)
    if not found:
        raise FileNotFoundError(f"{args.checkpoints}: nothing was imported")
