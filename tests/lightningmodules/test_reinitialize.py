import torch
from torch import nn

from lightningmodules.reinitialize import redraw


def test_layers_are_drawn_anew_and_zeros_stay():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4), nn.Conv1d(4, 4, 3), nn.GroupNorm(1, 4))
    nn.init.zeros_(network[1].weight)
    before, state = [weight.clone() for weight in network.parameters()], torch.get_rng_state()
    redraw(network, 1)
    first = [weight.clone() for weight in network.parameters()]
    assert (
        not torch.equal(before[0], first[0])
        and not network[1].weight.any()
        and torch.equal(state, torch.get_rng_state())
    )
    redraw(network, 2)
    assert not torch.equal(first[0], network[0].weight)
    redraw(network, 1)
    assert all(torch.equal(one, other) for one, other in zip(first, network.parameters(), strict=True))
