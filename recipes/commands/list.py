"""List the shipped recipes: what each makes, needs and costs.

example:
  zoo list
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--names", action="store_true", help="the names alone, one a line")


def main(args: argparse.Namespace) -> None:
    from recipes.engine import bundled as shipped

    for name in shipped.names():
        if args.names:
            print(name)
            continue
        header = shipped.header(shipped.ROOT / f"{name}.yaml")
        print(f"{name}\n    {header.purpose}")
        for label, text in (("needs", header.needs), ("costs", header.costs)):
            if text:
                print(f"    {label}: {text}")
    if not args.names:
        print("\nzoo run NAME runs one; zoo copy NAME gives you a file to edit.")
