import torch

from zoo.seeds import seeded


def test_block_is_seeded_and_outer_generator_is_restored():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    before = torch.rand(2)
    with seeded(7):
        seeded_draw = torch.rand(3)
    assert torch.equal(torch.cat([before, torch.rand(2)]), expected)
    with seeded(7, torch.device("meta")):
        assert torch.equal(torch.rand(3), seeded_draw)
