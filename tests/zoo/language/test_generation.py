from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.toy_tokens import STREAMS, tiny_network, words_vocabulary
from zoo.language.generation import Continuation, Sampling, encode_prompt, generate
from zoo.language.modality_constraint import ModalityConstraint
from zoo.tokens.merged_streams import Tokens, parse
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

VOCABULARY = words_vocabulary()
T, S, BOS, EOS = VOCABULARY.text_marker, VOCABULARY.speech_marker, VOCABULARY.bos, VOCABULARY.eos
TEXT = VOCABULARY.text.encode


def units(text):
    return parse(text, VOCABULARY.streams)


def ids_of(*numbers):
    return [VOCABULARY.first_unit + n for n in numbers]


class Same:
    """A vocabulary whose text tokenizer begins with its end token, as GPT-2's does."""

    bos = eos = 3
    checksum = "same"

    def __len__(self):
        return 20


@pytest.mark.parametrize("vocabulary", [VOCABULARY, Vocabulary(Same(), STREAMS, 64)], ids=["two_ends", "one_end"])
@pytest.mark.parametrize("to", ["text", "speech", "any"])
def test_what_is_allowed_is_the_modality_and_the_end(vocabulary, to):
    scores = torch.randn(2, vocabulary.num_rows)
    left = ModalityConstraint(vocabulary, to)(torch.zeros(2, 1), scores)
    text, speech = set(range(vocabulary.num_text)), set(range(vocabulary.first_unit, len(vocabulary)))
    want = {"text": text, "speech": speech, "any": set(range(len(vocabulary)))}[to] - {vocabulary.bos} | {
        vocabulary.eos
    }
    for row, score in zip(left, scores, strict=True):
        assert set(row.isfinite().nonzero().flatten().tolist()) == want
        assert torch.equal(row[row.isfinite()], score[row.isfinite()])


def test_another_modality_is_an_error():
    with pytest.raises(ValueError, match="to='music': want one of text, speech, any"):
        ModalityConstraint(VOCABULARY, "music")


@pytest.mark.parametrize(
    "prompt, to, want",
    [
        (["anna"], "text", [BOS, T, *TEXT("anna")]),
        (["anna"], "speech", [BOS, T, *TEXT("anna"), S]),
        (["anna"], "any", [BOS, T, *TEXT("anna")]),
        ([units("[Hu3][Hu4]")], "speech", [BOS, S, *ids_of(3, 4)]),
        ([units("[Hu3][Hu4]")], "text", [BOS, S, *ids_of(3, 4), T]),
        (["anna", units("[Hu3]"), "tom"], "speech", [BOS, T, *TEXT("anna"), S, *ids_of(3), T, *TEXT("tom"), S]),
        (["anna", "tom", units("[Hu3]"), units("[Hu4]")], "any", [BOS, T, *TEXT("anna tom"), S, *ids_of(3, 4)]),
        ([], "text", [BOS, T]),
        ([], "speech", [BOS, S]),
        ([], "any", [BOS]),
    ],
)
def test_a_marker_stands_at_each_change_of_modality(prompt, to, want):
    assert encode_prompt(VOCABULARY, prompt, to) == want


@pytest.mark.parametrize("prompt, kind", [(["anna", "  "], "text"), ([units("")], "speech"), ([""], "text")])
def test_an_empty_piece_is_an_error(prompt, kind):
    with pytest.raises(ValueError, match=f"a {kind} segment of the prompt is empty"):
        encode_prompt(VOCABULARY, prompt, "any")


@pytest.fixture(scope="module")
def network():
    return tiny_network(VOCABULARY, max_positions=48)


PROMPTS = [["anna"], [units("[Hu3][Hu9][Hu4]")], ["anna ben carl dora", units("[Hu1]"), "tom"], [units("[Hu5]" * 20)]]


def kinds(pieces):
    return ["text" if isinstance(piece, str) else "speech" for piece in pieces]


@pytest.mark.parametrize("to", ["text", "speech", "any"])
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_only_the_modality_asked_for_comes(network, to, temperature):
    for seed in range(3):
        for answer in generate(network, VOCABULARY, PROMPTS, to, Sampling(12, temperature, 1.0, seed)):
            assert to == "any" or set(kinds(answer.segments)) <= {to}
            assert all(a != b for a, b in pairwise(kinds(answer.segments)))
            assert all(
                isinstance(piece, str) or (piece.unit.min() >= 0 and piece.unit.max() < STREAMS[0].size)
                for piece in answer.segments
            )


@pytest.mark.parametrize("to", ["text", "speech", "any"])
def test_a_batch_is_answered_as_each_prompt_alone(network, to):
    greedy = Sampling(12, temperature=0)
    together = generate(network, VOCABULARY, PROMPTS, to, greedy)
    alone = [generate(network, VOCABULARY, [prompt], to, greedy)[0] for prompt in PROMPTS]
    assert [list(map(str, a.segments)) for a in together] == [list(map(str, a.segments)) for a in alone]
    assert len({tuple(map(str, a.segments)) for a in alone}) > 1


def test_greedy_takes_the_likeliest_allowed_token_each_time(network):
    ids = encode_prompt(VOCABULARY, PROMPTS[2], "speech")
    for _ in range(8):
        scores = network(torch.tensor([ids])).logits[0, -1]
        ids.append(int(ModalityConstraint(VOCABULARY, "speech")(None, scores[None])[0].argmax()))
    (answer,) = generate(network, VOCABULARY, [PROMPTS[2]], "speech", Sampling(8, temperature=0))
    assert EOS not in ids and VOCABULARY.speech_ids(answer.segments[0]).tolist() == ids[-8:] and not answer.ended


def test_draws_are_a_function_of_the_seed_and_leave_the_chance_of_others_alone(network):
    def sample(seed):
        return str(generate(network, VOCABULARY, PROMPTS[:1], "speech", Sampling(20, 1.0, 1.0, seed))[0].segments)

    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    assert sample(0) == sample(0) and len({sample(seed) for seed in range(4)}) == 4
    assert torch.equal(torch.rand(3), want)


def wishing(chosen, at=-1):
    """A network that prefers one token everywhere."""
    network = tiny_network(VOCABULARY, max_positions=48)
    with torch.no_grad():
        network.model.norm.weight.zero_()
    network.lm_head = torch.nn.Linear(16, VOCABULARY.num_rows)
    with torch.no_grad():
        network.lm_head.bias.zero_()
        for rank, token in enumerate(chosen):
            network.lm_head.bias[token] = 50.0 - rank
    return network


@pytest.mark.parametrize("to", ["text", "speech", "any"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_generation_ends_where_the_model_ends_it(to, temperature):
    for answer in generate(wishing([EOS]), VOCABULARY, PROMPTS, to, Sampling(10, temperature)):
        assert answer == Continuation([], True) and answer.text == ""


def test_forbidden_wishes_are_not_granted():
    network = wishing([BOS, len(VOCABULARY), T, S, VOCABULARY.first_unit + 7, TEXT("anna")[0]])
    (spoken,) = generate(network, VOCABULARY, [["tom"]], "speech", Sampling(3, 0))
    (written,) = generate(network, VOCABULARY, [["tom"]], "text", Sampling(1, 0))
    assert str(spoken.segments[0]) == "[Hu7][Hu7][Hu7]" and written.segments == [
        VOCABULARY.text.decode(TEXT("anna")[:1])
    ]
    (markers,) = generate(network, VOCABULARY, [["tom"]], "any", Sampling(3, 0))
    assert markers == Continuation([], False)


def test_it_stops_at_the_asked_number_or_where_the_model_can_read_no_more():
    network = wishing([VOCABULARY.first_unit])
    for asked, prompt, want in (
        (5, ["tom"], 5),
        (500, ["tom"], 48 - len(encode_prompt(VOCABULARY, ["tom"], "speech"))),
    ):
        (answer,) = generate(network, VOCABULARY, [prompt], "speech", Sampling(asked, 0))
        assert len(answer.segments[0]) == want and not answer.ended


@pytest.mark.parametrize("count, works", [(45, True), (46, False), (300, False)])
def test_a_prompt_that_is_too_long_is_an_error(network, count, works):
    prompt = [units("[Hu1]" * count)]
    if works:
        assert len(generate(network, VOCABULARY, [prompt], "speech", Sampling(9, 0))[0].segments[0]) == 1
        return
    with pytest.raises(ValueError, match=f"the prompt has {count + 2} tokens; this model reads at most 47"):
        generate(network, VOCABULARY, [prompt], "speech")


def test_the_network_is_left_in_the_mode_it_was_in(network):
    for training in (True, False):
        network.train(training)
        generate(network, VOCABULARY, PROMPTS[:1], "text", Sampling(1, 0))
        assert network.training is training
    network.eval()


@pytest.mark.parametrize("wrong", [{"max_new_tokens": 0}, {"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_impossible_sampling_is_an_error(wrong):
    with pytest.raises(ValueError, match="Sampling: .*: want (from|above) "):
        Sampling(**wrong)


def test_the_text_of_an_answer_is_its_texts():
    spoken = Tokens((Stream("Hu", 3, 25.0),), np.array([0]), np.array([1]))
    assert Continuation(["anna went", spoken, "home"], True).text == "anna went home"


def test_a_beam_search_finds_more_likely_texts_than_greedy_decoding():
    """With a length penalty of 1, beams are compared by the mean log-probability of a token."""
    network = tiny_network(VOCABULARY, seed=3)

    def log_probability(prompt, answer):
        ids = encode_prompt(VOCABULARY, prompt, "text")
        written = VOCABULARY.text.encode(answer.text) + [VOCABULARY.eos] * answer.ended
        full = torch.tensor([[*ids, *written]])
        with torch.inference_mode():
            scores = network(full[:, :-1]).logits.log_softmax(-1).gather(2, full[:, 1:, None])[0, len(ids) - 1 :, 0]
        return float(scores.mean())

    by_width = []
    for width in (1, 8):
        answers = generate(network, VOCABULARY, PROMPTS, "text", Sampling(6, temperature=0, num_beams=width))
        by_width.append([log_probability(*pair) for pair in zip(PROMPTS, answers, strict=True)])
    assert sum(by_width[1]) > sum(by_width[0])


@pytest.mark.parametrize("settings", [{"temperature": 0.8}, {"temperature": 0, "max_speech_seconds": 2.0}])
def test_a_beam_search_of_samples_or_of_a_duration_is_refused(settings):
    with pytest.raises(ValueError, match="a beam search needs temperature 0 and no max_speech_seconds"):
        Sampling(12, num_beams=2, **settings)
    with pytest.raises(ValueError, match="num_beams=0: want from 1"):
        Sampling(12, num_beams=0)
