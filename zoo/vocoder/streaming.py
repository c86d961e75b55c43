"""Streaming synthesis of speech whose units are still being generated."""

import numpy as np
import torch
from torch import Tensor

from zoo.tokens.merged_streams import Tokens
from zoo.vocoder.vocoder import Vocoder


class StreamingVocoder:
    """Synthesizes tokens as they arrive; concatenated, the chunks equal the vocoder's output for all tokens at once.

    A sample is returned as soon as no later token can change it. The duration of a unit depends on its neighbors, and
    a sample depends on the frames within the generator's context.

    Args:
        vocoder: Vocoder with a duration predictor.
        speaker: Name or index of the speaker; the vocoder's ``default_speaker`` if None.

    Raises:
        ValueError: If the vocoder has no duration predictor.
    """

    def __init__(self, vocoder: Vocoder, speaker: str | int | None = None) -> None:
        if vocoder.durations is None:
            raise ValueError(
                "this vocoder has no duration predictor, so it cannot synthesize the units of a language model"
            )
        self.vocoder = vocoder
        self.speaker = speaker
        self.duration_reach = vocoder.durations.reach
        self.reset()

    def reset(self) -> None:
        """Forget all tokens, before the next segment of speech starts."""
        self.tokens: Tokens | None = None
        self.num_returned = 0  # number of frames whose samples have been returned

    @torch.inference_mode()
    def __call__(self, tokens: Tokens, ends: bool = False) -> Tensor:
        """Take the next tokens and return the samples that they complete, (N,), possibly none.

        Args:
            tokens: New tokens; may be empty.
            ends: Whether these are the last tokens of the segment.
        """
        if self.tokens is not None:
            tokens = _concatenate(self.tokens, tokens)
        self.tokens = tokens
        phonetic = tokens.of(self.vocoder.streams[0].prefix)
        # The durations of the last units may still change when further units arrive.
        num_certain = len(phonetic)
        if not ends:
            num_certain -= self.duration_reach
        # Phonetic units before the first unit of another stream take that unit, so it must have arrived.
        has_all_streams = ends or all(len(tokens.of(stream.prefix)) for stream in self.vocoder.streams)
        if num_certain <= 0 or not has_all_streams:
            return torch.zeros(0, device=self.vocoder.device)
        return self._synthesize(tokens, num_certain, ends)

    def _synthesize(self, tokens: Tokens, num_certain: int, ends: bool) -> Tensor:
        """Return the new samples that depend only on the first ``num_certain`` phonetic units."""
        generator = self.vocoder.generator
        context = generator.context_units
        samples = generator.samples_per_unit
        frames = self.vocoder.frames(tokens)
        phonetic = torch.from_numpy(tokens.of(self.vocoder.streams[0].prefix)).to(self.vocoder.device)
        num_known = int(self.vocoder.predicted(phonetic)[:num_certain].sum())  # frames whose units are certain
        until = num_known if ends else num_known - context
        if until <= self.num_returned:
            return torch.zeros(0, device=self.vocoder.device)
        units = {prefix: row[:num_known].unsqueeze(0) for prefix, row in frames.items()}  # (1, T)
        speaker, style = self.vocoder.choose([self.speaker], [None])
        contour = generator.predict_contour(units, speaker, style)
        start = max(0, self.num_returned - context)
        end = min(until + context, num_known)
        waveform = generator.synthesize_chunk(units, speaker, style, contour, start, end)[0]
        chunk = waveform[(self.num_returned - start) * samples : (until - start) * samples].clone()
        self.num_returned = until
        return chunk


def _concatenate(earlier: Tokens, later: Tokens) -> Tokens:
    stream = np.concatenate([earlier.stream, later.stream])
    unit = np.concatenate([earlier.unit, later.unit])
    return Tokens(later.streams, stream, unit)
