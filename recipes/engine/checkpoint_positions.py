"""Check that rows and rotary base of a recipe fit the positions of the checkpoint that it trains, before it runs."""

import os
from dataclasses import dataclass

from recipes.engine.agreement import LANGUAGE_MODEL, ROW_DATA, NodeAt, node_at, nodes_below
from recipes.engine.targets import Targets

# Builders of a network from the folder of a checkpoint, and the argument that names it.
SOURCES = {
    "zoo.language.networks.from_checkpoint": "source",
    "zoo.language.sharding.from_checkpoint_once": "source",
    "zoo.language.networks.quantized": "source",
    "zoo.language.networks.random_like": "source",
    "zoo.language.networks.from_run": "folder",
}


def position_problems(node: NodeAt, targets: Targets) -> list[tuple[str, str]]:
    """Return the path of each number that does not fit the positions of a checkpoint, with the rest of a line about it.

    These are the length of rows beyond a table of positions, and a base of rotary positions where there are none.

    Args:
        node: Node with arguments ``model`` and ``data``; others have no problem.
        targets: Finds the callables that the nodes name.
    """
    data = node_at(node.arguments.get("data"), f"{node.at}.data", targets)
    model = node_at(node.arguments.get("model"), f"{node.at}.model", targets)
    if data is None or model is None or data.home not in ROW_DATA or model.home != LANGUAGE_MODEL:
        return []
    problems = []
    for network in nodes_below(model.arguments["network"], f"{model.at}.network", targets):
        folder = network.arguments.get(SOURCES.get(network.home, ""))
        if not isinstance(folder, str) or not os.path.isfile(os.path.join(folder, "config.json")):
            continue
        positions = _positions_of(folder)
        if positions is None:
            continue
        length = data.arguments["sequence_length"]
        if length > positions.table_size:
            limit = positions.table_size
            problem = f"{folder} has positions for {limit} tokens; want at most {limit}, or a checkpoint with more"
            problems.append((f"{data.at}.sequence_length", f"={length}: {problem}"))
        rope_theta = network.arguments.get("rope_theta")
        if rope_theta is not None and not positions.is_rotary:
            problems.append((f"{network.at}.rope_theta", f"={rope_theta}: {folder} has no rotary positions; want null"))
    return problems


@dataclass(frozen=True)
class _Positions:
    """Positions of a checkpoint.

    Args:
        table_size: Number of positions in its table; a number beyond all rows if it has none.
        is_rotary: Whether they are rotary.
    """

    table_size: int
    is_rotary: bool


def _positions_of(folder: str) -> _Positions | None:
    """Return the positions of a checkpoint; None if its configuration cannot be read."""
    from transformers import AutoConfig

    from zoo.language.position_limits import has_rotary_positions, table_size

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError):  # the stage that reads the checkpoint says what is wrong with it
        return None
    return _Positions(table_size(config), has_rotary_positions(config))
