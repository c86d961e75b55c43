import torch

from zoo.seeds import seeded


def test_draws_begin_at_the_seed_and_others_go_on_as_if_there_had_been_none():
    torch.manual_seed(1)
    want = torch.rand(4)
    torch.manual_seed(1)
    first = torch.rand(2)
    with seeded(7):
        once = torch.rand(3)
    assert torch.equal(torch.cat([first, torch.rand(2)]), want)
    with seeded(7, torch.device("meta")):
        assert torch.equal(torch.rand(3), once)
