"""Copy a bundled recipe to a file of your own; an existing file is never overwritten.

examples:
  zoo copy quickstart
  zoo copy lm/base_full my_base.yaml
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="name of a bundled recipe (zoo list)")
    parser.add_argument(
        "destination",
        nargs="?",
        type=Path,
        metavar="DEST",
        help="file or folder. Defaults to the recipe's own file name in the current folder",
    )


def main(args: argparse.Namespace) -> None:
    from recipes.engine import bundled
    from recipes.engine.errors import RecipeError

    source = bundled.find(args.recipe)
    destination = args.destination or Path(source.name)
    if destination.is_dir():
        destination = destination / source.name
    if destination.suffix != ".yaml":
        raise RecipeError(f"{destination}: the file name of a recipe must end in .yaml")
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with destination.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise RecipeError(
            f"{destination} already exists and is not overwritten; name another file: zoo copy {args.recipe} OTHER.yaml"
        ) from None
    print(f"{destination}: edit it, then run it: zoo run {destination}")
