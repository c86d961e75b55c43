"""Other initial weights for a network that is there."""

from torch import nn

from zoo.seeds import seeded


def redraw(network: nn.Module, seed: int) -> None:
    """Draw the initial weights of every layer again, in place; what begins at zero stays there.

    Args:
        network: Of layers with ``reset_parameters``, as PyTorch's are; anything else in it keeps its values.
        seed: Of the draw; the state of torch's generator is left as it was.
    """
    with seeded(seed, next((weight.device for weight in network.parameters()), "cpu")):
        for layer in network.modules():
            if callable(getattr(layer, "reset_parameters", None)):
                zeros = [weight for weight in layer.parameters(recurse=False) if not weight.any()]
                layer.reset_parameters()
                for weight in zeros:
                    nn.init.zeros_(weight)
