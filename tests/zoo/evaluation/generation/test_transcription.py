import pytest

from tests.toy_tokens import STREAMS, WORDS, spoken, tiny_network, words_vocabulary
from zoo.evaluation.generation import transcription
from zoo.evaluation.generation.transcription import Transcript, transcribe
from zoo.language.generation import Continuation
from zoo.tokens.store import TokenTable, write_tokens

VOCABULARY = words_vocabulary()
#            reference            written             errors
TRANSCRIPTS = [
    ("anna tom vera", "anna tom vera"),  # 0 of 3
    ("anna tom", "anna vera tom"),  # 1 insertion of 2
    ("ida jan lea max", "ida lea sam"),  # 1 deletion, 1 substitution of 4
    ("rosa", ""),
]  # 1 deletion of 1


@pytest.fixture
def table(tmp_path):
    write_tokens(tmp_path, "dev", [spoken(n, text.split()) for n, (text, _) in enumerate(TRANSCRIPTS)], STREAMS)
    return TokenTable(tmp_path, "dev")


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_word_errors_are_counted_as_by_hand(table, monkeypatch, batch_size):
    max_new_tokens = []

    def generate(network, vocabulary, prompts, to, sampling):
        assert to == "text" and sampling.temperature == 0 and len(prompts) <= batch_size
        words = [" ".join(WORDS[u] for u in prompt[0].unit) for prompt in prompts]
        max_new_tokens.append(sampling.max_new_tokens)
        return [Continuation([dict(TRANSCRIPTS)[text]] if dict(TRANSCRIPTS)[text] else [], True) for text in words]

    monkeypatch.setattr(transcription, "generate", generate)
    result = transcribe(None, VOCABULARY, table, batch_size, extra_tokens=4)
    assert result.error_rate.value == pytest.approx((0 + 1 + 2 + 1) / (3 + 2 + 4 + 1)) and result.error_rate.n == 4
    assert result.transcripts == [Transcript(f"u{n}", text, written) for n, (text, written) in enumerate(TRANSCRIPTS)]
    assert set(max_new_tokens) == {4 + max(len(VOCABULARY.text.encode(text)) for text, _ in TRANSCRIPTS)}


def test_transcripts_do_not_depend_on_the_batches(table):
    result = transcribe(tiny_network(VOCABULARY), VOCABULARY, table)
    assert [(row.id, row.reference) for row in result.transcripts] == [
        (f"u{n}", text) for n, (text, _) in enumerate(TRANSCRIPTS)
    ]
    assert result == transcribe(tiny_network(VOCABULARY), VOCABULARY, table, batch_size=1)
