import numpy as np
import pytest
import torch

from tests.toy_tokens import STREAMS, tiny_network, words_vocabulary
from zoo.language.generation import Sampling, encode_prompt, generate
from zoo.language.speech_text_model import SpeechTextModel
from zoo.language.stopping import SpeechSeconds, minimum_seconds, predicted_seconds
from zoo.language.token_streaming import stream_chunks, stream_ids
from zoo.tokens.merged_streams import Tokens, parse
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.istft import ConvNeXtSizes, ISTFTGenerator
from zoo.vocoder.vocoder import Vocoder

VOCABULARY = words_vocabulary()
PROMPTS = [["anna"], [parse("[Hu3][Hu9]", STREAMS)], ["ben", parse("[Hu1]", STREAMS), "tom"]]


@pytest.fixture(scope="module")
def network():
    return tiny_network(VOCABULARY, seed=4).eval()


@pytest.fixture(scope="module")
def vocoder():
    torch.manual_seed(0)
    generator = ISTFTGenerator(
        {"Hu": STREAMS[0].size},
        25.0,
        embedding_dim=8,
        backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1, kernel_size=3),
    )
    durations = DurationPredictor(8, 8)
    durations.out.bias.data.fill_(1.2)
    return Vocoder(generator, STREAMS, durations)


def ids_of(pieces):
    return [
        i
        for piece in pieces
        for i in (VOCABULARY.text.encode(piece) if isinstance(piece, str) else VOCABULARY.speech_ids(piece).tolist())
    ]


@pytest.mark.parametrize("to", ["text", "speech", "any"])
@pytest.mark.parametrize(
    "sampling", [Sampling(15, 0), Sampling(15, 1.3, 0.8, 5), Sampling(15, 0.7, 1.0, 6)], ids=["greedy", "top_p", "warm"]
)
def test_ids_one_by_one_are_those_at_once(network, to, sampling):
    for prompt in PROMPTS:
        ids = list(stream_ids(network, VOCABULARY, prompt, to, sampling))
        (answer,) = generate(network, VOCABULARY, [prompt], to, sampling)
        joined = [str(piece.content) for piece in stream_chunks(VOCABULARY, iter(ids))]
        assert "".join(joined) == "".join(str(piece) for piece in answer.segments)
        assert (ids[-1] == VOCABULARY.eos) == answer.ended


def test_an_id_is_there_before_the_next_is_made(network):
    calls = []
    hook = network.register_forward_hook(lambda *_: calls.append(1))
    ids = stream_ids(network, VOCABULARY, PROMPTS[0], "speech", Sampling(10, 0))
    for count in range(1, 4):
        next(ids)
        assert len(calls) == count
    ids.close()
    hook.remove()


def test_streams_end_at_each_change_of_modality_and_characters_stay_whole():
    text, unit = VOCABULARY.text.encode, VOCABULARY.first_unit
    ids = [*text("łóż anna"), unit + 3, unit + 4, unit + 5, VOCABULARY.text_marker, *text("tom"), VOCABULARY.eos]
    pieces = list(stream_chunks(VOCABULARY, iter(ids), num_speech_tokens=2))
    assert all("\ufffd" not in piece.content for piece in pieces if isinstance(piece.content, str))
    texts, sounds = [[str(p.content) for p in pieces if isinstance(p.content, kind)] for kind in (str, Tokens)]
    assert "".join(texts) == "łóż annatom" and sounds == ["[Hu3][Hu4]", "[Hu5]"]
    kinds = ["text" if isinstance(piece.content, str) else "speech" for piece in pieces]
    assert [place for place, piece in enumerate(pieces) if piece.ends_segment] == [
        place for place, kind in enumerate(kinds) if place + 1 == len(kinds) or kinds[place + 1] != kind
    ]
    assert list(stream_chunks(VOCABULARY, iter([VOCABULARY.eos]))) == []


@pytest.mark.parametrize("seconds", [0.04, 0.5, 1.0])
def test_speech_stops_at_so_many_seconds_row_by_row(network, vocoder, seconds):
    for duration in (minimum_seconds, predicted_seconds(vocoder)):
        limited = Sampling(60, 1.0, 1.0, 3, max_speech_seconds=seconds)
        answers = generate(network, VOCABULARY, PROMPTS, "speech", limited, duration)
        for answer in answers:
            (speech,) = answer.segments
            before = Tokens(speech.streams, speech.stream[:-1], speech.unit[:-1])
            assert answer.ended or duration(speech) >= seconds > (
                duration(before) if duration is minimum_seconds else 0
            )
    alone = list(stream_ids(network, VOCABULARY, PROMPTS[0], "speech", Sampling(60, 0, max_speech_seconds=seconds)))
    (together,) = generate(network, VOCABULARY, PROMPTS[:1], "speech", Sampling(60, 0, max_speech_seconds=seconds))
    assert ids_of(together.segments) == [i for i in alone if i != VOCABULARY.eos] and together.ended == (
        alone[-1] == VOCABULARY.eos
    )


def test_a_row_that_the_model_ends_is_not_taken_for_one_cut_short():
    criterion = SpeechSeconds(VOCABULARY, 1, 0.08, minimum_seconds)
    unit, eos = VOCABULARY.first_unit, VOCABULARY.eos
    assert criterion(torch.tensor([[1, unit, unit], [1, unit, eos], [1, unit, 5]]), None).tolist() == [
        True,
        False,
        False,
    ]
    assert criterion(torch.tensor([[1, unit, unit, eos], [1, unit, eos, eos], [1, unit, 5, unit]]), None).tolist() == [
        True,
        False,
        True,
    ]
    assert criterion.stopped.tolist() == [True, False, True]


@pytest.mark.parametrize("to", ["speech", "any"])
def test_what_is_streamed_is_what_is_answered(network, vocoder, to):
    class Deaf(torch.nn.Module):
        sample_rate = 16000

    for voice in (vocoder, None):
        model = SpeechTextModel(network, VOCABULARY, Deaf(), voice)
        for prompt in PROMPTS:
            answer, pieces = (
                model.generate(prompt, to, Sampling(30, 1.0, 1.0, 2)),
                list(model.stream(prompt, to, Sampling(30, 1.0, 1.0, 2), num_speech_tokens=5)),
            )
            assert "".join(p for p in pieces if isinstance(p, str)) == "".join(
                p for p in answer.segments if isinstance(p, str)
            )
            sounds = [p for p in pieces if isinstance(p, torch.Tensor)]
            if voice is None:
                assert "".join(str(p) for p in pieces) == "".join(str(p) for p in answer.segments)
            elif answer.waveform is not None:
                torch.testing.assert_close(torch.cat(sounds), answer.waveform, rtol=0, atol=1e-5)
        batch = model.generate_batch(PROMPTS, to, Sampling(12, 0))
        assert [list(map(str, one.segments)) for one in batch] == [
            list(map(str, model.generate(p, to, Sampling(12, 0)).segments)) for p in PROMPTS
        ]


def test_impossible_seconds_are_an_error():
    with pytest.raises(ValueError, match="max_speech_seconds=0: want above 0"):
        Sampling(max_speech_seconds=0)


def test_the_cache_changes_nothing(network):
    ids = encode_prompt(VOCABULARY, PROMPTS[2], "speech")
    new = list(stream_ids(network, VOCABULARY, PROMPTS[2], "speech", Sampling(8, 0)))
    allowed = np.r_[VOCABULARY.eos, VOCABULARY.first_unit : len(VOCABULARY)]
    for number in new:
        scores = network(torch.tensor([ids])).logits[0, -1]
        assert number == allowed[int(scores[allowed].argmax())]
        ids.append(number)
