from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from tests.toy_tokens import STREAMS, WORDS, sentences, spoken, tiny_network, words_vocabulary
from zoo.evaluation.representation_alignment import measure_alignment
from zoo.tokens.store import TokenTable, write_tokens

VOCABULARY = words_vocabulary()


class OneMeaning(torch.nn.Module):
    """Three layers of features: of the token itself, of the word it belongs to, of nothing."""

    def __init__(self):
        super().__init__()
        self.config, self.device = LlamaConfig(max_position_embeddings=128), torch.device("cpu")
        rows = VOCABULARY.num_rows
        self.token = torch.eye(rows)
        meaning = torch.randn(rows, len(WORDS), generator=torch.Generator().manual_seed(0)) * 0.01
        for number, word in enumerate(WORDS):
            for piece in (*VOCABULARY.text.encode(word), VOCABULARY.first_unit + number):
                meaning[piece, number] += 1
        self.meaning = torch.nn.functional.pad(meaning, (0, rows - len(WORDS)))

    def forward(self, input_ids, output_hidden_states, use_cache):
        noise = torch.randn(
            *input_ids.shape, VOCABULARY.num_rows, generator=torch.Generator().manual_seed(input_ids.sum().item())
        )
        return SimpleNamespace(hidden_states=(self.token[input_ids], self.meaning[input_ids], noise))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    write_tokens(folder, "dev", [*sentences(20), spoken(20, ["anna", "tom"], aligned=False)], STREAMS)
    return TokenTable(folder, "dev")


def test_a_layer_of_meanings_is_aligned_and_others_are_not(table):
    alignment = measure_alignment(OneMeaning(), VOCABULARY, table)
    token, meaning, noise = alignment.layers
    assert token.similarity.value == pytest.approx(0, abs=1e-6)  # text and speech have no token in common
    assert meaning.similarity.value > 0.9 > 0.4 > meaning.other_words.value and meaning.margin.low > 0.5
    assert meaning.retrieval.value > 0.9 and meaning.retrieval.n == sum(len(row.words) for row in sentences(20))
    assert noise.margin.low < 0 < noise.margin.high or abs(noise.margin.value) < 0.02
    assert noise.retrieval.low < 2 * alignment.retrieval_chance and 0.03 < alignment.retrieval_chance < 0.07


def test_the_largest_cosine_of_a_word_by_hand(table):
    network = tiny_network(VOCABULARY).eval()
    alignment = measure_alignment(network, VOCABULARY, table, limit=1)
    row = table[0]
    with torch.inference_mode():
        text, speech = (
            network(torch.tensor([[VOCABULARY.bos, marker, *ids]]), output_hidden_states=True).hidden_states
            for marker, ids in (
                (VOCABULARY.text_marker, row.text_ids.tolist()),
                (VOCABULARY.speech_marker, row.speech_ids.tolist()),
            )
        )
    for layer, layer_alignment in enumerate(alignment.layers):
        best = []
        for w in range(len(row.words)):
            pairs = [
                torch.nn.functional.cosine_similarity(text[layer][0, 2 + i], speech[layer][0, 2 + j], dim=0).item()
                for i in range(*row.word_text[w : w + 2])
                for j in range(*row.word_speech[w : w + 2])
            ]
            best.append(max(pairs))
        assert layer_alignment.similarity.value == pytest.approx(np.mean(best), abs=1e-5)
    assert len(alignment.layers) == 3 and len(alignment.report()["layers"]) == 3


def test_without_word_times_there_is_nothing_to_compare(tmp_path):
    write_tokens(tmp_path, "dev", [spoken(0, ["anna", "tom"], aligned=False)], STREAMS)
    with pytest.raises(ValueError, match="no utterance with two different timed words"):
        measure_alignment(tiny_network(VOCABULARY), VOCABULARY, TokenTable(tmp_path, "dev"))
