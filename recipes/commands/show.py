"""Print a recipe as it would run: overrides applied, references resolved, defaults written out.

examples:
  zoo show quickstart
  zoo show quickstart stages.lm.trainer.max_steps=2000
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="name of a bundled recipe (zoo list), or path of a .yaml file")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="values that override the recipe's, at any depth"
    )
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="allow the recipe to name this package, module or function; may be repeated",
    )


def main(args: argparse.Namespace) -> None:
    from omegaconf import OmegaConf

    from recipes.engine.recipe import load

    recipe = load(args.recipe, args.overrides, args.trust)
    print(OmegaConf.to_yaml(OmegaConf.create(recipe.written_out())), end="")
