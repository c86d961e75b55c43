import pytest

from zoo.evaluation.scoring.error_rates import TextErrors, character_error_rate, word_error_rate, word_errors


def test_rates_are_those_of_the_corpus_and_not_means_over_utterances():
    estimate = word_error_rate(["The cat sat.", "no"], ["the cat", "yes"], "en")
    assert estimate.value == pytest.approx(2 / 4) and estimate.n == 2 and estimate.low <= 0.5 <= estimate.high


def test_digits_count_one_by_one_however_they_are_written():
    assert word_errors("four seven one nine", "4, 7-1 8", "en") == TextErrors(1, 4)
    assert word_errors("four seven one nine", "4719", "en") == TextErrors(0, 4)


def test_each_utterance_is_normalized_in_its_own_language():
    estimate = character_error_rate(["我爱你", "Grüße"], ["我 爱 他", "grüße!"], ["zh", "de"])
    assert estimate.value == pytest.approx(1 / 8)


def test_words_said_where_the_reference_has_none_are_insertions():
    assert word_errors("uh", "yes no", "en") == TextErrors(2, 0)
    assert word_error_rate(["uh", "a b"], ["no", "a b"], "en").value == pytest.approx(1 / 2)
    with pytest.raises(ValueError, match="none of 1 references has a word"):
        word_error_rate(["..."], ["a"])
