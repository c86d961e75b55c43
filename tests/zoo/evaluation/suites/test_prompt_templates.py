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


def units_of(words):
    return [FIRST + WORDS.index(word) for word in words.split()]


def utterance(words, label=""):
    return Utterance(words, words, np.array(units_of(words)), label)


SHOTS = [utterance("anna ben", "farm"), utterance("tom", "sea"), utterance("vera rosa", "farm")]


@pytest.mark.parametrize(
    "name, shot, query",
    [
        (
            "asr",
            lambda words, label: [S, *units_of(words), T, *text(f"<START Transcript> {words} <END>")],
            lambda words: [S, *units_of(words), T, *text("<START Transcript>")],
        ),
        (
            "tts",
            lambda words, label: [T, *text(f"{words} 'stop'"), S, *units_of(words), *text("<speech:STOP>")],
            lambda words: [T, *text(f"{words} 'stop'"), S],
        ),
        (
            "intent",
            lambda words, label: [S, *units_of(words), T, *text("A:"), *text(label)],
            lambda words: [S, *units_of(words), T, *text("A:")],
        ),
    ],
)
def test_the_frozen_prompts(name, shot, query):
    prompt = load_template(name).build_prompt(
        VOCABULARY, [example.slots(VOCABULARY) for example in SHOTS], utterance("pia otto").slots(VOCABULARY), 1000
    )
    assert prompt.tolist() == [
        BOS,
        *(i for example in SHOTS for i in shot(example.text, example.label)),
        *query("pia otto"),
    ]


def test_as_many_of_the_last_examples_as_there_is_room_for():
    template, slots, question = (
        load_template("asr"),
        [shot.slots(VOCABULARY) for shot in SHOTS],
        utterance("pia").slots(VOCABULARY),
    )
    complete = template.build_prompt(VOCABULARY, slots, question, 1000)
    assert template.build_prompt(VOCABULARY, slots, question, len(complete)).tolist() == complete.tolist()
    assert (
        template.build_prompt(VOCABULARY, slots, question, len(complete) - 1).tolist()
        == template.build_prompt(VOCABULARY, slots[1:], question, 1000).tolist()
    )
    alone = template.build_prompt(VOCABULARY, [], question, 1000)
    assert template.build_prompt(VOCABULARY, slots, question, len(alone)).tolist() == alone.tolist()
    with pytest.raises(
        ValueError, match=f"the question alone has {len(alone)} tokens, but the prompt of this model has room for 5"
    ):
        template.build_prompt(VOCABULARY, slots, question, 5)


@pytest.mark.parametrize(
    "change, message",
    [
        ("shot", "missing shot"),
        ("modality: text", "t.txt: missing modality"),
        ("modality", "t.txt:.: expected one of modality, shot"),
    ],
)
def test_a_broken_template_is_named(change, message):
    text = "# c\nmodality: text\nshot: a{text}\nquery: b\nstop: c\n"
    changed = {
        "shot": text.replace("shot: a{text}\n", ""),
        "modality: text": text.replace("modality: text\n", ""),
        "modality": text.replace("modality: text", "modalities: text"),
    }[change]
    with pytest.raises(ValueError, match=message):
        parse_template(changed, "t.txt")
