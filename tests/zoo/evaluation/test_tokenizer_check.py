import numpy as np
import pytest

from tests.toy_tokens import STREAMS, sentences, spoken, words_vocabulary
from zoo.evaluation.tokenizer_check import Coverage, coverage_warnings, measure_coverage
from zoo.tokens.store import TokenTable, write_tokens

VOCABULARY = words_vocabulary()


def test_coverage_counts_units_and_text_tokens(tmp_path):
    rows = sentences(5) + [spoken(9, ["anna"])]
    write_tokens(tmp_path, "dev", rows, STREAMS)
    coverage = measure_coverage(VOCABULARY, TokenTable(tmp_path, "dev"))
    counts = np.bincount(
        np.concatenate([row.speech_ids for row in rows]) - VOCABULARY.first_unit, minlength=STREAMS[0].size
    )
    share = counts[counts > 0] / counts.sum()
    assert (
        coverage.unit_entropy == pytest.approx(-(share * np.log2(share)).sum())
        and coverage.unused_units == (counts == 0).mean()
    )
    assert coverage.tokens_per_second == pytest.approx(counts.sum() / sum(row.duration for row in rows))
    assert coverage.text_tokens_per_word == pytest.approx(
        sum(len(row.text_ids) for row in rows) / sum(len(row.text.split()) for row in rows)
    )


def test_bad_coverage_is_a_warning_with_both_values():
    old = Coverage(5.0, 0.0, 17.0, 1.4, 0.3)
    assert coverage_warnings(old, old) == coverage_warnings(Coverage(4.9, 0.1, 16.0, 1.8, 0.4), old) == []
    for new, words in (
        (Coverage(3.9, 0.0, 17.0, 1.4, 0.3), "3.90 bits"),
        (Coverage(5.0, 0.4, 17.0, 1.4, 0.3), "40% of the units"),
        (Coverage(5.0, 0.0, 8.0, 1.4, 0.3), "8.0 speech tokens per second"),
        (Coverage(5.0, 0.0, 17.0, 6.0, 3.0), "3.00 text tokens per character"),
    ):
        (warning,) = coverage_warnings(new, old)
        assert words in warning
