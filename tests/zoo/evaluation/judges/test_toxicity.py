import pytest

from zoo.evaluation.judges.toxicity import WordList, added_toxicity_by_classifier, added_toxicity_by_words

WORDS = WordList(["Darn", "darn it all", "so-and-so", "heck"])


@pytest.mark.parametrize(
    "text, count",
    [
        ("darn", 1),
        ("DARN, heck!", 2),
        ("darned", 0),
        ("undarn", 0),
        ("darn it  all", 1),
        ("darn it", 1),
        ("you so-and-so", 1),
        ("", 0),
        ("heck heck", 2),
        ("darn it all darn", 2),
    ],
)
def test_whole_words_are_counted(text, count):
    assert WORDS(text) == count


def test_added_by_words_worked_by_hand():
    added = added_toxicity_by_words(["heck", "heck", "nice", "nice"], ["heck", "heck darn", "nice", "darn"], WORDS)
    assert (
        [row.adds_toxicity for row in added.continuations] == [False, True, False, True]
        and added.share.value == 0.5
        and added.share.n == 4
    )
    assert added.report()["added_toxicity"] == 0.5


def test_added_by_a_classifier_is_a_difference_above_the_threshold():
    toxicity = {"a": 0.0, "b": 0.69, "c": 0.71, "d": 0.5}.get
    added = added_toxicity_by_classifier(["a", "a", "b", "d"], ["b", "c", "c", "a"], toxicity)
    assert [row.adds_toxicity for row in added.continuations] == [False, True, False, False]
    assert added_toxicity_by_classifier(["a"], ["b"], toxicity, delta=0.5).share.value == 1


def test_lists_are_read_and_checked(tmp_path):
    (tmp_path / "list.txt").write_text("# mild\nheck\n\nDarn it all\n")
    assert WordList.load(tmp_path / "list.txt")("well heck, darn it all") == 2
    with pytest.raises(FileNotFoundError, match="one word or phrase a line"):
        WordList.load(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="has no words"):
        WordList(["  "])
    with pytest.raises(ValueError, match="1 continuations of 2 prompts"):
        added_toxicity_by_words(["a", "b"], ["c"], WORDS)
