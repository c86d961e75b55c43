"""Check that the rows of a recipe fit the positions of the checkpoint that it trains, before any stage runs."""

import os

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
    """Return the path of the length of rows that are longer than a checkpoint's table of positions, and a line on it.

    Args:
        node: Node with arguments ``model`` and ``data``; others have no problem.
        targets: Finds the callables that the nodes name.
    """
    data = node_at(node.arguments.get("data"), f"{node.at}.data", targets)
    model = node_at(node.arguments.get("model"), f"{node.at}.model", targets)
    if data is None or model is None or data.home not in ROW_DATA or model.home != LANGUAGE_MODEL:
        return []
    length = data.arguments["sequence_length"]
    for network in nodes_below(model.arguments["network"], f"{model.at}.network", targets):
        folder = network.arguments.get(SOURCES.get(network.home, ""))
        if not isinstance(folder, str) or not os.path.isfile(os.path.join(folder, "config.json")):
            continue
        limit = _table_size(folder)
        if limit is not None and length > limit:
            problem = (
                f"={length}: {folder} has positions for {limit} tokens; want at most {limit}, or a checkpoint with more"
            )
            return [(f"{data.at}.sequence_length", problem)]
    return []


def _table_size(folder: str) -> int | None:
    """Return the number of positions in the table of a checkpoint; None if its configuration cannot be read."""
    from transformers import AutoConfig

    from zoo.language.position_limits import table_size

    try:
        return table_size(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    except (OSError, ValueError, KeyError):  # the stage that reads the checkpoint says what is wrong with it
        return None
