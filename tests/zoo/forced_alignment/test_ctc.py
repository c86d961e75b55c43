import json

import pytest
import torch
from transformers import (
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
)

from tests.toy_corpus import melody
from tests.toy_wav2vec2 import tiny_wav2vec2
from zoo.forced_alignment.ctc import CTCAligner, mms_aligner, pretrained_ctc_aligner

LETTERS = {letter: index for index, letter in enumerate("-abcdeghilnostu*")}
HOP = 320


class Spelling(torch.nn.Module):
    """Recognizes the letter whose index, in hundredths, the samples of a frame have."""

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
    alignment = aligner.align(heard(path), ["Anna", "BEN"])
    found = alignment.words
    assert min(alignment.confidences) > 0.99 and alignment.phonemes is None
    assert [word for word, _, _ in found] == ["Anna", "BEN"]
    for (_, start, end), (first, last) in zip(found, ((2, 12), (16, 22)), strict=True):
        assert (start, end) == pytest.approx((first * 0.02, last * 0.02), abs=1e-3)


@pytest.mark.parametrize(
    "word, spelled", [("Größe", "gosse"), ("l'été", "lete"), ("语音", "*"), ("2", "*"), ("a-b*", "ab")]
)
def test_words_are_spelled_in_the_letters_of_the_network(word, spelled):
    assert CTCAligner(Spelling(), LETTERS).spell(word) == list(spelled)
    if spelled == "*":
        with pytest.raises(ValueError, match="no letter that this aligner knows"):
            CTCAligner(Spelling(), {letter: i for letter, i in LETTERS.items() if letter != "*"}).spell(word)


def test_too_many_letters_are_an_error():
    aligner = CTCAligner(Spelling(), LETTERS)
    for path, word in (("ab", "abc"), ("aan", "ann")):
        with pytest.raises(ValueError, match="3 letters do not fit into"):
            aligner.align(heard(path), [word])
    assert aligner.align(heard("an-n"), ["ann"]).words == (("ann", 0.0, 0.08),)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights of the MMS aligner"):
        mms_aligner(tmp_path / "model.pt")


def write_ctc(folder, letters, normalize=True, size=None):
    """A tiny random CTC checkpoint with 50 frames a second."""
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    Wav2Vec2CTCTokenizer(folder / "vocab.json").save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    torch.manual_seed(0)
    config = tiny_wav2vec2(vocab_size=size or len(letters), conv_stride=(20, 16))
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return str(folder)


UPPER = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABEGLNORST'Ü"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_ctc(tmp_path_factory.mktemp("ctc") / "tiny", UPPER)


def test_letters_case_and_delimiter_are_those_of_the_tokenizer(checkpoint):
    aligner = pretrained_ctc_aligner(checkpoint)
    assert aligner.blank == 0 and aligner.delimiter == "|" and aligner.star is None and aligner.sample_rate == 16000
    assert aligner.spell("Größe") == list("GROSSE")
    assert aligner.spell("lüs|s") == list("LÜSS")
    assert aligner._target([["A"], ["B", "E"]]) == [5, 4, 6, 7]
    with pytest.raises(ValueError, match="'42' has no letter that this aligner knows"):
        aligner.spell("42")


@pytest.mark.parametrize("seed, seconds", [(0, 0.8), (1, 2.0)])
def test_a_transformers_checkpoint_gives_each_word_a_place(checkpoint, seed, seconds):
    words = ["tag", "Nebel", "so"]
    alignment = pretrained_ctc_aligner(checkpoint).align(melody(seed, seconds), words)
    assert [word for word, _, _ in alignment.words] == words
    last_end = 0.0
    for _, start, end in alignment.words:
        assert last_end <= start < end <= seconds
        last_end = end
    assert len(alignment.confidences) == 3 and all(0 < value < 1 for value in alignment.confidences)


def test_waveforms_are_normalized_as_the_feature_extractor_does(checkpoint, tmp_path):
    plain = write_ctc(tmp_path / "plain", UPPER, normalize=False)
    waveform = melody(2)
    for path, is_same in ((checkpoint, True), (plain, False)):
        network = pretrained_ctc_aligner(path).network
        with torch.inference_mode():
            quiet, loud = network(0.1 * waveform[None])[0], network(waveform[None])[0]
        assert torch.allclose(quiet, loud, atol=1e-3) == is_same


def test_a_tokenizer_of_another_network_is_refused(tmp_path):
    with pytest.raises(ValueError, match="its tokenizer has index 16, its network 8 outputs"):
        pretrained_ctc_aligner(write_ctc(tmp_path / "w", UPPER, size=8))
