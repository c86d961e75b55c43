"""Run a recipe. Finished stages are skipped, an interrupted one resumes where it stopped.

examples:
  zoo run quickstart
  zoo run quickstart --dry-run
  zoo run my.yaml out=runs/mine stages.lm.trainer.max_steps=2000
  zoo run my.yaml --stage lm --again
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="name of a bundled recipe (zoo list), or path of a .yaml file")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="values that override the recipe's, at any depth: a.b.c=1, a.0.b=[1, 2]",
    )
    parser.add_argument("--stage", metavar="NAME", help="run only this stage")
    parser.add_argument(
        "--again",
        action="store_true",
        help="delete the folder of the --stage, or of all stages that have changed, and run them anew",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare the content of all results of finished stages with their records, not only sizes and times",
    )
    parser.add_argument("--dry-run", action="store_true", help="check the whole recipe and print what would run")
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="allow the recipe to name this package, module or function; may be repeated",
    )


def main(args: argparse.Namespace) -> None:
    from recipes.engine.errors import RecipeError
    from recipes.engine.plan import plan, refuse
    from recipes.engine.preflight import preflight_problems
    from recipes.engine.recipe import load
    from recipes.engine.run import run
    from recipes.engine.summary import summary, table

    recipe = load(args.recipe, args.overrides, args.trust)
    steps = plan(recipe, args.stage, args.again, verify=args.verify and args.dry_run)
    problems = preflight_problems(recipe, steps, args.dry_run)
    if args.dry_run:
        print(table(recipe, steps))
        refuse(recipe, steps)
    if problems:
        raise RecipeError(*problems)
    if args.dry_run:
        return
    lines = summary(run(recipe, args.stage, args.again, args.verify))
    if lines:
        print(lines)
