import pytest

from tests.toy_prosody import write_corpus
from zoo.corpora import SpeakerFold, open_corpus, prepare, read_cuts, utterance


def test_every_speaker_is_left_out_once(tmp_path):
    write_corpus(tmp_path, 1)
    source, left_out = open_corpus(tmp_path / "source"), []
    for part in range(4):
        prepare(SpeakerFold(source, part, 4), tmp_path / str(part))
        dev, train = ([utterance(cut) for cut in read_cuts(tmp_path / str(part), split)] for split in ("dev", "train"))
        assert not {one.speaker for one in dev} & {one.speaker for one in train} and len(dev) + len(train) == 8
        left_out += sorted({one.speaker for one in dev})
    assert left_out == ["ann", "bob", "cat", "dan"]
    two = [
        {utterance(cut).speaker for cut in SpeakerFold(source, part, 2).splits(tmp_path)["dev"]} for part in range(2)
    ]
    assert two == [{"ann", "cat"}, {"bob", "dan"}]


@pytest.mark.parametrize(
    "part, parts, message", [(0, 5, "has 4 speakers"), (4, 4, "counted from 0"), (0, 1, "at least two parts")]
)
def test_what_cannot_be_left_out_is_told(tmp_path, part, parts, message):
    write_corpus(tmp_path, 1)
    with pytest.raises(ValueError, match=message):
        SpeakerFold(open_corpus(tmp_path / "source"), part, parts).splits(tmp_path)
