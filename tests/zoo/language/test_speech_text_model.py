"""The interface of a whole model: prompts of every kind, and what each short name does."""

import pytest
import torch

import spiritlm_zoo as szoo
from tests.toy_run import write_models, write_suite
from zoo.audio import read
from zoo.tokens.merged_streams import Tokens

GREEDY = szoo.Sampling(12, temperature=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_models(folder / "runs" / "quickstart")
    write_suite(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return szoo.load(str(folder / "runs" / "quickstart"))


@pytest.fixture(scope="module")
def recording(folder):
    return folder / "speech.wav"


def test_a_file_a_waveform_and_tokens_are_the_same_prompt(model, recording):
    waveform = read(recording, model.tokenizer.sample_rate)
    tokens = model.encode(str(recording))
    assert isinstance(tokens, Tokens) and str(tokens) == str(model.encode(waveform)) == str(model.encode(recording))
    answers = [
        model.generate(prompt, "text", GREEDY).text for prompt in (recording, waveform, tokens, [recording], [waveform])
    ]
    assert len(set(answers)) == 1
    assert answers[0] == model.transcribe(recording, max_new_tokens=12)
    assert isinstance(model.transcribe(recording, num_beams=3, max_new_tokens=5), str)


def test_a_bare_string_is_one_text_and_not_its_characters(model):
    assert model.generate("anna tom", "speech", GREEDY).text == model.generate(["anna tom"], "speech", GREEDY).text
    whole, listed = (model.generate(prompt, "speech", GREEDY) for prompt in ("anna tom", ["anna tom"]))
    assert [str(segment) for segment in whole.segments] == [str(segment) for segment in listed.segments]
    bare = list(model.stream("anna", "text", GREEDY))
    assert bare == list(model.stream(["anna"], "text", GREEDY))


def test_speech_is_synthesized_from_units(model, recording):
    tokens = model.encode(recording)
    assert model.decode(tokens).shape == model.vocoder(tokens).shape
    resynthesis = model.resynthesize(recording, "en_m3")
    assert len(resynthesis) == pytest.approx(len(read(recording, 16000)), abs=2 * 640)
    sampling = szoo.Sampling(20, seed=1)
    torch.testing.assert_close(model.speak("anna", sampling), model.generate("anna", "speech", sampling).waveform)


def test_a_modality_that_does_not_exist_names_those_that_do(model):
    for call in (model.generate, lambda *arguments: list(model.stream(*arguments))):
        with pytest.raises(ValueError, match="to='tex': want one of text, speech, any; did you mean 'text'"):
            call("anna", "tex")


def test_without_a_vocoder_the_remedy_is_told(folder, recording):
    run = folder / "runs" / "quickstart"
    silent = szoo.SpeechTextModel.load(folder, run / "language_model" / "model", run / "tokenizer" / "tokenizer")
    assert silent.vocoder is None
    for call in (lambda: silent.speak("anna"), lambda: silent.resynthesize(recording)):
        with pytest.raises(ValueError, match="this model has no vocoder to synthesize speech: load it with vocoder="):
            call()


def test_a_model_that_ends_at_once_says_so(model, folder, capsys, monkeypatch):
    from recipes.commands import cli

    head = model.network.get_output_embeddings()
    monkeypatch.setattr(szoo.SpeechTextModel, "load", lambda *_: model)
    with monkeypatch.context() as patch:
        patch.setattr(head, "forward", lambda hidden: wish_end(hidden, model.vocabulary))
        for options in ([], ["--stream"]):
            run = str(folder / "runs" / "quickstart")
            cli.main(["generate", "--run", run, "--text", "anna", "--to", "text", *options])
            assert "the model ended at once" in capsys.readouterr().out
        with pytest.raises(ValueError, match="no speech for 'anna': the model ended at once"):
            model.speak("anna")


def wish_end(hidden, vocabulary):
    """Logits that leave nothing but the end token."""
    logits = torch.zeros(*hidden.shape[:-1], vocabulary.num_rows)
    logits[..., vocabulary.eos] = 1000.0
    return logits


def test_paths_may_be_strings_everywhere(folder):
    run = folder / "runs" / "quickstart"
    assert isinstance(szoo.load_tokenizer(str(run / "tokenizer" / "tokenizer")).sample_rate, int)
    assert szoo.Vocoder.load(str(run / "vocoder" / "vocoder")).sample_rate == 16000
