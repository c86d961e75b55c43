"""Language models on held-out pairs: figures as the functions below them give them, paired by utterance."""

from pathlib import Path

import numpy as np
import pytest

from recipes.stages.comparison import measure_pairs
from recipes.stages.texts import tokenize_texts
from recipes.stages.training import save_network
from tests.toy_tokens import WORDS, tiny_network, words_vocabulary, write_sentences
from zoo.comparison.held_out_pairs import ItemFigures, PairVariant, pair_measures, score_pairs
from zoo.corpora.text_sources import TextFiles
from zoo.evaluation.generation.transcription import transcribe
from zoo.evaluation.scoring.bits import SPEECH, measure_bits
from zoo.files import read_json
from zoo.tokens.contract import write_contract
from zoo.tokens.store import TokenTable

VOCABULARY = words_vocabulary()


@pytest.fixture
def variant(tmp_path):
    """Two models of different seeds, held-out sentences and texts."""
    tokens = write_sentences(tmp_path / "tokens")
    VOCABULARY.save(tmp_path / "vocabulary")
    write_contract(tmp_path / "vocabulary", {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract})
    (tmp_path / "a.txt").write_text("\n\n".join(f"{word} und {other}" for word in WORDS for other in WORDS[:3]))
    tokenize_texts(tmp_path / "texts", TextFiles(tmp_path / "a.txt"), tmp_path / "vocabulary", dev_every=5)
    for seed in (0, 1):
        save_network(tmp_path / f"lm_{seed}", tiny_network(VOCABULARY, seed=seed), tmp_path / "vocabulary")
    models = tuple(tmp_path / f"lm_{seed}" / "model" for seed in (0, 1))
    return PairVariant(tokens, models, tmp_path / "texts")


def test_figures_are_those_of_the_functions_that_measure_them(variant):
    figures = score_pairs(variant.models[0], variant)
    network = tiny_network(VOCABULARY, seed=0)
    table = TokenTable(variant.tokens, "dev")
    assert set(figures) == {
        "speech",
        "text",
        "other text",
        "S->T",
        "T->S",
        "S->T by PMI",
        "T->S by PMI",
        "word_error_rate",
    }
    bits = measure_bits(network, VOCABULARY, table)[SPEECH]
    np.testing.assert_allclose(figures["speech"].values, bits.bits, rtol=1e-5)
    errors = figures["word_error_rate"]
    expected = transcribe(network, VOCABULARY, table).error_rate.value
    assert errors.values.sum() / errors.sizes.sum() == pytest.approx(expected)
    # The rows of plain text are stored without their text: a character is one of the decoded text.
    assert figures["other text"].sizes.sum() == sum(
        len(VOCABULARY.text.decode(row.text_ids.tolist())) for row in TokenTable(variant.texts, "dev")
    )


def test_a_beam_search_is_a_second_transcription_and_the_limit_holds_for_all(variant):
    figures = score_pairs(variant.models[0], variant, limit=3, num_beams=3)
    assert len(figures["word_error_rate"].ids) == len(figures["word_error_rate_beams"].ids) == 3
    assert all(len(item_figures.ids) == 3 for item_figures in figures.values())


def test_differences_are_paired_by_the_name_of_the_utterance():
    def model(*values, ids=("a", "b", "c")):
        return {"word_error_rate": ItemFigures(ids, np.array(values, dtype=float), np.full(len(ids), 4.0))}

    scores = {"one": [model(1, 2, 3), model(1, 2, 3)], "other": [model(4, 3, 2, ids=("c", "b", "a")), model(2, 3, 4)]}
    (measure,) = pair_measures(scores)
    assert measure.values["one"].value == pytest.approx(6 / 12) and measure.seeds == 2
    difference = measure.differences["other"]  # one error more in each utterance, of four words
    assert difference.value == difference.low == difference.high == pytest.approx(1 / 4)
    del scores["other"][0]["word_error_rate"]
    assert pair_measures(scores) == []


def test_the_stage_writes_a_figure_of_each_variant_and_seed(tmp_path, variant):
    single = PairVariant(variant.tokens, variant.models[:1])
    lines = measure_pairs(tmp_path / "out", {"both": variant, "first": single})
    measures = {measure["key"]: measure for measure in read_json(tmp_path / "out" / "measures.json")["measures"]}
    assert "bits_other_text" not in measures  # not measured for all
    assert len(measures["word_error_rate"]["by_seed"]["both"]) == 2
    assert set(measures["pairs_S->T"]["differences"]) == {"first"}
    assert any(title.startswith("word error rate") for title in lines)
    assert Path(tmp_path / "out" / "measures.json").is_file()
