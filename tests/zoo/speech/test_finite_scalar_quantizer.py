import pytest
import torch

from zoo.speech.finite_scalar_quantizer import FiniteScalarQuantizer

LEVELS = [5, 4, 3]


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    return FiniteScalarQuantizer(LEVELS, 8)


def test_units_and_combinations_of_levels_are_one_to_one(quantizer):
    units = torch.arange(quantizer.size)
    levels = quantizer.levels_of(units)
    assert quantizer.size == 60 and len(levels.unique(dim=0)) == 60
    assert quantizer.indices(levels).tolist() == units.tolist()


def test_bounded_numbers_round_to_all_levels_and_no_others(quantizer):
    values = torch.linspace(-20, 20, 4001)[:, None].expand(-1, 3)
    rounded = quantizer.bound(values).round()
    for number, count in enumerate(LEVELS):
        expected = [level - count // 2 for level in range(count)]
        assert rounded[:, number].unique().tolist() == expected
    # As Mentzer et al. demand, 0 is a fixed point, for odd and even numbers of levels.
    torch.testing.assert_close(quantizer.bound(torch.zeros(3)), torch.zeros(3), atol=1e-6, rtol=0)


def test_the_gradient_is_that_of_the_numbers_before_rounding(quantizer):
    rows = torch.randn(7, 8, requires_grad=True)
    quantizer(rows).codes.sum().backward()
    gradient, rows.grad = rows.grad, None
    quantizer.project_out(quantizer.bound(quantizer.project_in(rows)) / (quantizer.num_levels // 2)).sum().backward()
    torch.testing.assert_close(gradient, rows.grad)


def test_principal_components_spread_the_latents_over_the_units(quantizer):
    rows = torch.randn(3000, 8) @ torch.diag(torch.tensor([9.0, 5, 4, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert not quantizer.is_initialized
    quantizer.initialize(rows, 100.0, seed=0)
    result = quantizer(rows)
    assert quantizer.is_initialized and len(result.units.unique()) > 50
    assert (result.codes - rows).square().mean() < 0.3 * rows.square().mean()
    assert torch.equal(quantizer.units(rows), result.units)
    assert torch.equal(quantizer.log_probs(rows).argmax(-1), result.units)


@pytest.mark.parametrize("levels", [[], [1, 5], [2] * 9])
def test_impossible_levels_are_errors(levels):
    with pytest.raises(ValueError, match="levels"):
        FiniteScalarQuantizer(levels, 8)
