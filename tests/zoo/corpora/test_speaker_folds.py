import pytest

from tests.toy_prosody import write_corpus
from zoo.corpora import SpeakerFold, open_corpus, prepare, read_cuts, to_utterance


def speakers(cuts):
    return {to_utterance(cut).speaker for cut in cuts}


def test_every_speaker_is_held_out_once(tmp_path):
    write_corpus(tmp_path, 1)
    source = open_corpus(tmp_path / "source")
    held_out = []
    for fold in range(4):
        prepare(SpeakerFold(source, fold, 4), tmp_path / str(fold))
        dev = list(read_cuts(tmp_path / str(fold), "dev"))
        train = list(read_cuts(tmp_path / str(fold), "train"))
        assert not speakers(dev) & speakers(train)
        assert len(dev) + len(train) == 8
        held_out += sorted(speakers(dev))
    assert held_out == ["ann", "bob", "cat", "dan"]
    halves = [speakers(SpeakerFold(source, fold, 2).splits(tmp_path)["dev"]) for fold in range(2)]
    assert halves == [{"ann", "cat"}, {"bob", "dan"}]


@pytest.mark.parametrize(
    "fold, num_folds, message", [(0, 5, "has 4 speakers"), (4, 4, "counted from 0"), (0, 1, "at least two folds")]
)
def test_an_impossible_fold_is_an_error(tmp_path, fold, num_folds, message):
    write_corpus(tmp_path, 1)
    with pytest.raises(ValueError, match=message):
        SpeakerFold(open_corpus(tmp_path / "source"), fold, num_folds).splits(tmp_path)
