"""Speech recognizers that transcribe generated speech and recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AutomaticSpeechRecognitionPipeline, pipeline

from zoo.audio import check, resample
from zoo.error_messages import one_line
from zoo.evaluation.judges.checkpoints import require_checkpoint
from zoo.languages import language_code, whisper_code
from zoo.ranges import Size, check_ranges

# Shorter waveforms have no speech to transcribe.
MIN_SECONDS = 0.05
# Amplitude that rounds to 0 in 16 bits.
SILENCE = 2.0**-16
CHUNK_SECONDS = 30


class Recognizer(Protocol):
    """Transcribes waveforms."""

    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> list[str]:
        """Return the transcript of each waveform (N,) at ``sample_rate`` Hz."""
        ...


@dataclass(frozen=True)
class Decoding:
    """How an encoder-decoder recognizer, such as Whisper, decodes; CTC recognizers are always decoded greedily.

    Args:
        num_beams: Width of the beam search; 1 is greedy.
        task: ``transcribe``, or ``translate`` into English.
    """

    num_beams: Size = 1
    task: str = "transcribe"

    def __post_init__(self) -> None:
        if self.num_beams < 1 or self.task not in ("transcribe", "translate"):
            raise ValueError(
                f"num_beams {self.num_beams}, task {self.task}: expected at least 1, and transcribe or translate"
            )
        check_ranges(self)


class PretrainedRecognizer:
    """Speech recognition by a transformers checkpoint, Whisper or CTC, which is loaded when it is first called.

    Whisper transcribes audio of more than 30 seconds sequentially, by its timestamps; CTC models in overlapping chunks.
    The transcript of silence, and of a waveform shorter than 0.05 s, is empty.

    Args:
        checkpoint: Folder of the checkpoint, or its name on the hub.
        language: Language of the speech, as a BCP-47 tag, for multilingual Whisper; detected if None.
        decoding: Decoding of encoder-decoder models. Defaults to ``Decoding()``.
        batch_size: Number of waveforms that are transcribed at once.
        device: Device of the network.
    """

    def __init__(
        self,
        checkpoint: str,
        language: str | None = None,
        decoding: Decoding | None = None,
        batch_size: Size = 8,
        device: str = "cpu",
    ) -> None:
        self.checkpoint = checkpoint
        self.language = language
        self.decoding = decoding or Decoding()
        self.batch_size = batch_size
        self.device = device

    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> list[str]:
        """Return the transcript of each waveform (N,).

        Args:
            waveforms: Speech of any durations.
            sample_rate: Sample rate of the waveforms, in Hz.

        Raises:
            FileNotFoundError: If there is no such checkpoint.
            ValueError: If it is no recognizer or cannot recognize the language, or a waveform has NaN or infinity.
        """
        transcripts = [""] * len(waveforms)
        audible = []
        for number, waveform in enumerate(waveforms):
            if is_audible(waveform, sample_rate):
                audible.append(number)
        # Utterances of similar duration share a batch, so that little of it is padding.
        audible.sort(key=lambda number: len(waveforms[number]))
        for start in range(0, len(audible), self.batch_size):
            batch = audible[start : start + self.batch_size]
            texts = self._transcribe([waveforms[number] for number in batch], sample_rate)
            for number, text in zip(batch, texts, strict=True):
                transcripts[number] = text
        return transcripts

    @torch.inference_mode()
    def _transcribe(self, waveforms: Sequence[Tensor], sample_rate: int) -> list[str]:
        extractor: Any = self._pipeline.feature_extractor
        rate = extractor.sampling_rate
        inputs: Any = []
        for waveform in waveforms:
            inputs.append(resample(waveform.detach().float().cpu(), sample_rate, rate).numpy())
        longest = max(map(len, inputs)) / rate
        options: dict[str, Any] = {"batch_size": len(inputs)}
        if self._is_whisper:
            options |= {"generate_kwargs": self._generation, "return_timestamps": longest > CHUNK_SECONDS}
        elif self._pipeline.type == "ctc" and longest > CHUNK_SECONDS:
            options["chunk_length_s"] = CHUNK_SECONDS
        outputs: Any = self._pipeline(inputs, **options)
        return [output["text"].strip() for output in outputs]

    @property
    def _is_whisper(self) -> bool:
        return self._pipeline.type == "seq2seq_whisper"

    @cached_property
    def _generation(self) -> dict[str, Any]:
        """Arguments of Whisper's ``generate``; an English-only checkpoint takes neither language nor task."""
        config: Any = self._pipeline.model.generation_config
        options: dict[str, Any] = {"num_beams": self.decoding.num_beams}
        language = language_code(self.language)
        if not getattr(config, "is_multilingual", True):
            if language not in ("", "en") or self.decoding.task != "transcribe":
                raise ValueError(
                    f"recognizer {self.checkpoint} knows English alone, and was to {self.decoding.task} "
                    f"{self.language or 'any language'}: name a multilingual checkpoint"
                )
            return options
        options["task"] = self.decoding.task
        if language:
            code = whisper_code(language)
            known = getattr(config, "lang_to_id", None) or {}
            if known and f"<|{code}|>" not in known:
                raise ValueError(
                    f"recognizer {self.checkpoint} has no language {self.language!r}: name another checkpoint, or no "
                    "language, which it then detects"
                )
            options["language"] = code
        return options

    @cached_property
    def _pipeline(self) -> AutomaticSpeechRecognitionPipeline:
        require_checkpoint("recognizer", self.checkpoint)
        try:
            loaded = pipeline(
                "automatic-speech-recognition", model=self.checkpoint, device=self.device, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            reason = one_line(error)[:200]
            raise ValueError(f"recognizer {self.checkpoint}: no transformers recognizer ({reason})") from error
        assert isinstance(loaded, AutomaticSpeechRecognitionPipeline)
        tokenizer: Any = loaded.tokenizer
        if tokenizer.pad_token_id is None:  # batches need one, and it is masked
            tokenizer.pad_token = tokenizer.eos_token
        return loaded


def is_audible(waveform: Tensor, sample_rate: int) -> bool:
    """Whether a waveform (N,) is long and loud enough to be judged as speech.

    Raises:
        ValueError: If it has NaN or infinity.
    """
    if waveform.numel() < MIN_SECONDS * sample_rate:
        return False
    return bool(check(waveform, "speech to be judged").abs().max() > SILENCE)
