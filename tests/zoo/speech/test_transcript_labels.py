import pytest

from zoo.speech.transcript_labels import Characters, normalize_transcript


def test_transcripts_are_normalized_for_reading():
    assert (
        normalize_transcript(" It\u2019s  the  Well-known DOG, \u201cFido\u201d: 3! ")
        == "it's the well known dog fido 3"
    )
    assert normalize_transcript("Stra\u00dfe \u2014 \u00c4rger") == "strasse \u00e4rger"


def test_characters_are_those_of_the_texts_and_others_are_left_out(tmp_path):
    labels = Characters.of_texts(["Ab, c", "ba"])
    assert labels.alphabet == " abc"
    assert labels.decode(labels.encode("A xb!")) == "a b"
    labels.save(tmp_path)
    assert Characters.load(tmp_path).alphabet == labels.alphabet
    with pytest.raises(ValueError, match="twice"):
        Characters("aba")
    with pytest.raises(FileNotFoundError, match=r"characters\.json"):
        Characters.load(tmp_path / "nowhere")


def test_outputs_of_ctc_are_merged_unless_a_blank_separates_them():
    labels = Characters(" ab")
    blank = len(labels)
    assert labels.read([1, 1, blank, 1, 2, 2, 0, blank, blank, 2]) == "aab b"
    assert labels.read([blank, blank]) == ""
