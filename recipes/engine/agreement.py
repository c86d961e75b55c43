"""Check that numbers of different nodes fit together, where the constructors that say so need files to be built."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recipes.engine.errors import RecipeError
from recipes.engine.nodes import TARGET, is_node, items_of
from recipes.engine.signatures import signature
from recipes.engine.targets import Targets, home_name

LLAMA = "zoo.language.networks.llama"
LANGUAGE_MODEL = "lightningmodules.language_model.SpeechTextLM"
VOCODER = "lightningmodules.vocoder.UnitVocoder"
VOCODER_DATA = "datamodules.vocoder.VocoderDataModule"
MIXTURE = "datamodules.language_model.MixtureDataModule"
DATA_OF_ONE_STREAM = tuple(f"datamodules.language_model.{kind}DataModule" for kind in ("Text", "Speech", "Interleaved"))

ROW_DATA = (MIXTURE, *DATA_OF_ONE_STREAM)


@dataclass(frozen=True)
class NodeAt:
    """A node with its references followed.

    Args:
        at: Dotted path of the node.
        home: Module and qualified name of its target.
        arguments: Its arguments, defaults included.
    """

    at: str
    home: str
    arguments: Mapping[str, Any]


def nodes_below(value: Any, at: str, targets: Targets) -> Iterator[NodeAt]:
    """Yield all nodes in a value with references followed; those whose target cannot be found are left out."""
    for key, inner in items_of(value):
        yield from nodes_below(inner, f"{at}.{key}".lstrip("."), targets)
    node = node_at(value, at, targets)
    if node is not None:
        yield node


def node_at(value: Any, at: str, targets: Targets) -> NodeAt | None:
    """Return a value as a node; None if it is none."""
    if not is_node(value):
        return None
    try:
        function = targets.locate(value[TARGET])
    except RecipeError:
        return None
    defaults = {}
    for name, argument in signature(function).arguments.items():
        if not argument.required:
            defaults[name] = argument.default
    return NodeAt(at, home_name(function), defaults | value)


def agreement_problems(resolved: Mapping[str, Any], targets: Targets) -> list[tuple[str, str]]:
    """Return the path of each number in the stages that does not fit another one, with the rest of a line about it.

    Args:
        resolved: Content of a recipe in which every argument has its type, references followed.
        targets: Finds the callables that the nodes name.
    """
    problems: list[tuple[str, str]] = []
    for node in nodes_below(resolved["stages"], "stages", targets):
        if node.home == LLAMA:
            problems += _head_problems(node)
        if node.home == MIXTURE:
            problems += _weight_problems(node)
        data = node_at(node.arguments.get("data"), f"{node.at}.data", targets)
        model = node_at(node.arguments.get("model"), f"{node.at}.model", targets)
        if model is not None and data is not None and model.home == LANGUAGE_MODEL:
            network = node_at(model.arguments["network"], f"{model.at}.network", targets)
            if network is not None and network.home == LLAMA and data.home in ROW_DATA:
                problems += _length_problems(network, data)
        if model is not None and data is not None and model.home == VOCODER and data.home == VOCODER_DATA:
            losses = node_at(model.arguments.get("losses"), f"{model.at}.losses", targets)
            problems += [] if losses is None else _window_problems(losses, data)
    return problems


def _head_problems(network: NodeAt) -> list[tuple[str, str]]:
    width = network.arguments["hidden_size"]
    heads = network.arguments["num_heads"]
    groups = network.arguments["num_key_value_heads"] or heads
    if width % heads or width // heads % 2:
        problem = (
            f"={heads}: hidden_size {width} is not an even multiple of it, as rotary positions need; change either"
        )
        return [(f"{network.at}.num_heads", problem)]
    if heads % groups:
        return [(f"{network.at}.num_key_value_heads", f"={groups}: want a number that divides num_heads {heads}")]
    return []


def _weight_problems(data: NodeAt) -> list[tuple[str, str]]:
    weights = data.arguments["weights"]
    streams = data.arguments["streams"]
    if weights.keys() != streams.keys():
        return [(f"{data.at}.weights", f": {sorted(weights)} are not the names of the streams, {sorted(streams)}")]
    if not any(weights.values()):
        return [(f"{data.at}.weights", ": all are 0; want at least one above 0")]
    return []


def _length_problems(network: NodeAt, data: NodeAt) -> list[tuple[str, str]]:
    positions = network.arguments["max_positions"]
    length = data.arguments["sequence_length"]
    if positions >= length:
        return []
    problem = f"={positions}: shorter than the rows of {data.at}, sequence_length {length}; want at least {length}"
    return [(f"{network.at}.max_positions", problem)]


def _window_problems(losses: NodeAt, data: NodeAt) -> list[tuple[str, str]]:
    rate = max(data.arguments["rates"].values())
    samples = round(data.arguments["segment_units"] * data.arguments["sample_rate"] / rate)
    problems = []
    for index, window in enumerate(losses.arguments["mel_windows"]):
        if window > samples:
            problem = (
                f"={window}: longer than the {samples:,} samples of a segment of {data.at}; want at most {samples}"
            )
            problems.append((f"{losses.at}.mel_windows.{index}", problem))
    return problems
