"""Speaker similarity of generated speech and recordings: the cosine of the embeddings of a speaker encoder."""

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoModelForAudioXVector

from zoo.audio import resample
from zoo.error_messages import one_line
from zoo.evaluation.judges.checkpoints import require_checkpoint
from zoo.evaluation.judges.recognizers import is_audible
from zoo.pretrained_networks import read_network
from zoo.ranges import OptionalSeconds

# Its own dependencies are an outdated `typing`, and `webrtcvad`, which has to be compiled; the extra has its wheel.
INSTALL_RESEMBLYZER = "pip install 'spiritlm-zoo[judges]' && pip install --no-deps Resemblyzer==0.1.4"
RESEMBLYZER_RATE = 16000


class SpeakerEncoder(Protocol):
    """Embeds the voices of waveforms."""

    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> Tensor:
        """Return embeddings (B, D) of unit length of waveforms (N,) at ``sample_rate`` Hz; NaN for silence."""
        ...


def speaker_similarity(
    encoder: SpeakerEncoder, generated: Sequence[Tensor], references: Sequence[Tensor], sample_rate: int
) -> Tensor:
    """Return the cosine similarity (B,) of the voices of generated speech and recordings.

    It is 0 for silent speech, which has no voice, and NaN where the recording is silent.

    Args:
        encoder: Speaker encoder.
        generated: Generated waveforms (N,).
        references: A recording (N,) of the speaker of each, of any duration.
        sample_rate: Sample rate of all waveforms, in Hz.
    """
    voices = encoder(generated, sample_rate).nan_to_num(0.0)
    return (voices * encoder(references, sample_rate)).sum(-1)


class Resemblyzer:
    """The GE2E speaker encoder of Resemblyzer (Wan et al. 2018), with the weights in its package, on the CPU.

    Levels are raised to -30 dBFS and long pauses removed, as the package does; a waveform in which it detects no speech
    is taken as a whole.

    Raises:
        ValueError: If the package is not installed.
    """

    def __init__(self) -> None:
        if find_spec("resemblyzer") is None:
            raise ValueError(f"Resemblyzer is not installed: {INSTALL_RESEMBLYZER}")

    @torch.inference_mode()
    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> Tensor:
        """Return embeddings (B, 256) of unit length of waveforms (N,); NaN for silence.

        Args:
            waveforms: Speech of any durations; less than 1.6 seconds are padded with zeros.
            sample_rate: Sample rate of the waveforms, in Hz.
        """
        excerpts: list[np.ndarray] = []  # mel spectrograms (160, 40) of 1.6 s
        counts: dict[int, int] = {}  # number of excerpts of each audible waveform
        for number, waveform in enumerate(waveforms):
            if is_audible(waveform, sample_rate):
                of_waveform = self._excerpts(resample(waveform.detach().float().cpu(), sample_rate, RESEMBLYZER_RATE))
                excerpts += of_waveform
                counts[number] = len(of_waveform)
        embeddings = torch.full((len(waveforms), 256), float("nan"))
        if excerpts:
            of_excerpts = self._encoder(torch.from_numpy(np.stack(excerpts)))  # (E, 256)
            for number, of_waveform in zip(counts, of_excerpts.split(list(counts.values())), strict=True):
                embeddings[number] = F.normalize(of_waveform.mean(0), dim=0)
        return embeddings

    def _excerpts(self, waveform: Tensor) -> list[np.ndarray]:
        """Return overlapping excerpts of the mel spectrogram of a waveform (N,), as ``embed_utterance`` takes them."""
        from resemblyzer import preprocess_wav
        from resemblyzer.audio import wav_to_mel_spectrogram

        samples = preprocess_wav(waveform.numpy())
        if not len(samples):
            samples = waveform.numpy()
        waveform_slices, mel_slices = self._encoder.compute_partial_slices(len(samples), rate=1.3, min_coverage=0.75)
        padded = np.pad(samples, (0, max(0, waveform_slices[-1].stop - len(samples))))
        mel = wav_to_mel_spectrogram(padded)
        return [mel[frames] for frames in mel_slices]

    @cached_property
    def _encoder(self) -> Any:
        from resemblyzer import VoiceEncoder

        return VoiceEncoder("cpu", verbose=False).eval()


class XVectors:
    """Speaker embeddings by a transformers x-vector checkpoint, such as WavLM, loaded when they are first wanted.

    Args:
        checkpoint: Folder of the checkpoint, or its name on the hub, such as ``microsoft/wavlm-base-plus-sv``.
        min_seconds: Shorter waveforms are padded with zeros, for the context of the network.
        device: Device of the network.
    """

    def __init__(self, checkpoint: str, min_seconds: OptionalSeconds = 1.0, device: str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.min_seconds = min_seconds
        self.device = device

    @torch.inference_mode()
    def __call__(self, waveforms: Sequence[Tensor], sample_rate: int) -> Tensor:
        """Return embeddings (B, D) of unit length of waveforms (N,); NaN for silence.

        The waveforms are encoded one at a time: x-vectors are statistics over all frames, padding included.

        Args:
            waveforms: Speech of any durations.
            sample_rate: Sample rate of the waveforms, in Hz.

        Raises:
            FileNotFoundError: If there is no such checkpoint.
            ValueError: If it is no x-vector model.
        """
        extractor, network = self._loaded
        rate = extractor.sampling_rate
        embeddings = torch.full((len(waveforms), network.config.xvector_output_dim), float("nan"))
        for number, waveform in enumerate(waveforms):
            if not is_audible(waveform, sample_rate):
                continue
            samples = resample(waveform.detach().float().cpu(), sample_rate, rate)
            samples = F.pad(samples, (0, max(0, round(self.min_seconds * rate) - len(samples))))
            inputs = extractor(samples.numpy(), sampling_rate=rate, return_tensors="pt")
            embedding = network(inputs.input_values.to(self.device)).embeddings[0]
            embeddings[number] = F.normalize(embedding.float().cpu(), dim=0)
        return embeddings

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        require_checkpoint("speaker encoder", self.checkpoint)
        try:
            network = read_network(AutoModelForAudioXVector, self.checkpoint)
            extractor = AutoFeatureExtractor.from_pretrained(self.checkpoint, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            reason = one_line(error)[:400]
            raise ValueError(f"speaker encoder {self.checkpoint}: no x-vector model ({reason})") from error
        return extractor, network.eval().to(self.device)
