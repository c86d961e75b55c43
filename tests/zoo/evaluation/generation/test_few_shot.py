from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from tests.toy_tokens import WORDS, tiny_network, words_vocabulary
from zoo.evaluation.generation import continuations as decoding
from zoo.evaluation.generation import few_shot
from zoo.evaluation.generation.continuations import continuations
from zoo.evaluation.generation.few_shot import FewShot, Utterance, most_frequent_label, most_frequent_word
from zoo.evaluation.suites.prompt_templates import parse_template, template
from zoo.language.generation import Sampling

VOCABULARY = words_vocabulary()
BOS, EOS, T, S, FIRST = (
    VOCABULARY.bos,
    VOCABULARY.eos,
    VOCABULARY.text_marker,
    VOCABULARY.speech_marker,
    VOCABULARY.first_unit,
)


def text(words):
    return VOCABULARY.text.encode(words)


def said(words):
    return [FIRST + WORDS.index(word) for word in words.split()]


def utterance(words, label=""):
    return Utterance(words, words, np.array(said(words)), label)


SHOTS = [utterance("anna ben", "farm"), utterance("tom", "sea"), utterance("vera rosa", "farm")]


@pytest.mark.parametrize(
    "name, shot, query",
    [
        (
            "asr",
            lambda w, l: [S, *said(w), T, *text(f"<START Transcript> {w} <END>")],
            lambda w: [S, *said(w), T, *text("<START Transcript>")],
        ),
        (
            "tts",
            lambda w, l: [T, *text(f"{w} 'stop'"), S, *said(w), *text("<speech:STOP>")],
            lambda w: [T, *text(f"{w} 'stop'"), S],
        ),
        ("intent", lambda w, l: [S, *said(w), T, *text("A:"), *text(l)], lambda w: [S, *said(w), T, *text("A:")]),
    ],
)
def test_the_frozen_prompts(name, shot, query):
    prompt = template(name).prompt(
        VOCABULARY, [one.slots(VOCABULARY) for one in SHOTS], utterance("pia otto").slots(VOCABULARY), 1000
    )
    assert prompt.tolist() == [BOS, *(i for one in SHOTS for i in shot(one.text, one.label)), *query("pia otto")]


def test_as_many_of_the_last_examples_as_there_is_room_for():
    form, slots, asked = template("asr"), [one.slots(VOCABULARY) for one in SHOTS], utterance("pia").slots(VOCABULARY)
    whole = form.prompt(VOCABULARY, slots, asked, 1000)
    assert form.prompt(VOCABULARY, slots, asked, len(whole)).tolist() == whole.tolist()
    assert (
        form.prompt(VOCABULARY, slots, asked, len(whole) - 1).tolist()
        == form.prompt(VOCABULARY, slots[1:], asked, 1000).tolist()
    )
    alone = form.prompt(VOCABULARY, [], asked, 1000)
    assert form.prompt(VOCABULARY, slots, asked, len(alone)).tolist() == alone.tolist()
    with pytest.raises(ValueError, match=f"the question alone has {len(alone)} tokens, and this model has room for 5"):
        form.prompt(VOCABULARY, slots, asked, 5)


@pytest.mark.parametrize(
    "spoil, says", [("shot", "lacks shot"), ("to: text", "t.txt: lacks to"), ("to", "t.txt:.: want one of to, shot")]
)
def test_a_broken_template_is_named(spoil, says):
    whole = "# c\nto: text\nshot: a{text}\nquery: b\nstop: c\n"
    changed = {
        "shot": whole.replace("shot: a{text}\n", ""),
        "to: text": whole.replace("to: text\n", ""),
        "to": whole.replace("to: text", "too: text"),
    }[spoil]
    with pytest.raises(ValueError, match=says):
        parse_template(changed, "t.txt")


@pytest.fixture
def answering(monkeypatch):
    """Answers instead of a network's, by the speech or the text that the question holds."""
    asked = []

    def answer(script):
        def fake(network, vocabulary, prompts, to, sampling, stop=(), title=""):
            asked.extend(prompts)
            return [np.array(script(prompt.tolist()), dtype=np.int64) for prompt in prompts]

        monkeypatch.setattr(few_shot, "continuations", fake)
        return asked

    return answer


def test_word_errors_worked_by_hand(answering):
    asked = [utterance("anna ben tom"), utterance("vera rosa"), utterance("pia")]
    answers = {"anna ben tom": "anna tom", "vera rosa": "vera rosa", "pia": "Ida otto"}
    answering(
        lambda prompt: text(
            next(
                a
                for w, a in answers.items()
                if prompt[-len(said(w)) - len(text("<START Transcript>")) - 1 :][: len(said(w))] == said(w)
            )
        )
    )
    found = FewShot(tiny_network(VOCABULARY), VOCABULARY, num_shots=2, max_new_tokens=10).recognize(SHOTS, asked)
    assert found.estimate.value == pytest.approx((1 + 0 + 2) / 6) and found.measure == "word_error_rate"
    assert found.rows[0] == ("anna ben tom", "anna ben tom", "anna tom") and found.report()["shots"] == 2


def test_character_errors_of_what_a_recognizer_hears(answering):
    answering(lambda prompt: said("anna ben") if prompt[-1] == S else [])
    model = FewShot(tiny_network(VOCABULARY), VOCABULARY, num_shots=1, max_new_tokens=10)
    speaks = lambda tokens: torch.tensor(tokens.unit.astype(float))
    transcribes = lambda wave: " ".join(WORDS[int(u)] for u in wave)
    found = model.synthesize(SHOTS, [utterance("anna ben"), utterance("anna jan")], speaks, transcribes)
    assert (
        found.estimate.value == pytest.approx(2 / 16) and found.measure == "character_error_rate"
    )  # ben for jan: two letters


def test_intents_are_matched_exactly(answering):
    answering(lambda prompt: text("Farm"))
    asked = [utterance("tom", "farm"), utterance("pia", "sea"), utterance("ida", "the farm")]
    found = FewShot(tiny_network(VOCABULARY), VOCABULARY, num_shots=3, max_new_tokens=10).classify(SHOTS, asked)
    assert found.estimate.value == pytest.approx(1 / 3)
    assert most_frequent_label(asked + [utterance("kim", "farm")]).value == 0.5


def test_the_commonest_word_is_an_answer_to_beat():
    shots = [utterance("tom anna"), utterance("ben tom")]
    found = most_frequent_word("word_error_rate", shots, [utterance("tom pia"), utterance("tom"), utterance("ida")])
    assert found.estimate.value == pytest.approx((1 + 0 + 1) / 4)
    assert most_frequent_word("character_error_rate", shots, [utterance("tom pia")]).estimate.value == pytest.approx(
        4 / 7
    )


def test_examples_are_a_function_of_seed_and_utterance_and_end_with_the_question(answering):
    prompts = answering(lambda prompt: [])
    asked, network = [utterance("tom"), utterance("pia")], tiny_network(VOCABULARY)
    for seed, questions in ((0, asked), (0, asked[1:]), (1, asked)):
        FewShot(network, VOCABULARY, num_shots=3, seed=seed, max_new_tokens=10).recognize(SHOTS, questions)
    assert prompts[1].tolist() == prompts[2].tolist()
    assert all(
        prompt[-len(text("<START Transcript>")) - 2 :].tolist()[:1] == said(word)
        for prompt, word in zip(prompts, ("tom", "pia", "pia", "tom", "pia"))
    )
    with pytest.raises(ValueError, match="4 shots, but the suite shows 3"):
        FewShot(network, VOCABULARY, num_shots=4, max_new_tokens=10).recognize(SHOTS, asked)


@pytest.fixture(scope="module")
def network():
    return tiny_network(VOCABULARY).eval()


def greedy_by_hand(network, prompt, allowed, stop, most):
    ids = prompt.tolist()
    for _ in range(most):
        with torch.inference_mode():
            logits = network(torch.tensor([ids])).logits[0, -1]
        ids.append(max(allowed, key=lambda i: logits[i].item()))
        if ids[-1] == EOS or ids[-len(stop) :] == stop:
            break
    new = ids[len(prompt) :]
    return new[:-1] if new[-1] == EOS else new[: -len(stop)] if new[-len(stop) :] == stop else new


@pytest.mark.parametrize("to", ["text", "speech"])
def test_continuations_are_those_of_one_at_a_time_up_to_a_stop(network, to):
    draw = np.random.default_rng(0)
    prompts = [np.array([BOS, T, *draw.integers(3, len(VOCABULARY), length)]) for length in (3, 30, 11)]
    units, pieces = set(range(FIRST, len(VOCABULARY))), set(range(VOCABULARY.num_text)) - {BOS}
    free = [
        greedy_by_hand(network, prompt, (units if to == "speech" else pieces) | {EOS}, [-1], 8) for prompt in prompts
    ]
    stop = [free[1][2]]  # what one of them writes on its way
    allowed = (units if to == "speech" else pieces) | {EOS} | set(stop)
    for ids, ends in (((), [-1]), (stop, stop)):
        found = continuations(network, VOCABULARY, prompts, to, Sampling(8, temperature=0), ids)
        assert [one.tolist() for one in found] == [
            greedy_by_hand(network, prompt, allowed, ends, 8) for prompt in prompts
        ]
    assert len(found[1]) <= 2


def test_a_stop_of_several_tokens_is_cut_off():
    assert decoding._cut(np.array([5, 6, 7, 8, 6, 7]), EOS, [6, 7]).tolist() == [5]
    assert decoding._cut(np.array([5, EOS, 6, 7]), EOS, [6, 7]).tolist() == [5]
    assert decoding._cut(np.array([5, 6]), EOS, [6, 7]).tolist() == [5, 6]


def test_a_prompt_without_room_is_an_error(network):
    with pytest.raises(ValueError, match="has 128 tokens; this model reads at most 127: use fewer shots"):
        continuations(network, VOCABULARY, [np.zeros(128, np.int64)], "text", Sampling(5))


def test_as_many_prompts_at_a_time_as_their_keys_and_values_have_room():
    sizes = lambda **config: SimpleNamespace(config=LlamaConfig(**config))
    assert decoding._prompts_at_a_time(sizes(hidden_size=128, num_hidden_layers=3, num_attention_heads=2), 500) == 128
    llama_7b = sizes(hidden_size=4096, num_hidden_layers=32, num_attention_heads=32)
    assert decoding._prompts_at_a_time(llama_7b, 500) == 32  # of half a MiB a token each, 8 GiB in all
    shared = sizes(hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8)
    assert decoding._prompts_at_a_time(shared, 500) == 128 and decoding._prompts_at_a_time(llama_7b, 1 << 20) == 1


def test_draws_of_a_chunk_do_not_depend_on_others(network, monkeypatch):
    monkeypatch.setattr(decoding, "MOST_PROMPTS", 2)
    prompts = [np.array([BOS, T, 5 + n, 7]) for n in range(5)]
    sample = lambda some: [
        one.tolist() for one in continuations(network, VOCABULARY, some, "speech", Sampling(6, seed=3))
    ]
    assert sample(prompts)[:2] == sample(prompts[:2]) and sample(prompts) == sample(prompts)
