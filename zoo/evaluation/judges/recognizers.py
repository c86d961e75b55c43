"""Speech recognizers that transcribe generated speech."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import pipeline

# Transcript of a waveform (N,).
Recognizer = Callable[[Tensor], str]


class PretrainedRecognizer:
    """Speech recognition by a transformers checkpoint, such as Whisper or a CTC model.

    Args:
        checkpoint: Name or folder of the checkpoint.
        sample_rate: Sample rate of the waveforms to transcribe, in Hz.
    """

    def __init__(self, checkpoint: str, sample_rate: int = 16000) -> None:
        self.pipeline = pipeline("automatic-speech-recognition", model=checkpoint)
        self.sample_rate = sample_rate

    def __call__(self, waveform: Tensor) -> str:
        """Return the transcript of a waveform (N,)."""
        output: Any = self.pipeline({"raw": waveform.cpu().numpy(), "sampling_rate": self.sample_rate})
        return output["text"]
