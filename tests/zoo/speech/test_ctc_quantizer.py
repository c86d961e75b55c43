from itertools import pairwise, product

import pytest
import torch

from zoo.speech.ctc_quantizer import ContextCTCQuantizer, CTCQuantizer, replace_blanks, spiritlm_widths

BLANK = 9  # the blank


def by_rolling(units, blank):
    """The definition: until none is left, each blank takes the value one place to its left, around the end of the row."""
    for _ in range(len(units)):
        units = [units[i - 1] if unit == blank else unit for i, unit in enumerate(units)]
    return units


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "units, expected",
    [
        ([1], [1]),
        ([BLANK], [BLANK]),
        ([BLANK, BLANK], [BLANK, BLANK]),
        ([1, BLANK], [1, 1]),
        ([BLANK, 1], [1, 1]),
        ([1, BLANK, BLANK, BLANK, 2], [1, 1, 1, 1, 2]),
        ([BLANK, BLANK, 3, BLANK, BLANK], [3] * 5),
        ([BLANK, 1, 2, BLANK], [2, 1, 2, 2]),
        ([], []),
    ],
)
def test_blanks_are_replaced_by_the_unit_before_them_circularly(units, expected):
    assert (
        replace_blanks(torch.tensor(units, dtype=torch.int64), BLANK).tolist() == expected == by_rolling(units, BLANK)
    )


def test_replace_blanks_equals_rolling_on_random_rows():
    rows = torch.randint(6, BLANK + 1, (200, 7), generator=torch.Generator().manual_seed(0))
    rows[torch.rand(rows.shape, generator=torch.Generator().manual_seed(1)) < 0.6] = BLANK
    assert (rows == BLANK).all(1).any() and (rows[:, 0] == BLANK).any()
    assert replace_blanks(rows, BLANK).tolist() == [by_rolling(row, BLANK) for row in rows.tolist()]


def test_batch_and_single_units_are_equal():
    torch.manual_seed(0)
    quantizer, batch = CTCQuantizer([5, 7, 4]), features(6, 20, 5)
    quantizer.layers[-1].weight.data *= 10  # so that the bias does not decide
    quantizer.layers[-1].bias.data[-1] += 0.5  # many blanks
    argmax = quantizer.log_probs(batch).argmax(-1)
    assert 0.2 < (argmax == quantizer.size).float().mean() < 0.95
    for row, together in zip(batch, quantizer(batch), strict=True):
        assert quantizer(row).tolist() == together.tolist()


def test_log_probs_are_linear_layers_with_leaky_relu():
    torch.manual_seed(0)
    quantizer, x = CTCQuantizer([5, 7, 6, 4]), features(2, 3, 5)
    first, second, last = (quantizer.layers[i] for i in (0, 2, 4))
    expected = last(
        torch.nn.functional.leaky_relu(second(torch.nn.functional.leaky_relu(first(x), 0.01)), 0.01)
    ).log_softmax(-1)
    torch.testing.assert_close(quantizer.log_probs(x), expected)
    assert (quantizer.size, quantizer.stream_size) == (3, 4) and set(quantizer.state_dict()) == {
        f"layers.{i}.{name}" for i in (0, 2, 4) for name in ("weight", "bias")
    }


def test_utterance_of_blanks_stays_blank():
    quantizer = CTCQuantizer([5, 4])
    quantizer.layers[0].bias.data[-1] = 1e3
    assert quantizer(features(6, 5)).tolist() == [3] * 6


def test_ctc_quantizer_is_rebuilt_from_its_config():
    torch.manual_seed(0)
    quantizer = CTCQuantizer([5, 7, 4])
    rebuilt = CTCQuantizer(**quantizer.config())
    rebuilt.load_state_dict(quantizer.state_dict())
    assert torch.equal(rebuilt(features(9, 5)), quantizer(features(9, 5)))


@pytest.mark.parametrize(
    "dims, expected", [((768, 768, 500), [768, 702, 635, 501]), ((48, 48, 500), [48, 162, 275, 501])]
)
def test_spiritlm_widths(dims, expected):
    assert spiritlm_widths(*dims) == expected


def context_quantizer(seed=0):
    torch.manual_seed(seed)
    return ContextCTCQuantizer(5, [9, 4], context_dim=12, num_blocks=2, kernel_frames=3).eval()


def test_log_probs_do_not_depend_on_padding():
    quantizer, lengths = context_quantizer(), torch.tensor([9, 20, 1])
    batch = features(3, 20, 5)  # whatever stands beyond the end
    scores = quantizer.log_probs(batch, lengths)
    for row, length, actual in zip(batch, lengths, scores, strict=True):
        torch.testing.assert_close(actual[:length], quantizer.log_probs(row[None, :length])[0], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(quantizer.log_probs(batch)[0, 8], scores[0, 8], atol=1e-3)


def test_receptive_field_is_as_documented_beside_the_statistics():
    quantizer, x = context_quantizer(), features(1, 15, 5)
    changed = x.clone()
    changed[0, 7] += 1.0

    def changed_frames():
        return (
            ((quantizer.log_probs(x) - quantizer.log_probs(changed)).abs().sum(-1)[0] > 1e-6)
            .nonzero()
            .flatten()
            .tolist()
        )

    assert changed_frames() == list(range(15))
    for block in quantizer.blocks:
        torch.nn.init.zeros_(block.statistics.weight)
    assert changed_frames() == [5, 6, 7, 8, 9]


def test_context_quantizer_is_rebuilt_from_its_config():
    quantizer = context_quantizer()
    rebuilt = ContextCTCQuantizer(**quantizer.config()).eval()
    rebuilt.load_state_dict(quantizer.state_dict())
    assert torch.equal(rebuilt(features(9, 5)), quantizer(features(9, 5))) and (
        quantizer.dim,
        quantizer.size,
        quantizer.stream_size,
    ) == (5, 3, 4)
    with pytest.raises(ValueError, match="kernel_frames must be odd"):
        ContextCTCQuantizer(5, [4], kernel_frames=4)


@pytest.mark.parametrize("widths", [[5], [5, 1], [5, 0, 4], []])
def test_invalid_widths_are_an_error(widths):
    with pytest.raises(ValueError, match="widths .*: want the width of the features first and units [+] 1 last"):
        CTCQuantizer(widths)


@pytest.mark.parametrize("penalty", [0.5, 2.0])
def test_switch_penalty_gives_the_most_likely_penalized_sequence(penalty):
    quantizer = CTCQuantizer([5, 4], switch_penalty=penalty)
    scores = (features(1, 5, 4) * 2).log_softmax(-1)
    without_blank = scores[0, :, :3].log_softmax(-1)

    def cost(units):
        changes = sum(unit != following for unit, following in pairwise(units))
        return penalty * changes - sum(without_blank[t, unit].item() for t, unit in enumerate(units))

    assert quantizer.decode(scores)[0].tolist() == list(min(product(range(3), repeat=5), key=cost))


def test_high_penalty_leaves_one_unit_and_negative_penalty_is_an_error():
    quantizer = ContextCTCQuantizer(5, [4], context_dim=8, switch_penalty=1e6).eval()
    assert len(quantizer(features(20, 5)).unique()) == 1
    assert ContextCTCQuantizer(**quantizer.config()).switch_penalty == 1e6
    with pytest.raises(ValueError, match="switch_penalty must not be negative"):
        CTCQuantizer([5, 4], switch_penalty=-1.0)
