"""Nodes that differ from another node of the same recipe in a few values.

``_base_: vocoder`` in a node at the top of a recipe, or in a stage, makes it a copy of ``vocoder`` as it is written,
with the other keys on top: a plain key replaces the value of that argument, and a dotted path sets a value deeper in
the copy. ``_base_: stages.base_lm`` copies a stage. References are copied as they are written, so ``${seed}`` means the
same in both, and a relative reference such as ``${.max_steps}`` means the copy's own value.
"""

from copy import deepcopy
from typing import Any

from recipes.engine.bounds import MAX_CHAIN, MAX_VALUES
from recipes.engine.errors import shown
from recipes.engine.nodes import BASE, items_of
from recipes.engine.overrides import assign
from zoo.suggestions import suggest

STAGES = "stages"


def expand_derived_nodes(content: dict[str, Any]) -> list[str]:
    """Replace every node with ``_base_`` by the node that it stands for, in place.

    Returns:
        One line for each ``_base_`` that cannot be followed, or that is not at the top of the recipe or in a stage.
    """
    expansion = _Expansion(content)
    for path in expansion.paths:
        expansion.expand(path, [])
    return expansion.problems or _misplaced(content, "")


class _Expansion:
    """Expands the derived nodes of a recipe in place.

    Args:
        content: Content of the recipe.

    Attributes:
        problems: One line for each node that cannot be expanded.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.paths = _paths(content)
        self.problems: list[str] = []
        self.num_copied = 0  # values in all copies so far

    def expand(self, path: str, derived: list[str]) -> Any:
        """Return the value at a path, after its base is expanded and copied; None if that is not possible.

        Args:
            path: ``network`` for a value at the top, ``stages.train`` for a stage.
            derived: Paths of the nodes that are being expanded; ``path`` is the base of the last of them.
        """
        holder, name = _holder(self.content, path)
        node = holder.get(name)
        if not isinstance(node, dict) or BASE not in node:
            return node
        base_path = node[BASE]
        copied = None
        remedy = None
        if path in derived or base_path == path:
            remedy = f"leads back to {path}; name a node that is written out"
        elif len(derived) >= MAX_CHAIN or self.num_copied > MAX_VALUES:
            remedy = (
                f"a recipe copies at most {MAX_VALUES:,} values, over at most {MAX_CHAIN} bases; write the node out"
            )
        elif base_path in self.paths:
            copied = deepcopy(self.expand(base_path, [*derived, path]))
        if not isinstance(copied, dict):
            if remedy is None:
                nearest = suggest(base_path, self.paths)
                remedy = f"want the name of a node at the top of the recipe, or of a stage; {nearest}"
            self.problems.append(f"{path}.{BASE}={shown(base_path)}: {remedy}")
            return None
        self.num_copied += _count(copied)
        node.pop(BASE)
        self.problems += assign(copied, node, path)
        holder[name] = copied
        return copied


def _paths(content: dict[str, Any]) -> list[str]:
    """Return the paths of all values that may have a base, or be one."""
    paths = [str(name) for name in content if name != STAGES]
    stages = content.get(STAGES)
    return paths + [f"{STAGES}.{name}" for name in stages] if isinstance(stages, dict) else paths


def _holder(content: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that the value at a path is in, and its name there."""
    is_stage = path.startswith(f"{STAGES}.")
    return (content[STAGES], path.removeprefix(f"{STAGES}.")) if is_stage else (content, path)


def _count(value: Any) -> int:
    """Return the number of values in nested mappings and lists."""
    return 1 + sum(_count(inner) for _, inner in items_of(value))


def _misplaced(value: Any, at: str) -> list[str]:
    """Return one line for each ``_base_`` that is left in a recipe after expansion."""
    problems = []
    for key, inner in items_of(value):
        if key == BASE:
            problems.append(f"{at}.{BASE}: only a node at the top of the recipe, or a stage, can have a base; move it")
        problems += _misplaced(inner, f"{at}.{key}".lstrip("."))
    return problems
