from itertools import product

import pytest
import torch

from zoo.speech.ctc_quantizer import ContextCTCQuantizer, CTCQuantizer, replace_blanks, spiritlm_widths

B = 9  # the blank


def by_rolling(units, blank):
    """The definition: until none is left, each blank takes the value one place to its left, around the end of the row."""
    for _ in range(len(units)):
        units = [units[i - 1] if unit == blank else unit for i, unit in enumerate(units)]
    return units


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "units, want",
    [
        ([1], [1]),
        ([B], [B]),
        ([B, B], [B, B]),
        ([1, B], [1, 1]),
        ([B, 1], [1, 1]),
        ([1, B, B, B, 2], [1, 1, 1, 1, 2]),
        ([B, B, 3, B, B], [3] * 5),
        ([B, 1, 2, B], [2, 1, 2, 2]),
        ([], []),
    ],
)
def test_blanks_take_the_unit_to_their_left_around_the_end(units, want):
    assert replace_blanks(torch.tensor(units, dtype=torch.int64), B).tolist() == want == by_rolling(units, B)


def test_replacing_blanks_equals_rolling_on_random_rows_and_rows_do_not_leak():
    rows = torch.randint(6, B + 1, (200, 7), generator=torch.Generator().manual_seed(0))
    rows[torch.rand(rows.shape, generator=torch.Generator().manual_seed(1)) < 0.6] = B
    assert (rows == B).all(1).any() and (rows[:, 0] == B).any()
    assert replace_blanks(rows, B).tolist() == [by_rolling(row, B) for row in rows.tolist()]


def test_units_of_a_batch_are_those_of_each_row_alone():
    torch.manual_seed(0)
    quantizer, batch = CTCQuantizer([5, 7, 4]), features(6, 20, 5)
    quantizer.layers[-1].weight.data *= 10  # so that the bias does not decide
    quantizer.layers[-1].bias.data[-1] += 0.5  # many blanks
    best = quantizer.log_probs(batch).argmax(-1)
    assert 0.2 < (best == quantizer.size).float().mean() < 0.95
    for row, together in zip(batch, quantizer(batch)):
        assert quantizer(row).tolist() == together.tolist()


def test_the_scores_are_the_linear_layers_with_leaky_relu_between():
    torch.manual_seed(0)
    quantizer, x = CTCQuantizer([5, 7, 6, 4]), features(2, 3, 5)
    first, second, last = (quantizer.layers[i] for i in (0, 2, 4))
    want = last(
        torch.nn.functional.leaky_relu(second(torch.nn.functional.leaky_relu(first(x), 0.01)), 0.01)
    ).log_softmax(-1)
    torch.testing.assert_close(quantizer.log_probs(x), want)
    assert (quantizer.size, quantizer.stream_size) == (3, 4) and set(quantizer.state_dict()) == {
        f"layers.{i}.{name}" for i in (0, 2, 4) for name in ("weight", "bias")
    }


def test_frames_without_any_unit_stay_at_the_blank():
    quantizer = CTCQuantizer([5, 4])
    quantizer.layers[0].bias.data[-1] = 1e3
    assert quantizer(features(6, 5)).tolist() == [3] * 6


def test_it_is_made_again_from_its_configuration():
    torch.manual_seed(0)
    quantizer = CTCQuantizer([5, 7, 4])
    again = CTCQuantizer(**quantizer.config())
    again.load_state_dict(quantizer.state_dict())
    assert torch.equal(again(features(9, 5)), quantizer(features(9, 5)))


@pytest.mark.parametrize("dims, want", [((768, 768, 500), [768, 702, 635, 501]), ((48, 48, 500), [48, 162, 275, 501])])
def test_widths_of_spirit_lm(dims, want):
    assert spiritlm_widths(*dims) == want


def contextual(seed=0):
    torch.manual_seed(seed)
    return ContextCTCQuantizer(5, [9, 4], context_dim=12, num_blocks=2, kernel_frames=3).eval()


def test_padding_does_not_leak_into_rows_and_lengths_need_not_be_told_without_it():
    quantizer, lengths = contextual(), torch.tensor([9, 20, 1])
    batch = features(3, 20, 5)  # whatever stands beyond the end
    scores = quantizer.log_probs(batch, lengths)
    for row, length, found in zip(batch, lengths, scores):
        torch.testing.assert_close(found[:length], quantizer.log_probs(row[None, :length])[0], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(quantizer.log_probs(batch)[0, 8], scores[0, 8], atol=1e-3)


def test_a_frame_sees_as_far_as_it_is_said_to_and_the_statistics_of_the_whole():
    quantizer, x = contextual(), features(1, 15, 5)
    changed = x.clone()
    changed[0, 7] += 1.0

    def moved():
        return (
            ((quantizer.log_probs(x) - quantizer.log_probs(changed)).abs().sum(-1)[0] > 1e-6)
            .nonzero()
            .flatten()
            .tolist()
        )

    assert moved() == list(range(15))
    for block in quantizer.blocks:
        torch.nn.init.zeros_(block.statistics.weight)
    assert moved() == [5, 6, 7, 8, 9]


def test_one_with_context_is_made_again_and_takes_the_features_width():
    quantizer = contextual()
    again = ContextCTCQuantizer(**quantizer.config()).eval()
    again.load_state_dict(quantizer.state_dict())
    assert torch.equal(again(features(9, 5)), quantizer(features(9, 5))) and (
        quantizer.dim,
        quantizer.size,
        quantizer.stream_size,
    ) == (5, 3, 4)
    with pytest.raises(ValueError, match="kernel_frames must be odd"):
        ContextCTCQuantizer(5, [4], kernel_frames=4)


@pytest.mark.parametrize("widths", [[5], [5, 1], [5, 0, 4], []])
def test_impossible_widths_are_an_error(widths):
    with pytest.raises(ValueError, match="widths .*: want the width of the features first and units [+] 1 last"):
        CTCQuantizer(widths)


@pytest.mark.parametrize("penalty", [0.5, 2.0])
def test_with_a_price_units_are_the_likeliest_sequence_that_pays_for_its_changes(penalty):
    quantizer = CTCQuantizer([5, 4], switch_penalty=penalty)
    scores = (features(1, 5, 4) * 2).log_softmax(-1)
    without_blank = scores[0, :, :3].log_softmax(-1)

    def cost(units):
        changes = sum(a != b for a, b in zip(units, units[1:]))
        return penalty * changes - sum(without_blank[t, unit].item() for t, unit in enumerate(units))

    assert quantizer.decode(scores)[0].tolist() == list(min(product(range(3), repeat=5), key=cost))


def test_a_high_price_leaves_one_unit_and_a_negative_one_is_an_error():
    quantizer = ContextCTCQuantizer(5, [4], context_dim=8, switch_penalty=1e6).eval()
    assert len(quantizer(features(20, 5)).unique()) == 1
    assert ContextCTCQuantizer(**quantizer.config()).switch_penalty == 1e6
    with pytest.raises(ValueError, match="switch_penalty must not be negative"):
        CTCQuantizer([5, 4], switch_penalty=-1.0)
