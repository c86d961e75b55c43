import pytest

from zoo.corpora.textgrid import read_textgrid, read_tiers, write_textgrid

WORDS = (("say", 0.1, 0.35), ('"hi"', 0.35, 0.612345), ("Größe", 0.7, 1.2))
PHONES = (("S", 0.1, 0.2), ("EY", 0.2, 0.35))


def test_times_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "folder" / "a.TextGrid"
    write_textgrid(path, 1.25, WORDS, PHONES)
    times = read_textgrid(path)
    assert times.words == WORDS
    assert times.phonemes == PHONES
    assert [item.name for item in path.parent.iterdir()] == ["a.TextGrid"]


@pytest.mark.parametrize("encoding, line_end", [("utf-8", "\r\n"), ("utf-16", "\n"), ("utf-8-sig", "\n")])
def test_encodings_and_line_ends_of_praat(tmp_path, encoding, line_end):
    path = tmp_path / "a.TextGrid"
    write_textgrid(path, 1.25, WORDS)
    text = path.read_text(encoding="utf-8")
    path.write_bytes(text.replace("\n", line_end).encode(encoding))
    assert read_textgrid(path).words == WORDS
    assert read_textgrid(path).phonemes is None


SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
{tiers}
"""
TIER = '"IntervalTier"\n"{name}"\n0\n1.5\n3\n0\n0.5\n"{first}"\n0.5\n1.0\n"b"\n1.0\n1.5\n""'


def short_form(path, *tiers):
    bodies = [TIER.format(name=name, first=first) for name, first in tiers]
    path.write_text(SHORT.format(tiers="\n".join([str(len(tiers)), *bodies])))
    return path


@pytest.mark.parametrize("pause", ["", "sil", "SP", "<eps>", "spn"])
def test_pauses_are_left_out(tmp_path, pause):
    path = short_form(tmp_path / "a.TextGrid", ("words", pause), ("phones", "a"))
    assert read_textgrid(path).words == (("b", 0.5, 1.0),)
    assert read_textgrid(path).phonemes == (("a", 0.0, 0.5), ("b", 0.5, 1.0))


def test_tiers_are_found_by_the_names_that_aligners_give(tmp_path):
    path = short_form(tmp_path / "a.TextGrid", ("notes", "x"), ("anna - phones", "p"), ("anna - words", "w"))
    assert read_textgrid(path).words[0][0] == "w"
    assert read_textgrid(path).phonemes[0][0] == "p"
    assert read_textgrid(path, word_tier="notes").words[0][0] == "x"
    assert list(read_tiers(path)) == ["notes", "anna - phones", "anna - words"]
    with pytest.raises(ValueError, match="a.TextGrid: no interval tier 'wrds'; it has notes, anna - phones"):
        read_textgrid(path, word_tier="wrds")


def test_a_single_tier_of_any_name_holds_the_words(tmp_path):
    assert read_textgrid(short_form(tmp_path / "a.TextGrid", ("Transkript", "w"))).words[0][0] == "w"
    two = read_textgrid(short_form(tmp_path / "b.TextGrid", ("x", "w"), ("y", "w")))
    assert two.words is None and two.phonemes is None


@pytest.mark.parametrize("content", [b"", b"hello", SHORT.format(tiers="2").encode(), b"\xff\xfe\x00", b"File \xf6"])
def test_other_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.TextGrid: not a TextGrid") as error:
        read_textgrid(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="b.TextGrid"):
        read_textgrid(tmp_path / "b.TextGrid")
    with pytest.raises(ValueError, match="not a regular file"):
        read_textgrid(tmp_path)


@pytest.mark.parametrize(
    "words", [(("a", 0.0, 0.5), ("b", 0.4, 0.9)), (("a", 0.5, 0.5),), (("a", 0.0, 2.0),), (("a", -0.5, 0.2),), None]
)
def test_wrong_times_are_not_written(tmp_path, words):
    with pytest.raises(ValueError, match="a.TextGrid"):
        write_textgrid(tmp_path / "a.TextGrid", 1.0, words)
    assert list(tmp_path.iterdir()) == []
