import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.toy_corpus import melody
from tests.toy_whisper import write_aligning_whisper
from zoo.corpora.espeak import Synthesizer, Voice
from zoo.forced_alignment.aligner import MIN_WORD_SECONDS
from zoo.forced_alignment.whisper import WhisperAligner

WORDS = ("One", "two", "größer", "three,", "a")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(write_aligning_whisper(tmp_path_factory.mktemp("whisper") / "tiny"))


@pytest.mark.parametrize("seed, seconds", [(0, 0.9), (1, 1.3), (2, 2.0)])
def test_every_word_has_a_place_in_order_and_within_the_audio(checkpoint, seed, seconds):
    waveform = melody(seed, seconds)
    alignment = WhisperAligner(checkpoint, language="en").align(waveform, WORDS)
    assert [word for word, _, _ in alignment.words] == list(WORDS)
    last_end = 0.0
    for _, start, end in alignment.words:
        assert last_end <= start and start + MIN_WORD_SECONDS / 2 <= end <= seconds + 1e-6
        last_end = end
    assert len(alignment.confidences) == len(WORDS) and all(0 <= value <= 1 for value in alignment.confidences)
    assert alignment.phonemes is None


def test_the_same_speech_gives_the_same_times(checkpoint):
    first = WhisperAligner(checkpoint).align(melody(3), WORDS, "en-US")
    again = WhisperAligner(checkpoint, language="en").align(melody(3), WORDS)
    assert first == again


def test_the_encoder_is_that_of_transformers(checkpoint):
    aligner = WhisperAligner(checkpoint, language="en")
    waveform = melody(4, 2.0)
    features = aligner.feature_extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    expected = aligner.network.get_encoder()(features).last_hidden_state
    torch.testing.assert_close(aligner._encode(waveform), expected)


def test_confidences_are_the_probabilities_of_the_tokens(checkpoint):
    aligner = WhisperAligner(checkpoint)
    waveform = melody(5, 2.0)
    alignment = aligner.align(waveform, ["ab", "c"], "en")
    features = aligner.feature_extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    prompt = ["<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    ids = [*aligner.tokenizer.convert_tokens_to_ids(prompt), *aligner.tokenizer.encode(" ab c")]
    logits = aligner.network(features, decoder_input_ids=torch.tensor([ids])).logits[0].softmax(-1)
    probabilities = [logits[index - 1, ids[index]].item() for index in range(len(prompt), len(ids))]
    expected = (np.mean(probabilities[:3]), np.mean(probabilities[3:]))
    assert alignment.confidences == pytest.approx(expected, abs=1e-4)


def test_words_of_languages_without_spaces_have_none(checkpoint):
    aligner = WhisperAligner(checkpoint)
    assert sum(map(len, aligner._word_tokens(["你", "好"], "zh-CN"))) == len(aligner.tokenizer.encode("你好"))
    assert sum(map(len, aligner._word_tokens(["a", "b"], "en"))) == len(aligner.tokenizer.encode(" a b"))


def test_heads_of_the_checkpoint_or_the_last_half_of_its_layers(checkpoint, tmp_path):
    assert WhisperAligner(checkpoint).heads == [(1, 0), (1, 1)]
    assert WhisperAligner(str(write_aligning_whisper(tmp_path / "w", heads=[[0, 1]]))).heads == [(0, 1)]
    assert WhisperAligner(checkpoint, heads=[(0, 0)]).heads == [(0, 0)]
    with pytest.raises(ValueError, match="has layers 0 to 1 with heads 0 to 1, got layer 2, head 0"):
        WhisperAligner(checkpoint, heads=[(2, 0)])


@pytest.mark.parametrize(
    "seconds, words, language, message",
    [
        (2.5, ["a"], "en", "2.5 s of audio; Whisper aligns up to 2 s"),
        (2.0, ["abcdefghij"] * 4, "en", "49 tokens; this Whisper takes up to 40"),
        (0.1, ["a", "b"], "en", "9 tokens do not fit into 0.10 s"),
        (1.0, [], "en", "no words to align"),
        (1.0, ["a"], "xx", r"no token <\|xx\|> \(language 'xx'\); set language="),
    ],
)
def test_what_cannot_be_aligned_is_refused_in_one_line(checkpoint, seconds, words, language, message):
    with pytest.raises(ValueError, match=message) as error:
        WhisperAligner(checkpoint).align(torch.zeros(round(seconds * 16000)), words, language)
    assert "\n" not in str(error.value)


def test_other_checkpoints_and_languages_are_refused(checkpoint, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
    with pytest.raises(ValueError, match="is a hubert, not a Whisper"):
        WhisperAligner(str(tmp_path))
    with pytest.raises(ValueError, match=r"no token <\|klingon\|>"):
        WhisperAligner(checkpoint, language="klingon")


@pytest.mark.skipif("PRETRAINED" not in os.environ, reason="PRETRAINED names no folder of real checkpoints")
def test_a_real_whisper_finds_the_words_of_synthetic_speech():
    speech = Synthesizer().synthesize("The quick fox jumps over seven lazy dogs.", Voice("en-us"))
    words = [word for word, _, _ in speech.words]
    checkpoint = Path(os.environ["PRETRAINED"]) / "whisper-base"
    alignment = WhisperAligner(str(checkpoint), language="en").align(speech.waveform, words)
    errors = []
    for (_, start, _), (_, expected, _) in zip(alignment.words, speech.words, strict=True):
        errors.append(abs(start - expected))
    assert np.median(errors) < 0.1
