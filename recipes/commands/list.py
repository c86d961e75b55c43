"""List the bundled recipes: what each makes, needs and costs.

example:
  zoo list
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--names", action="store_true", help="print only the names, one per line")


def main(args: argparse.Namespace) -> None:
    from recipes.engine import bundled

    for name in bundled.names():
        if args.names:
            print(name)
            continue
        header = bundled.header(bundled.ROOT / f"{name}.yaml")
        print(f"{name}\n    {header.purpose}")
        for label, text in (("needs", header.needs), ("costs", header.costs)):
            if text:
                print(f"    {label}: {text}")
    if not args.names:
        print("\n`zoo run NAME` runs a recipe; `zoo copy NAME` copies it to a file that you can edit.")
