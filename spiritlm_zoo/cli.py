"""Entry point of the ``zoo`` command, in a module whose name no other distribution uses."""

from recipes.commands.cli import main

__all__ = ["main"]
