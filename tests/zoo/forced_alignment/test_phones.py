import pytest

from zoo.corpora.espeak import Synthesizer, Voice
from zoo.forced_alignment.phones import PocketsphinxAligner

pytest.importorskip("pocketsphinx", reason="needs the extra phones")


@pytest.fixture(scope="module")
def speech():
    return Synthesizer().synthesize("seven dogs jump over zoo", Voice("en-us")).waveform


WORDS = ("Seven", "dogs,", "jump", "over", "zoo.")


def test_phones_fill_the_words_in_order(speech):
    alignment = PocketsphinxAligner().align(speech, WORDS, "en-GB")
    assert [word for word, _, _ in alignment.words] == list(WORDS)
    assert all(0 < confidence <= 1 for confidence in alignment.confidences)
    names = [phone for phone, _, _ in alignment.phonemes]
    assert names[:5] == ["S", "EH", "V", "AH", "N"] and names[-2:] == ["Z", "UW"]
    last_end = 0.0
    for _, start, end in alignment.phonemes:
        assert last_end <= start < end <= len(speech) / 16000
        last_end = end
    assert alignment.phonemes[0][1] == alignment.words[0][1] and alignment.phonemes[-1][2] == alignment.words[-1][2]


def test_times_do_not_depend_on_earlier_utterances(speech):
    aligner = PocketsphinxAligner()
    first = aligner.align(speech, WORDS)
    aligner.align(0.1 * speech[8000:], WORDS[2:])
    with pytest.raises(ValueError):
        aligner.align(speech[:800], WORDS)
    assert aligner.align(speech, WORDS) == first


def test_words_out_of_the_dictionary_are_named_and_can_be_added(speech, tmp_path):
    words = ("Seven", "dogs", "jump", "over", "Zzoo")
    with pytest.raises(ValueError, match="'Zzoo' is not in the pronouncing dictionary; add it by dictionary=FILE"):
        PocketsphinxAligner().align(speech, words)
    path = tmp_path / "more.dict"
    path.write_text("zzoo  Z UW\n# a comment\n")
    alignment = PocketsphinxAligner(path).align(speech, words)
    assert [phone for phone, _, _ in alignment.phonemes][-2:] == ["Z", "UW"]


def test_wrong_inputs_are_refused_in_one_line(speech, tmp_path):
    with pytest.raises(ValueError, match="language 'de'; PocketSphinx has an English model only"):
        PocketsphinxAligner().align(speech, WORDS, "de")
    with pytest.raises(ValueError, match="no words to align"):
        PocketsphinxAligner().align(speech, [])
    with pytest.raises(ValueError, match="18 phones do not fit into 0.10 s of audio") as error:
        PocketsphinxAligner().align(speech[:1600], WORDS)
    assert "\n" not in str(error.value)
    (tmp_path / "more.dict").write_text("zoo Z UW\nzzoo\n")
    with pytest.raises(ValueError, match="more.dict:2: want a word and its phones"):
        PocketsphinxAligner(tmp_path / "more.dict")
