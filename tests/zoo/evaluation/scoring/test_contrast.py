from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from tests.toy_tokens import WORDS, tiny_network, words_vocabulary
from zoo.evaluation.scoring import contrast
from zoo.evaluation.scoring.contrast import make_candidate, measure_accuracies, measure_accuracy
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.unigram_baseline import UnigramModel
from zoo.evaluation.suites.contrast_suite import Contrast
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, TextAndSpeech

VOCABULARY = words_vocabulary()
BOS, T, S, FIRST = VOCABULARY.bos, VOCABULARY.text_marker, VOCABULARY.speech_marker, VOCABULARY.first_unit


def both(*words):
    return TextAndSpeech(
        np.array(VOCABULARY.text.encode(" ".join(words))), np.array([FIRST + WORDS.index(w) for w in words])
    )


class Table(torch.nn.Module):
    """Scores a token by itself, whatever comes before."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.nn.Parameter(scores)

        self.config = LlamaConfig(vocab_size=len(scores), max_position_embeddings=100)

    def get_decoder(self):
        return self

    def forward(self, input_ids, attention_mask, position_ids, logits_to_keep, use_cache):
        return SimpleNamespace(logits=self.scores.expand(len(input_ids), len(logits_to_keep), -1))


@pytest.mark.parametrize(
    "direction, prompt",
    [
        ("T->T", [BOS, T, *both("anna").text]),
        ("S->S", [BOS, S, *both("anna").speech]),
        ("S->T", [BOS, S, *both("anna").speech, T]),
        ("T->S", [BOS, T, *both("anna").text, S]),
    ],
)
def test_the_marker_of_a_new_modality_belongs_to_the_prompt(direction, prompt):
    candidate = make_candidate(VOCABULARY, both("anna"), both("tom", "vera"), direction)
    assert candidate.prompt.tolist() == prompt
    assert (
        candidate.continuation.tolist()
        == getattr(both("tom", "vera"), {"T": "text", "S": "speech"}[direction[-1]]).tolist()
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_equal_continuations_are_ties_and_count_one_half(direction):
    items = [
        Contrast(both("anna"), both("tom"), (both("tom"),)),
        Contrast(both("ben"), both("vera", "tom"), (both("vera", "tom"),)),
    ]
    accuracy = measure_accuracy(tiny_network(VOCABULARY).eval(), VOCABULARY, items, direction)
    assert accuracy.per_token.value == accuracy.total.value == 0.5


def test_worked_by_hand():
    """Unit probabilities: anna 1/2, tom 1/4, vera 1/8; per token a longer continuation may win that loses by sum."""
    scores = torch.full((VOCABULARY.num_rows,), -30.0)
    for word, share in (("anna", 1 / 2), ("tom", 1 / 4), ("vera", 1 / 8), ("ben", 1 / 8)):
        scores[FIRST + WORDS.index(word)] = np.log(share)
    items = [
        Contrast(both("ben"), both("anna"), (both("tom"),)),  # wins in both ways
        Contrast(both("ben"), both("vera"), (both("tom"),)),  # loses in both ways
        Contrast(
            both("ben"), both("tom", "anna"), (both("tom"),)
        ),  # -1.04 against -1.39 a token; -2.08 against -1.39 by sum
        Contrast(both("ben"), both("vera"), (both("ben"),)),
    ]  # a tie
    accuracy = measure_accuracy(Table(scores), VOCABULARY, items, "S->S")
    assert accuracy.per_token.value == (1 + 0 + 1 + 0.5) / 4 and accuracy.total.value == (1 + 0 + 0 + 0.5) / 4
    report = accuracy.report()
    assert (
        report["accuracy"] == 0.625
        and report["by_sum"]["accuracy"] == 0.375
        and report["n"] == report["by_sum"]["n"] == 4
    )


class Conditional:
    """Scores a continuation by its tokens, of which tom is likely after any prompt, plus what the prompt adds to it."""

    def __init__(self, bonus):
        self.bonus = bonus

    def __call__(self, candidates):
        unit = {name: FIRST + WORDS.index(name) for name in ("anna", "tom", "vera")}
        sums = []
        for candidate in candidates:
            total = sum(-1.0 if token == unit["tom"] else -5.0 for token in candidate.continuation)
            follows = unit["anna"] in candidate.prompt and unit["vera"] in candidate.continuation
            sums.append(total + self.bonus * follows)
        return np.array(sums)


def test_mutual_information_takes_out_what_is_likely_after_any_prompt():
    items = [Contrast(both("anna"), both("vera"), (both("tom"),))]
    accuracy = measure_accuracies(Conditional(bonus=2.0), VOCABULARY, items, ["S->S"])["S->S"]
    assert accuracy.per_token.value == accuracy.total.value == 0  # tom wins by -1 against -5 + 2
    assert accuracy.mutual_information is not None and accuracy.mutual_information.value == 1  # 0 against 2
    assert accuracy.report()["by_pmi"]["accuracy"] == 1
    swapped = [Contrast(both("anna"), both("tom"), (both("vera"),))]
    accuracy = measure_accuracies(Conditional(bonus=2.0), VOCABULARY, swapped, ["S->S"])["S->S"]
    assert accuracy.total.value == 1 and accuracy.mutual_information_hits.tolist() == [0]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_mutual_information_is_that_of_two_scores_of_a_network(direction):
    network = tiny_network(VOCABULARY).eval()
    item = Contrast(both("anna", "ben"), both("tom", "vera"), (both("vera"), both("anna")))
    target = direction[-1]
    differences = []
    for choice in item.choices:
        pair = [
            make_candidate(VOCABULARY, item.prompt, choice, direction),
            make_candidate(VOCABULARY, None, choice, f"{target}->{target}"),
        ]
        given, alone = log_likelihoods(network, pair)
        differences.append(given - alone)
    accuracy = measure_accuracy(network, VOCABULARY, [item], direction)
    assert accuracy.mutual_information_hits.tolist() == [float(np.argmax(differences) == 0)]


def test_items_without_a_prompt_have_no_mutual_information():
    items = [Contrast(None, both("tom"), (both("vera"),)), Contrast(both("anna"), both("tom"), (both("vera"),))]
    network = tiny_network(VOCABULARY).eval()
    accuracy = measure_accuracies(partial(log_likelihoods, network), VOCABULARY, items[:1], ["S->S"])["S->S"]
    assert accuracy.mutual_information is None and "by_pmi" not in accuracy.report()
    assert accuracy.per_token.n == 1


def test_a_model_that_ignores_the_prompt_has_chance_by_mutual_information():
    items = [Contrast(both("anna"), both("tom"), (both("vera"),)), Contrast(both("ben"), both("vera"), (both("tom"),))]
    unigram = UnigramModel.from_contrasts(VOCABULARY, items)
    for accuracy in measure_accuracies(unigram, VOCABULARY, items).values():
        assert accuracy.mutual_information is not None and accuracy.mutual_information.value == 0.5


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_shuffled_labels_are_chance(direction):
    draw = np.random.default_rng(0)
    items = []
    for _ in range(300):
        words = draw.permutation(WORDS)
        items.append(Contrast(both(*words[:3]), both(*words[3:5]), (both(*words[5:7]),)))
    estimate = measure_accuracy(tiny_network(VOCABULARY).eval(), VOCABULARY, items, direction).per_token
    assert estimate.low < 0.5 < estimate.high and estimate.n == 300
    swapped = [Contrast(item.prompt, item.wrong[0], (item.right,)) for item in items]
    assert measure_accuracy(
        tiny_network(VOCABULARY).eval(), VOCABULARY, swapped, direction
    ).per_token.value == pytest.approx(1 - estimate.value)


@pytest.mark.parametrize(
    "scores, share",
    [
        ((-1, -2), 1),
        ((-3, -3), 0.5),
        ((-5, -4), 0),
        ((-1, -2, -3, -4), 1),
        ((-1, -1, -1, -4), 1 / 3),
        ((-2, -1, -1, -3), 0),
        ((-2, -2, -2, -2), 0.25),
    ],
)
def test_the_likeliest_share_the_win(scores, share):
    assert contrast._hit_share(np.array(scores)) == share


def four_way(count, seed=0):
    draw, items = np.random.default_rng(seed), []
    for number in range(count):
        words = draw.permutation(WORDS)
        items.append(
            Contrast(
                both(*words[:3]), both(*words[3:5]), tuple(both(*words[k : k + 2]) for k in (5, 7, 9)), f"g{number % 2}"
            )
        )
    return items


def test_four_ways_at_random_are_a_quarter_and_directions_together_are_those_apart():
    network, items = tiny_network(VOCABULARY).eval(), four_way(200)
    together = measure_accuracies(partial(log_likelihoods, network), VOCABULARY, items)
    assert list(together) == list(DIRECTIONS)
    for direction, accuracy in together.items():
        assert accuracy.chance == 0.25 and accuracy.per_token.low < 0.25 < accuracy.per_token.high
        assert accuracy.per_token == measure_accuracy(network, VOCABULARY, items, direction).per_token
        assert np.mean([estimate.value for estimate in accuracy.groups.values()]) == pytest.approx(
            accuracy.per_token.value
        )
        assert accuracy.report()["chance"] == 0.25 and set(accuracy.report()["groups"]) == {"g0", "g1"}


def test_items_support_the_directions_they_have_content_for():
    word = [Contrast(None, both("anna"), (both("tom"),))]
    text = [Contrast(TextAndSpeech(both("ben").text, None), both("anna"), (both("tom"),))]
    silent = [Contrast(both("ben"), TextAndSpeech(both("anna").text, None), (both("tom"),))]
    score = partial(log_likelihoods, tiny_network(VOCABULARY).eval())
    directions = [list(measure_accuracies(score, VOCABULARY, items)) for items in (word, text, silent)]
    assert directions == [["T->T", "S->S"], ["T->T", "T->S"], ["T->T", "S->T"]]
    with pytest.raises(ValueError, match="none of 1 items has the content that S->T needs"):
        measure_accuracy(tiny_network(VOCABULARY), VOCABULARY, word, "S->T")
    assert make_candidate(VOCABULARY, None, both("anna"), "S->S").prompt.tolist() == [BOS, S]


def test_a_unigram_model_counts_text_and_speech_apart():
    unigram = UnigramModel.from_sequences(VOCABULARY, [both("anna", "anna", "tom").speech, both("vera").text])
    items = [
        Contrast(both("ben"), both("anna"), (both("tom"),)),
        Contrast(both("ben"), both("vera"), (both("tom"),)),
        Contrast(both("ben"), both("vera"), (both("ida"),)),
    ]
    accuracy = measure_accuracies(unigram, VOCABULARY, items, ("S->S",))["S->S"]
    assert accuracy.hits.tolist() == [1, 0, 0.5]
    shares = np.exp(unigram.log_frequencies)
    assert shares[: VOCABULARY.num_text].sum() == pytest.approx(1) == shares[FIRST : len(VOCABULARY)].sum()
    assert shares[FIRST + WORDS.index("anna")] == pytest.approx(3 / (3 + len(WORDS)))
