"""The expression in which fairseq describes the convolutions of a feature extractor, read without evaluating it."""

import ast
from typing import NamedTuple

MAX_CONV_LAYERS = 64
MAX_SHOWN = 80  # characters of an expression in an error message


class ConvLayer(NamedTuple):
    """A convolution; a tuple as in fairseq.

    Args:
        channels: Number of output channels.
        kernel: Kernel size in samples or frames.
        stride: Stride in samples or frames.
    """

    channels: int
    kernel: int
    stride: int


def conv_layers(expression: object) -> list[ConvLayer]:
    """Return the layers that an expression such as ``[(512, 10, 5)] + [(512, 3, 2)] * 4`` describes.

    Args:
        expression: Expression as a string; anything else that a file may hold is rejected.

    Raises:
        ValueError: The expression is not made of lists of three positive integers, joined by ``+`` and ``* n``, or
            describes no layers or more than 64.
    """
    try:
        layers = _parse_layers(ast.parse(str(expression).strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{str(expression)[:MAX_SHOWN]!r} is no list of layers") from error
    if not layers:
        raise ValueError(f"{str(expression)[:MAX_SHOWN]!r} has no layers")
    return layers


def _parse_layers(node: ast.expr) -> list[ConvLayer]:
    """Return the layers of a list, a sum of lists, or a list times a constant on either side."""
    if isinstance(node, ast.List):
        return [_parse_layer(element) for element in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        layers = _parse_layers(node.left) + _parse_layers(node.right)
        _check_length(len(layers), node)
        return layers
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if isinstance(node.right, ast.Constant):
            repeated = node.left
            factor = node.right
        else:
            repeated = node.right
            factor = node.left
        layers = _parse_layers(repeated)
        if isinstance(factor, ast.Constant) and type(factor.value) is int and 0 <= factor.value <= MAX_CONV_LAYERS:
            _check_length(len(layers) * factor.value, node)  # before the list is built
            return layers * factor.value
    raise ValueError(f"{ast.unparse(node)[:MAX_SHOWN]!r} is no list of layers such as [(512, 3, 2)] * 4")


def _check_length(num_layers: int, node: ast.expr) -> None:
    if num_layers > MAX_CONV_LAYERS:
        raise ValueError(f"{ast.unparse(node)[:MAX_SHOWN]!r} has more than {MAX_CONV_LAYERS} layers")


def _parse_layer(node: ast.expr) -> ConvLayer:
    """Return the layer of a tuple or list of three positive integers."""
    elements = node.elts if isinstance(node, (ast.Tuple, ast.List)) else []
    numbers: list[int] = []
    for element in elements:
        # The exact type: True is an instance of int.
        if isinstance(element, ast.Constant) and type(element.value) is int and element.value > 0:
            numbers.append(element.value)
    if len(numbers) != 3 or len(elements) != 3:
        raise ValueError(f"{ast.unparse(node)[:MAX_SHOWN]!r} is not (channels, kernel, stride)")
    return ConvLayer(*numbers)
