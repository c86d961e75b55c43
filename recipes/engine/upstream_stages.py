"""Upstream stages: those whose folders a stage reads, by the paths in its node."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from recipes.engine.nodes import leaves


def stages_read(node: Any, folders: Mapping[str, str]) -> set[str]:
    """Return the names of the stages whose folders contain a path that is written anywhere in ``node``.

    Args:
        node: Node of a stage, with references followed.
        folders: Folder of every stage, by its name.
    """
    owners = {stage_of(value, folders) for _, value in leaves(node)}
    return {owner for owner in owners if owner is not None}


def stage_of(text: Any, folders: Mapping[str, str]) -> str | None:
    """Return the stage whose folder contains the path ``text``; of nested folders, the stage of the innermost."""
    if not isinstance(text, str) or not text:
        return None
    path = PurePath(text)
    owners = []
    for name, folder in folders.items():
        if isinstance(folder, str) and path.is_relative_to(folder):
            owners.append(name)
    return max(owners, key=lambda name: len(PurePath(folders[name]).parts), default=None)
