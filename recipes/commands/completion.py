"""Print a script that completes commands, their options and recipe names in the shell.

examples:
  eval "$(zoo completion bash)"                       put this line into ~/.bashrc
  zoo completion zsh > ~/.zfunc/_zoo                  with fpath+=~/.zfunc before compinit in ~/.zshrc
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

COMPLETE_RECIPE = {"bash": "_zoo_complete_recipe", "zsh": "_zoo_complete_recipe"}
BASH_FUNCTION = """
_zoo_complete_recipe() {{
  compgen -W "{recipes}" -- "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -d -S / -- "$1"
}}
"""
ZSH_FUNCTION = """
_zoo_complete_recipe() {{
  local -a recipes
  recipes=({recipes})
  _alternative 'recipes:recipe:compadd -a recipes' 'files:file:_files -g "*.yaml"'
}}
"""


class CompletingParser(argparse.ArgumentParser):
    """A parser that says what its arguments complete to: names of recipes, or files."""

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        import shtab

        action = super().add_argument(*args, **kwargs)
        if action.dest == "recipe":
            action.complete = COMPLETE_RECIPE  # pyrefly: ignore[missing-attribute]
        elif action.type is Path or action.metavar == "AUDIO":
            action.complete = shtab.FILE  # pyrefly: ignore[missing-attribute]
        return action


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh"], help="the shell that the script is for")


def main(args: argparse.Namespace) -> None:
    import shtab

    from recipes.engine import bundled

    recipes = " ".join(bundled.names())
    function = {"bash": BASH_FUNCTION, "zsh": ZSH_FUNCTION}[args.shell]
    print(shtab.complete(build_parser(), args.shell, preamble=function.format(recipes=recipes)))


def build_parser() -> argparse.ArgumentParser:
    """One parser of all commands, with what each argument completes to."""
    from recipes.commands.cli import COMMANDS

    parser = CompletingParser(prog="zoo")
    subparsers = parser.add_subparsers(metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.purpose)
        import_module(command.module).add_arguments(subparser)
    return parser
