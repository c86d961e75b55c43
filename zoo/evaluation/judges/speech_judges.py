"""The judges of resynthesized speech together: word errors, speaker similarity, opinion scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import torch
from torch import Tensor

from zoo.evaluation.judges.mos import DNSMOS, OpinionScores
from zoo.evaluation.judges.recognizers import Decoding, PretrainedRecognizer, Recognizer
from zoo.evaluation.judges.speakers import Resemblyzer, SpeakerEncoder, XVectors, speaker_similarity
from zoo.evaluation.scoring.error_rates import character_errors, word_errors

WORD_ERROR_RATE, CHARACTER_ERROR_RATE = "word_error_rate", "character_error_rate"
SPEAKER_SIMILARITY = "speaker_similarity"
# Numerator and denominator of the scores that are ratios of sums over utterances.
RATIOS = {
    WORD_ERROR_RATE: ("word_errors", "words"),
    CHARACTER_ERROR_RATE: ("character_errors", "characters"),
}


@dataclass(frozen=True)
class JudgedSpeech:
    """Speech to be judged.

    Args:
        waveform: Generated speech, or the recording itself, (N,).
        voice: A recording of the speaker, (M,), with which the voice is compared; None for no comparison.
        text: Transcript; empty if unknown.
        language: BCP-47 tag of its language, for the normalization of texts; None if unknown.
    """

    waveform: Tensor = field(repr=False)
    voice: Tensor | None = field(repr=False, default=None)
    text: str = ""
    language: str | None = None


class SpeechJudges:
    """Judges speech by a recognizer, a speaker encoder and predictors of opinion scores; those not given are absent.

    Args:
        recognizer: Recognizer, for word and character errors of utterances with a transcript.
        speaker_encoder: Speaker encoder, for the similarity to another recording of the speaker.
        opinions: Predictors of opinion scores.
    """

    def __init__(
        self,
        recognizer: Recognizer | None = None,
        speaker_encoder: SpeakerEncoder | None = None,
        opinions: Sequence[OpinionScores] = (),
    ) -> None:
        self.recognizer = recognizer
        self.speaker_encoder = speaker_encoder
        self.opinions = list(opinions)

    def __call__(self, speech: Sequence[JudgedSpeech], sample_rate: int) -> list[dict[str, float]]:
        """Judge utterances.

        Args:
            speech: The utterances.
            sample_rate: Sample rate of all waveforms, in Hz.

        Returns:
            The scores of each utterance by name, NaN where one is not defined; word errors and words, and character
            errors and characters, instead of their ratios.

        Raises:
            ValueError: If a waveform contains NaN or infinity.
        """
        scores: list[dict[str, float]] = [{} for _ in speech]
        waveforms = [utterance.waveform for utterance in speech]
        transcribed = [number for number, utterance in enumerate(speech) if utterance.text]
        if self.recognizer is not None and transcribed:
            transcripts = self.recognizer([waveforms[number] for number in transcribed], sample_rate)
            for number, transcript in zip(transcribed, transcripts, strict=True):
                scores[number] |= text_scores(speech[number], transcript)
        voices = {number: utterance.voice for number, utterance in enumerate(speech) if utterance.voice is not None}
        if self.speaker_encoder is not None and voices:
            compared = [waveforms[number] for number in voices]
            similarities = speaker_similarity(self.speaker_encoder, compared, list(voices.values()), sample_rate)
            for number, similarity in zip(voices, similarities.tolist(), strict=True):
                scores[number][SPEAKER_SIMILARITY] = similarity
        for predictor in self.opinions:
            for name, values in predictor(waveforms, sample_rate).items():
                for of_utterance, value in zip(scores, values, strict=True):
                    of_utterance[name] = value
        return scores

    def absent(self) -> dict[str, str]:
        """Return a reason for each kind of score that these judges do not give."""
        reasons = {}
        if self.recognizer is None:
            reasons["word and character errors"] = "no recognizer was named"
        if self.speaker_encoder is None:
            reasons["speaker similarity"] = "no speaker encoder was named or installed"
        if not self.opinions:
            reasons["DNSMOS"] = "speechmos is not installed, or was not named"
        return reasons


def text_scores(utterance: JudgedSpeech, transcript: str) -> dict[str, float]:
    """Return word and character errors of a transcript, and words and characters of the text."""
    scores: dict[str, float] = {}
    counts = (word_errors, WORD_ERROR_RATE), (character_errors, CHARACTER_ERROR_RATE)
    for count_errors, rate in counts:
        numerator, denominator = RATIOS[rate]
        counted = count_errors(utterance.text, transcript, utterance.language)
        scores[numerator] = counted.errors if counted.length else float("nan")
        scores[denominator] = counted.length
    return scores


def installed_judges(
    recognizer: str | None = None,
    language: str | None = None,
    decoding: Decoding | None = None,
    speaker_encoder: str | None = None,
    device: str = "cpu",
) -> SpeechJudges:
    """Return a recognizer, if one is named, with Resemblyzer and DNSMOS where their packages are installed.

    Args:
        recognizer: Folder of a transformers recognizer, or its name on the hub; None leaves word errors out.
        language: Language of the speech, as a BCP-47 tag, for multilingual Whisper; detected if None.
        decoding: Decoding of the recognizer. Defaults to ``Decoding()``.
        speaker_encoder: Folder of a transformers x-vector checkpoint, or its name on the hub, instead of Resemblyzer.
        device: Device of the networks.
    """
    asr = PretrainedRecognizer(recognizer, language, decoding, device=device) if recognizer else None
    voices: SpeakerEncoder | None = None
    if speaker_encoder:
        voices = XVectors(speaker_encoder, device=device)
    elif find_spec("resemblyzer") is not None:
        voices = Resemblyzer()
    opinions = [DNSMOS()] if find_spec("speechmos") and find_spec("onnxruntime") and find_spec("librosa") else []
    return SpeechJudges(asr, voices, opinions)


def mean_scores(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each score over utterances, ratios of sums for error rates; NaNs are left out."""
    columns: dict[str, list[float]] = {}
    for of_utterance in scores:
        for name, value in of_utterance.items():
            columns.setdefault(name, []).append(value)
    means = {}
    for rate, (numerator, denominator) in RATIOS.items():
        lengths = columns.pop(denominator, [])
        if sum(lengths):
            means[rate] = torch.tensor(columns[numerator]).nansum().item() / sum(lengths)
        columns.pop(numerator, None)
    for name, values in columns.items():
        mean = torch.tensor(values).nanmean().item()
        if mean == mean:
            means[name] = mean
    return means
