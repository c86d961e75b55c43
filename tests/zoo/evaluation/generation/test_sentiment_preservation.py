import numpy as np
import pytest
import torch

from tests.toy_tokens import WORDS, tiny_network, words_vocabulary
from zoo.evaluation.generation import sentiment_preservation as preservation
from zoo.evaluation.generation.official_stsp import draw_shots
from zoo.evaluation.generation.sentiment_preservation import (
    NEW_TOKENS,
    JudgedContinuation,
    judge_references,
    make_speech_judge,
    make_text_judge,
    measure_sentiment_preservation,
    sentiment_prompt,
)
from zoo.evaluation.judges.classifiers import WordsClassifier
from zoo.evaluation.suites.sentiment_suite import SENTIMENTS, SentimentItem
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, TextAndSpeech

VOCABULARY = words_vocabulary()
BOS, T, S, FIRST = VOCABULARY.bos, VOCABULARY.text_marker, VOCABULARY.speech_marker, VOCABULARY.first_unit


def both(words):
    return TextAndSpeech(
        np.array(VOCABULARY.text.encode(words)), np.array([FIRST + WORDS.index(word) for word in words.split()])
    )


def parts(words, modality):
    return both(words).ids(modality).tolist()


ITEMS = [
    SentimentItem(f"{sentiment}{n}", sentiment, both(f"{WORDS[3 * k + n]} ida"), both(f"{WORDS[10 + k]}"))
    for k, sentiment in enumerate(SENTIMENTS)
    for n in range(3)
]
MARKER = {"T": T, "S": S}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_examples_come_first_and_the_tested_input_last(direction):
    a, b = direction.split("->")
    switch = [MARKER[b]] if a != b else []
    prompt = sentiment_prompt(VOCABULARY, ITEMS[:1], ITEMS[4], direction)
    example = [MARKER[a], *parts("anna ida", a), *switch, *parts(WORDS[10], b)]
    assert prompt.tolist() == [BOS, *example, MARKER[a], *ITEMS[4].prompt.ids(a).tolist(), *switch]
    assert sentiment_prompt(VOCABULARY, [], ITEMS[4], direction).tolist() == [
        BOS,
        MARKER[a],
        *ITEMS[4].prompt.ids(a).tolist(),
        *switch,
    ]


@pytest.fixture
def answering(monkeypatch):
    """Record each call, and answer by a script in place of the network."""
    calls = []

    def answer(script):
        def fake(network, vocabulary, prompts, to, sampling, stop=(), title=""):
            calls.append((prompts, to, sampling, stop))
            return [np.array(script(prompt.tolist(), len(calls) - 1), dtype=np.int64) for prompt in prompts]

        monkeypatch.setattr(preservation, "generate_continuations", fake)
        return calls

    return answer


def judge(ids):
    return SENTIMENTS[ids[0] - FIRST] if len(ids) else "neutral"


def test_accuracy_is_the_mean_of_runs_of_other_seeds(answering):
    calls = answering(lambda prompt, run: [FIRST + run])  # all negative, then all neutral, then all positive
    tested = ITEMS[:3] + ITEMS[3:5] + ITEMS[6:7]
    result = measure_sentiment_preservation(tiny_network(VOCABULARY), VOCABULARY, [], tested, "S->S", judge)
    assert (
        result.runs == [3 / 6, 2 / 6, 1 / 6]
        and result.accuracy.value == pytest.approx(1 / 3)
        and result.accuracy.n == 6
    )
    assert [(to, s.max_new_tokens, s.temperature, s.top_p, s.seed, stop) for _, to, s, stop in calls] == [
        ("speech", 300, 0.8, 0.95, seed, []) for seed in range(3)
    ]
    assert result.report()["chance"] == 0.3333 and result.continuations[3] == JudgedContinuation(
        "neutral0", "neutral", "negative", "[Hu0]"
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_shots_are_balanced_and_drawn_anew_in_each_run(answering, direction):
    calls = answering(lambda prompt, run: [])
    tested = [SentimentItem("x", "negative", both("vera tom"))]
    result = measure_sentiment_preservation(
        tiny_network(VOCABULARY), VOCABULARY, ITEMS, tested, direction, lambda ids: "neutral", num_shots=4
    )
    assert result.num_shots == 6 and result.runs == [0, 0, 0]
    for run, (prompts, _, sampling, stop) in enumerate(calls):
        chosen = draw_shots([item.sentiment for item in ITEMS], 4, np.random.RandomState(run))
        assert [ITEMS[row].sentiment for row in chosen] == sorted(2 * SENTIMENTS)
        assert (
            prompts[0].tolist()
            == sentiment_prompt(VOCABULARY, [ITEMS[row] for row in chosen], tested[0], direction).tolist()
        )
        assert stop == [MARKER[direction[0]]] and sampling.max_new_tokens == NEW_TOKENS[direction]
    assert len({str(prompts[0].tolist()) for prompts, *_ in calls}) == 3


def test_items_serve_the_directions_they_are_meant_for(answering):
    answering(lambda prompt, run: [])
    silent = [
        SentimentItem("a", "neutral", TextAndSpeech(both("tom").text, None)),
        SentimentItem("b", "neutral", both("tom"), None, ("S->S",)),
    ]
    assert (
        measure_sentiment_preservation(
            tiny_network(VOCABULARY), VOCABULARY, [], silent, "T->S", lambda ids: "neutral"
        ).accuracy.n
        == 1
    )
    with pytest.raises(ValueError, match="no item of the suite is meant for S->T"):
        measure_sentiment_preservation(tiny_network(VOCABULARY), VOCABULARY, [], silent, "S->T", judge)
    with pytest.raises(ValueError, match="3 shots need 1 rows of each sentiment, but neutral has 0"):
        measure_sentiment_preservation(
            tiny_network(VOCABULARY), VOCABULARY, ITEMS[:1], ITEMS, "T->T", judge, num_shots=3
        )


def test_judges_classify_text_and_synthesized_speech():
    by_words = WordsClassifier({"positive": ["anna"], "negative": ["tom", "ben"]})
    assert [by_words(text) for text in ("anna", "TOM ben anna", "tom anna", "vera", "")] == [
        "positive",
        "negative",
        "neutral",
        "neutral",
        "neutral",
    ]
    assert make_text_judge(VOCABULARY, by_words)(both("vera tom").text) == "negative"
    judge_speech = make_speech_judge(
        VOCABULARY, lambda tokens: torch.tensor(tokens.unit), 16000, lambda wave, rate: SENTIMENTS[int(wave[0])]
    )
    assert [judge_speech(both(words).speech) for words in ("anna", "ben", "carl")] == list(SENTIMENTS)
    assert judge_speech(np.zeros(0, np.int64)) == "neutral"


def test_a_network_generates_continuations_that_can_be_judged():
    network = tiny_network(VOCABULARY, max_positions=512).eval()
    for direction in ("S->T", "T->S"):
        first, second = (
            measure_sentiment_preservation(
                network, VOCABULARY, ITEMS, ITEMS[:2], direction, lambda ids: "neutral", 3, runs=1
            )
            for _ in range(2)
        )
        assert first.continuations == second.continuations and first.num_shots == 3


def test_reference_continuations_are_judged():

    def negative(ids):
        return "negative"

    hits = judge_references(ITEMS, "S", negative)
    assert hits.shape == (1, 9) and hits.mean() == pytest.approx(1 / 3)
    only_text = [
        SentimentItem("a", "negative", both("tom"), both("ida"), ("S->T",)),
        SentimentItem("b", "negative", both("tom")),
    ]
    assert judge_references(only_text, "S", negative).size == 0 and judge_references(
        only_text, "T", negative
    ).tolist() == [[1.0]]
