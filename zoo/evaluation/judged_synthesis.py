"""Judges of speech that a language model synthesizes from text by examples in the prompt."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from zoo.audio import read
from zoo.evaluation.generation.few_shot import FewShotResult, measure_errors
from zoo.evaluation.judged_resynthesis import estimates_of
from zoo.evaluation.judges.speech_judges import JudgedSpeech, SpeechJudges
from zoo.evaluation.resynthesis import gather_scores
from zoo.evaluation.suites.few_shot_suite import Utterance


def judge_synthesis(
    tested: Sequence[Utterance], waveforms: Sequence[Tensor], judges: SpeechJudges, sample_rate: int, num_shots: int
) -> tuple[FewShotResult, dict[str, Any]]:
    """Return the character error rate of synthesized speech, and what else judges say of it.

    Args:
        tested: Utterances whose text was synthesized; the voice is compared with their recordings.
        waveforms: Speech of each, (N,).
        judges: Judges with a recognizer, which must not have been trained on speech of this model.
        sample_rate: Sample rate of the speech, in Hz.
        num_shots: Requested number of examples in each prompt.
    """
    assert judges.recognizer is not None
    transcripts = judges.recognizer(waveforms, sample_rate)
    characters = measure_errors("character_error_rate", tested, transcripts, num_shots)
    words = measure_errors("word_error_rate", tested, transcripts, num_shots)
    speech = []
    for utterance, waveform in zip(tested, waveforms, strict=True):
        recording = None if utterance.audio is None else read(utterance.audio, sample_rate)
        speech.append(JudgedSpeech(waveform, recording))
    others = SpeechJudges(None, judges.speaker_encoder, judges.opinions)  # the transcripts are there already
    judged = estimates_of(gather_scores(others(speech, sample_rate)))
    return characters, {words.measure: words.estimate.named(words.measure), **judged}
