"""A voice that speaks while its units are still coming."""

import numpy as np
import torch
from torch import Tensor

from zoo.tokens.units import Tokens
from zoo.vocoder.vocoder import Vocoder


class IncrementalVocoder:
    """Speaks tokens as they come; joined, the pieces are what the vocoder makes of all of them at once.

    A sample is spoken once nothing that may follow can change it: the duration of a unit depends on its neighbors, and a
    sample on as many frames as the generator can see.

    Args:
        vocoder: With a duration predictor.
        speaker: Name or index; the default one if None.

    Raises:
        ValueError: Without a duration predictor.
    """

    def __init__(self, vocoder: Vocoder, speaker: str | int | None = None) -> None:
        if vocoder.durations is None:
            raise ValueError("this vocoder has no duration predictor, so it cannot speak the units of a language model")
        self.vocoder, self.speaker = vocoder, speaker
        self.reset()

    def reset(self) -> None:
        """Begin anew, with other speech."""
        self.tokens: Tokens | None = None
        self.spoken = 0

    @torch.inference_mode()
    def __call__(self, tokens: Tokens, ends: bool = False) -> Tensor:
        """Take the next tokens and return what can be spoken by now, (N,), possibly nothing.

        Args:
            tokens: Those that are new; none is allowed.
            ends: Whether they are the last.
        """
        self.tokens = (
            tokens
            if self.tokens is None
            else Tokens(
                tokens.streams,
                *(
                    np.concatenate(both)
                    for both in ((self.tokens.stream, tokens.stream), (self.tokens.unit, tokens.unit))
                ),
            )
        )
        first = self.vocoder.streams[0].prefix
        certain = len(self.tokens.of(first)) - (0 if ends else self._later_units())
        if certain <= 0 or not all(len(self.tokens.of(s.prefix)) for s in self.vocoder.streams if not ends):
            return torch.zeros(0, device=self.vocoder.device)
        return self._speak(certain, ends)

    def _later_units(self) -> int:
        """Units after one that its duration depends on."""
        return sum(conv.kernel_size[0] // 2 for conv in self.vocoder.durations.convs)

    def _speak(self, certain: int, ends: bool) -> Tensor:
        frames = self.vocoder.frames(self.tokens)
        phonetic = torch.from_numpy(self.tokens.of(self.vocoder.streams[0].prefix)).to(self.vocoder.device)
        reach, samples = self.vocoder.generator.context_units, self.vocoder.generator.samples_per_unit
        known = int(self.vocoder.predicted(phonetic)[:certain].sum())
        until = known if ends else known - reach
        if until <= self.spoken:
            return torch.zeros(0, device=self.vocoder.device)
        start = max(0, self.spoken - reach)
        units = {prefix: row[:known].unsqueeze(0) for prefix, row in frames.items()}
        chosen = self.vocoder._choices([self.speaker], [None])
        melody = self.vocoder.generator.melody(units, *chosen)
        waveform = self.vocoder.generator.part(units, *chosen, melody, start, min(until + reach, known))[0]
        piece = waveform[(self.spoken - start) * samples : (until - start) * samples].clone()
        self.spoken = until
        return piece
