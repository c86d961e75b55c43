import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForXVector

from tests.toy_wav2vec2 import tiny_wav2vec2
from zoo.audio import AudioError
from zoo.evaluation.judges.speakers import Resemblyzer, XVectors, speaker_similarity


def buzz(frequency, seconds=1.0, sample_rate=16000):
    """A sawtooth with a slow change of level, on which a detector of voices does not rely."""
    time = torch.arange(int(seconds * sample_rate)) / sample_rate
    return (0.3 * (2 * (time * frequency % 1) - 1) * (1 + 0.3 * torch.sin(20 * time))).float()


@pytest.fixture(scope="module")
def xvectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xvector")
    torch.manual_seed(0)
    config = tiny_wav2vec2(tdnn_dim=(8, 8, 8, 8, 16), xvector_output_dim=8)
    Wav2Vec2ForXVector(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return XVectors(str(folder))


def resemblyzer():
    pytest.importorskip("resemblyzer", reason="Resemblyzer is not installed")
    return Resemblyzer()


@pytest.mark.parametrize("name", ["xvectors", "resemblyzer"])
def test_embeddings_have_unit_length_whatever_else_is_in_the_batch(name, request):
    encoder = resemblyzer() if name == "resemblyzer" else request.getfixturevalue(name)
    waveforms = [buzz(120, 2.5), torch.zeros(16000), buzz(220, 0.1), buzz(180)]
    embeddings = encoder(waveforms, 16000)
    assert embeddings[1].isnan().all()
    assert torch.allclose(embeddings[[0, 2, 3]].norm(dim=1), torch.ones(3), atol=1e-5)
    for number in (0, 2, 3):
        assert torch.allclose(encoder([waveforms[number]], 16000)[0], embeddings[number], atol=1e-5)


def test_similarity_is_1_for_the_same_speech_0_for_silence_and_undefined_for_a_silent_recording(xvectors):
    voice = buzz(120)
    silence = torch.zeros(16000)
    similarity = speaker_similarity(xvectors, [voice, silence, voice], [voice, voice, silence], 16000)
    assert similarity[:2].tolist() == pytest.approx([1, 0], abs=1e-5) and similarity[2].isnan()


def test_resemblyzer_gives_the_embedding_of_its_package():
    encoder = resemblyzer()
    from resemblyzer import VoiceEncoder, preprocess_wav

    waveform = buzz(140, 3.0)
    expected = VoiceEncoder("cpu", verbose=False).embed_utterance(preprocess_wav(waveform.numpy()))
    assert torch.allclose(encoder([waveform], 16000)[0], torch.from_numpy(expected), atol=1e-5)


def test_bad_checkpoints_packages_and_speech_are_refused(tmp_path, xvectors, monkeypatch):
    with pytest.raises(AudioError, match="NaN or infinity"):
        xvectors([torch.full((16000,), float("inf"))], 16000)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="no x-vector model"):
        XVectors(str(tmp_path))([buzz(100)], 16000)
    monkeypatch.setattr("zoo.evaluation.judges.speakers.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install --no-deps Resemblyzer"):
        Resemblyzer()
