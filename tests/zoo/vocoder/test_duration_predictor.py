import pytest
import torch

from zoo.vocoder.duration_predictor import DurationPredictor, repeat_units
from zoo.vocoder.losses import duration_loss


def test_every_unit_lasts_at_least_one_frame():
    frames = DurationPredictor(dim=8).eval().frames(torch.randn(2, 5, 8))
    assert frames.shape == (2, 5) and frames.dtype == torch.int64 and frames.min() >= 1


@pytest.mark.parametrize("frames, whole", [(-0.5, 1), (0.2, 1), (2.4, 2), (2.6, 3), (7.4, 7)])
def test_frames_are_the_nearest_whole_number(frames, whole):
    predictor = DurationPredictor(dim=2).eval()
    torch.nn.init.zeros_(predictor.out.weight)
    torch.nn.init.constant_(predictor.out.bias, torch.tensor(frames).log1p().item())
    assert predictor.frames(torch.zeros(1, 1, 2)).item() == whole


def test_even_kernel_is_refused():
    with pytest.raises(ValueError, match="odd"):
        DurationPredictor(dim=8, kernel_size=4)


def test_what_lies_outside_the_mask_has_no_influence():
    predictor, x = DurationPredictor(dim=8).eval(), torch.randn(1, 6, 8)
    mask = torch.arange(6).unsqueeze(0) < 4
    assert torch.allclose(predictor(x, mask)[:, :4], predictor(x[:, :4]), atol=1e-6)


def test_the_first_and_the_last_run_do_not_count():
    frames = torch.tensor([[9, 2, 3, 9], [9, 4, 9, 0]])
    predicted = frames.float().log1p()
    outer = predicted + torch.tensor([[5.0, 0, 0, 5.0], [5.0, 0, 5.0, 5.0]])
    assert duration_loss(outer, frames) == 0
    inner = predicted + torch.tensor([[0, 1.0, 0, 0], [0, 2.0, 0, 0]])
    assert duration_loss(inner, frames).item() == pytest.approx((1 + 4) / 3)


def test_runs_that_are_all_outer_cost_nothing():
    assert duration_loss(torch.ones(1, 2), torch.tensor([[3, 4]])) == 0


def test_the_units_of_every_stream_are_repeated_by_the_durations():
    units = {"Hu": torch.tensor([5, 6, 5]), "Pi": torch.tensor([1, 1, 2])}
    frames = repeat_units(units, torch.tensor([2, 1, 3]))
    assert frames["Hu"].tolist() == [5, 5, 6, 5, 5, 5] and frames["Pi"].tolist() == [1, 1, 1, 2, 2, 2]
