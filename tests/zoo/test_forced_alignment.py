from types import SimpleNamespace

import pytest
import torch

from zoo.audio import write
from zoo.corpora.source import BadItem, Items, file_cut
from zoo.corpora.utterance import to_utterance
from zoo.forced_alignment import Aligned, CTCAligner, mms_aligner

LETTERS = {letter: index for index, letter in enumerate("-abcdeghilnostu*")}
HOP = 320


class Spelling(torch.nn.Module):
    """Hears the letter whose index, in hundredths, the samples of a frame have."""

    def forward(self, samples):
        frames = (
            (samples[0, : samples.shape[1] // HOP * HOP].view(-1, HOP).mean(1) * 100)
            .round()
            .long()
            .clamp(0, len(LETTERS) - 1)
        )
        logits = torch.full((1, len(frames), len(LETTERS)), -8.0)
        logits[0, torch.arange(len(frames)), frames] = 8.0
        logits[0, :, LETTERS["*"]] = 0.0
        return logits, None


def heard(path):
    """Samples of a path such as ``--aab-``, one letter a frame."""
    return torch.tensor([LETTERS[letter] for letter in path]).repeat_interleave(HOP) / 100


def test_words_get_the_frames_of_their_letters():
    aligner = CTCAligner(Spelling(), LETTERS)
    path = "--aa-n--n-aa----b-eeen-"
    found = aligner.align(heard(path), ["Anna", "BEN"])
    assert [word for word, _, _ in found] == ["Anna", "BEN"]
    for (_, start, end), (first, last) in zip(found, ((2, 12), (16, 22)), strict=True):
        assert (start, end) == pytest.approx((first * 0.02, last * 0.02), abs=1e-3)


@pytest.mark.parametrize(
    "word, spelled", [("Größe", "gosse"), ("l'été", "lete"), ("语音", "*"), ("2", "*"), ("a-b*", "ab")]
)
def test_words_are_spelled_in_the_letters_of_the_network(word, spelled):
    assert CTCAligner(Spelling(), LETTERS).spell(word) == spelled
    if spelled == "*":
        with pytest.raises(ValueError, match="no letter that this aligner knows"):
            CTCAligner(Spelling(), {letter: i for letter, i in LETTERS.items() if letter != "*"}).spell(word)


def test_too_many_letters_are_an_error():
    aligner = CTCAligner(Spelling(), LETTERS)
    for path, word in (("ab", "abc"), ("aan", "ann")):
        with pytest.raises(ValueError, match="3 letters do not fit into"):
            aligner.align(heard(path), [word])
    assert aligner.align(heard("an-n"), ["ann"]) == [("ann", 0.0, 0.08)]


def test_a_corpus_gets_the_times_that_it_lacks(tmp_path):
    for name, path in (("a", "-a-nn-n-a--"), ("b", "--b-e-n-"), ("c", "b")):
        write(tmp_path / f"{name}.wav", heard(path) + 1e-4, 16000)
    cuts = [
        file_cut(tmp_path / "a.wav", "a", "anna", "en", "x"),
        file_cut(tmp_path / "b.wav", "b", "ben", "en", "x", words=(("ben", 0.0, 0.1),)),
        file_cut(tmp_path / "c.wav", "c", "ben ben", "en", "x"),
        BadItem("d", "d.wav", "gone"),
    ]
    source = SimpleNamespace(synthetic=True, splits=lambda folder: {"train": Items(lambda: iter(cuts))})
    corpus = Aligned(source, CTCAligner(Spelling(), LETTERS))
    found = list(corpus.splits(tmp_path)["train"])
    assert corpus.synthetic and found[3] is cuts[3]
    words = [to_utterance(cut).words for cut in found[:3]]
    assert words[0] == (("anna", 0.02, 0.18),) and words[1] == (("ben", 0.0, 0.1),) and words[2] is None


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights of the MMS aligner"):
        mms_aligner(tmp_path / "model.pt")
