import numpy as np
import pytest
import torch

from tests.toy_tokens import WORDS, tiny_network, words_vocabulary
from zoo.evaluation.generation import few_shot
from zoo.evaluation.generation.few_shot import FewShotAnswer, FewShotEvaluator, most_frequent_label, most_frequent_word
from zoo.evaluation.judged_synthesis import judge_synthesis
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.suites.few_shot_suite import Utterance

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


@pytest.fixture
def answering(monkeypatch):
    """Answer by a script in place of the network, from the prompt."""
    recorded_prompts = []

    def answer(script):
        def fake(network, vocabulary, prompts, to, sampling, stop=(), title=""):
            recorded_prompts.extend(prompts)
            return [np.array(script(prompt.tolist()), dtype=np.int64) for prompt in prompts]

        monkeypatch.setattr(few_shot, "generate_continuations", fake)
        return recorded_prompts

    return answer


def test_word_errors_worked_by_hand(answering):
    tested = [utterance("anna ben tom"), utterance("vera rosa"), utterance("pia")]
    answers = {"anna ben tom": "anna tom", "vera rosa": "vera rosa", "pia": "Ida otto"}
    answering(
        lambda prompt: text(
            next(
                a
                for w, a in answers.items()
                if prompt[-len(units_of(w)) - len(text("<START Transcript>")) - 1 :][: len(units_of(w))] == units_of(w)
            )
        )
    )
    result = FewShotEvaluator(tiny_network(VOCABULARY), VOCABULARY, num_shots=2, max_new_tokens=10).recognize(
        SHOTS, tested
    )
    assert result.estimate.value == pytest.approx((1 + 0 + 2) / 6) and result.measure == "word_error_rate"
    assert (
        result.answers[0] == FewShotAnswer("anna ben tom", "anna ben tom", "anna tom") and result.report()["shots"] == 2
    )


def test_character_errors_of_the_transcripts_of_a_recognizer(answering):
    answering(lambda prompt: units_of("anna ben") if prompt[-1] == S else [])
    model = FewShotEvaluator(tiny_network(VOCABULARY), VOCABULARY, num_shots=1, max_new_tokens=10)

    def vocoder(tokens):
        return torch.tensor(tokens.unit.astype(float))

    def recognizer(waveforms, sample_rate):
        assert sample_rate == 8000
        return [" ".join(WORDS[int(unit)] for unit in waveform) for waveform in waveforms]

    tested = [utterance("anna ben"), utterance("anna jan")]
    waveforms = model.synthesize(SHOTS, tested, vocoder)
    result, judged = judge_synthesis(tested, waveforms, SpeechJudges(recognizer), 8000, num_shots=1)
    assert judged["word_error_rate"]["word_error_rate"] == pytest.approx(1 / 4) and len(judged) == 1
    assert (
        result.estimate.value == pytest.approx(2 / 16) and result.measure == "character_error_rate"
    )  # ben for jan: two letters


def test_intents_are_matched_exactly(answering):
    answering(lambda prompt: text("Farm"))
    tested = [utterance("tom", "farm"), utterance("pia", "sea"), utterance("ida", "the farm")]
    result = FewShotEvaluator(tiny_network(VOCABULARY), VOCABULARY, num_shots=3, max_new_tokens=10).classify(
        SHOTS, tested
    )
    assert result.estimate.value == pytest.approx(1 / 3)
    assert most_frequent_label(tested + [utterance("kim", "farm")]).value == 0.5


def test_the_most_frequent_word_is_a_baseline():
    shots = [utterance("tom anna"), utterance("ben tom")]
    result = most_frequent_word("word_error_rate", shots, [utterance("tom pia"), utterance("tom"), utterance("ida")])
    assert result.estimate.value == pytest.approx((1 + 0 + 1) / 4)
    assert most_frequent_word("character_error_rate", shots, [utterance("tom pia")]).estimate.value == pytest.approx(
        4 / 7
    )


def test_examples_are_a_function_of_seed_and_utterance_and_end_with_the_question(answering):
    prompts = answering(lambda prompt: [])
    tested, network = [utterance("tom"), utterance("pia")], tiny_network(VOCABULARY)
    for seed, questions in ((0, tested), (0, tested[1:]), (1, tested)):
        FewShotEvaluator(network, VOCABULARY, num_shots=3, seed=seed, max_new_tokens=10).recognize(SHOTS, questions)
    assert prompts[1].tolist() == prompts[2].tolist()
    assert all(
        prompt[-len(text("<START Transcript>")) - 2 :].tolist()[:1] == units_of(word)
        for prompt, word in zip(prompts, ("tom", "pia", "pia", "tom", "pia"), strict=True)
    )
    with pytest.raises(ValueError, match="4 shots, but the suite has 3"):
        FewShotEvaluator(network, VOCABULARY, num_shots=4, max_new_tokens=10).recognize(SHOTS, tested)
