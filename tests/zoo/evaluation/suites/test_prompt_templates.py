import numpy as np
import pytest

from tests.toy_tokens import WORDS, words_vocabulary
from zoo.evaluation.suites.few_shot_suite import Utterance
from zoo.evaluation.suites.prompt_templates import load_template, parse_template

VOCABULARY = words_vocabulary()
BOS, EOS, T, S, FIRST = (
    VOCABULARY.bos,
    VOCABULARY.eos,
    VOCABULARY.text_marker,
    VOCABULARY.speech_marker,
    VOCABULARY.first_unit,
)


def text(words):
    return VOCABULARY.text.encode(words)


def said(words):
    return [FIRST + WORDS.index(word) for word in words.split()]


def utterance(words, label=""):
    return Utterance(words, words, np.array(said(words)), label)


SHOTS = [utterance("anna ben", "farm"), utterance("tom", "sea"), utterance("vera rosa", "farm")]


@pytest.mark.parametrize(
    "name, shot, query",
    [
        (
            "asr",
            lambda w, l: [S, *said(w), T, *text(f"<START Transcript> {w} <END>")],
            lambda w: [S, *said(w), T, *text("<START Transcript>")],
        ),
        (
            "tts",
            lambda w, l: [T, *text(f"{w} 'stop'"), S, *said(w), *text("<speech:STOP>")],
            lambda w: [T, *text(f"{w} 'stop'"), S],
        ),
        ("intent", lambda w, l: [S, *said(w), T, *text("A:"), *text(l)], lambda w: [S, *said(w), T, *text("A:")]),
    ],
)
def test_the_frozen_prompts(name, shot, query):
    prompt = load_template(name).build_prompt(
        VOCABULARY, [one.slots(VOCABULARY) for one in SHOTS], utterance("pia otto").slots(VOCABULARY), 1000
    )
    assert prompt.tolist() == [BOS, *(i for one in SHOTS for i in shot(one.text, one.label)), *query("pia otto")]


def test_as_many_of_the_last_examples_as_there_is_room_for():
    form, slots, asked = (
        load_template("asr"),
        [one.slots(VOCABULARY) for one in SHOTS],
        utterance("pia").slots(VOCABULARY),
    )
    whole = form.build_prompt(VOCABULARY, slots, asked, 1000)
    assert form.build_prompt(VOCABULARY, slots, asked, len(whole)).tolist() == whole.tolist()
    assert (
        form.build_prompt(VOCABULARY, slots, asked, len(whole) - 1).tolist()
        == form.build_prompt(VOCABULARY, slots[1:], asked, 1000).tolist()
    )
    alone = form.build_prompt(VOCABULARY, [], asked, 1000)
    assert form.build_prompt(VOCABULARY, slots, asked, len(alone)).tolist() == alone.tolist()
    with pytest.raises(
        ValueError, match=f"the question alone has {len(alone)} tokens, but the prompt of this model has room for 5"
    ):
        form.build_prompt(VOCABULARY, slots, asked, 5)


@pytest.mark.parametrize(
    "spoil, says",
    [
        ("shot", "missing shot"),
        ("modality: text", "t.txt: missing modality"),
        ("modality", "t.txt:.: expected one of modality, shot"),
    ],
)
def test_a_broken_template_is_named(spoil, says):
    whole = "# c\nmodality: text\nshot: a{text}\nquery: b\nstop: c\n"
    changed = {
        "shot": whole.replace("shot: a{text}\n", ""),
        "modality: text": whole.replace("modality: text\n", ""),
        "modality": whole.replace("modality: text", "modalities: text"),
    }[spoil]
    with pytest.raises(ValueError, match=says):
        parse_template(changed, "t.txt")
