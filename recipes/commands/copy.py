"""Copy a shipped recipe into a file of your own; a file that is there is never overwritten.

examples:
  zoo copy quickstart
  zoo copy lm/base_full my_base.yaml
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a shipped recipe's name (zoo list)")
    parser.add_argument(
        "destination",
        nargs="?",
        type=Path,
        metavar="DEST",
        help="file or folder; the recipe's own file name in this folder, if left out",
    )


def main(args: argparse.Namespace) -> None:
    from recipes.engine import bundled as shipped
    from recipes.engine.errors import RecipeError

    source = shipped.find(args.name)
    destination = args.destination or Path(source.name)
    destination = destination / source.name if destination.is_dir() else destination
    if destination.suffix != ".yaml":
        raise RecipeError(f"{destination}: a recipe's file name ends in .yaml")
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with destination.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise RecipeError(
            f"{destination} is there already and stays as it is; name another file: zoo copy {args.name} OTHER.yaml"
        ) from None
    print(f"{destination}: edit it, then: zoo run {destination}")
