from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.toy_tokens import WORDS, tiny_network, words_vocabulary
from zoo.evaluation import contrast, likelihood
from zoo.evaluation.contrast import DIRECTIONS, Both, Contrast, accuracy, candidate

VOCABULARY = words_vocabulary()
BOS, T, S, FIRST = VOCABULARY.bos, VOCABULARY.text_marker, VOCABULARY.speech_marker, VOCABULARY.first_unit


def both(*words):
    return Both(np.array(VOCABULARY.text.encode(" ".join(words))), np.array([FIRST + WORDS.index(w) for w in words]))


class Table(torch.nn.Module):
    """Scores a token by itself, whatever comes before."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.nn.Parameter(scores)

    def forward(self, input_ids):
        return SimpleNamespace(logits=self.scores.expand(*input_ids.shape, -1))


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(likelihood, "autocast_dtype", lambda: None)


@pytest.mark.parametrize("direction, prompt", [
    ("T->T", [BOS, T, *both("anna").text]), ("S->S", [BOS, S, *both("anna").speech]),
    ("S->T", [BOS, S, *both("anna").speech, T]), ("T->S", [BOS, T, *both("anna").text, S])])
def test_the_marker_of_a_new_modality_belongs_to_the_prompt(direction, prompt):
    found = candidate(VOCABULARY, both("anna"), both("tom", "vera"), direction)
    assert found.prompt.tolist() == prompt
    assert found.continuation.tolist() == getattr(both("tom", "vera"), {"T": "text", "S": "speech"}[direction[-1]]).tolist()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_equal_continuations_are_ties_and_count_one_half(direction):
    items = [Contrast(both("anna"), both("tom"), both("tom")), Contrast(both("ben"), both("vera", "tom"), both("vera", "tom"))]
    found = accuracy(tiny_network(VOCABULARY).eval(), VOCABULARY, items, direction)
    assert found.per_token.value == found.total.value == 0.5


def test_worked_by_hand():
    """Unit probabilities: anna 1/2, tom 1/4, vera 1/8; per token a longer continuation may win that loses by sum."""
    scores = torch.full((VOCABULARY.num_rows,), -30.0)
    for word, share in (("anna", 1 / 2), ("tom", 1 / 4), ("vera", 1 / 8), ("ben", 1 / 8)):
        scores[FIRST + WORDS.index(word)] = np.log(share)
    items = [Contrast(both("ben"), both("anna"), both("tom")),           # wins in both ways
             Contrast(both("ben"), both("vera"), both("tom")),           # loses in both ways
             Contrast(both("ben"), both("tom", "anna"), both("tom")),    # -1.04 against -1.39 a token; -2.08 against -1.39 by sum
             Contrast(both("ben"), both("vera"), both("ben"))]           # a tie
    found = accuracy(Table(scores), VOCABULARY, items, "S->S")
    assert found.per_token.value == (1 + 0 + 1 + 0.5) / 4 and found.total.value == (1 + 0 + 0 + 0.5) / 4
    report = found.report()
    assert report["accuracy"] == 0.625 and report["by_sum"]["accuracy"] == 0.375 and report["n"] == report["by_sum"]["n"] == 4


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_shuffled_labels_are_chance(direction):
    draw = np.random.default_rng(0)
    items = []
    for _ in range(300):
        words = draw.permutation(WORDS)
        items.append(Contrast(both(*words[:3]), both(*words[3:5]), both(*words[5:7])))
    found = accuracy(tiny_network(VOCABULARY).eval(), VOCABULARY, items, direction).per_token
    assert found.low < 0.5 < found.high and found.n == 300
    swapped = [Contrast(item.prompt, item.wrong, item.right) for item in items]
    assert accuracy(tiny_network(VOCABULARY).eval(), VOCABULARY, swapped, direction).per_token.value == pytest.approx(1 - found.value)


def test_wins_are_counted_in_pairs():
    assert contrast._wins(np.array([-1.0, -2.0, -3.0, -3.0, -5.0, -4.0])).tolist() == [1.0, 0.5, 0.0]
