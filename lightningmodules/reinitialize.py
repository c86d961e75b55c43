"""Reinitialization of the weights of a network."""

from torch import nn

from zoo.seeds import seeded


def redraw(network: nn.Module, seed: int) -> None:
    """Draw the initial weights of every layer again, in place; weights that are all zero stay zero.

    Args:
        network: Network to reinitialize. Only layers with a method ``reset_parameters``, as in PyTorch, are changed.
        seed: Seed of the draw; the state of torch's generator is restored afterwards.
    """
    device = next((weight.device for weight in network.parameters()), "cpu")
    with seeded(seed, device):
        for layer in network.modules():
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                zeros = [weight for weight in layer.parameters(recurse=False) if not weight.any()]
                reset()
                for weight in zeros:
                    nn.init.zeros_(weight)
