"""The plainest vocoder there is: an average spectrum for each unit, and phases by Griffin-Lim. What a trained one must beat."""

import torch
from torch import Tensor, nn
from torchaudio.functional import griffinlim, melscale_fbanks

FLOOR = 1e-5


class UnitMelTable(nn.Module):
    """Mean log-mel spectrum of each phonetic unit, spoken by Griffin and Lim's algorithm (1984).

    Args:
        num_units: Units are 0 to ``num_units`` - 1.
        unit_rate: Units per second; a unit lasts a whole number of frames.
        sample_rate: Of the waveforms, in Hz.
        frames_per_unit: Spectra made of each unit, all alike.
        num_mels: Bands.
        fft_size: Samples per transform.
        iterations: Of the search for phases.

    Raises:
        ValueError: Where a unit is no whole number of frames.
    """

    def __init__(
        self,
        num_units: int,
        unit_rate: float,
        sample_rate: int = 16000,
        frames_per_unit: int = 4,
        num_mels: int = 80,
        fft_size: int = 1024,
        iterations: int = 60,
    ) -> None:
        super().__init__()
        hop = sample_rate / unit_rate / frames_per_unit
        if hop != round(hop):
            raise ValueError(
                f"{frames_per_unit} frames do not divide the {sample_rate / unit_rate:g} samples of a unit"
            )
        self.sample_rate, self.frames_per_unit, self.iterations = sample_rate, frames_per_unit, iterations
        self.fft_size, self.hop = fft_size, round(hop)
        bands = melscale_fbanks(
            fft_size // 2 + 1, 0.0, sample_rate / 2, num_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("bands", bands.T.contiguous())  # (M, F)
        self.register_buffer("window", torch.hann_window(fft_size))
        self.register_buffer("total", torch.zeros(num_units, num_mels, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_units, dtype=torch.float64))

    @torch.no_grad()
    def add(self, units: Tensor, waveform: Tensor) -> None:
        """Take the spectra of an utterance into the averages.

        Args:
            units: (T,).
            waveform: (T * samples of a unit,), at least one transform long.
        """
        at = self._frame_units(units)
        spectrum = torch.stft(waveform, self.fft_size, self.hop, window=self.window, return_complex=True).abs()
        mel = (self.bands @ spectrum).clamp(min=FLOOR).log().T[: len(at)]  # (frames, M)
        self.total.index_add_(0, at[: len(mel)], mel.double())
        self.count.index_add_(0, at[: len(mel)], torch.ones(len(mel), dtype=torch.float64, device=mel.device))

    @torch.no_grad()
    def forward(self, units: Tensor) -> Tensor:
        """Speak raw units: (T,) -> (T * samples of a unit,). A unit that was never heard sounds like the mean of all."""
        mean = self.total.sum(0) / self.count.sum().clamp(min=1)
        table = torch.where(self.count[:, None] > 0, self.total / self.count[:, None].clamp(min=1), mean).float()
        mel = table[self._frame_units(units)].exp().T  # (M, frames)
        magnitude = (torch.linalg.pinv(self.bands) @ mel).clamp(min=0)
        return griffinlim(
            magnitude,
            self.window,
            self.fft_size,
            self.hop,
            self.fft_size,
            power=1.0,
            n_iter=self.iterations,
            momentum=0.99,
            length=len(units) * self.frames_per_unit * self.hop,
            rand_init=False,
        )

    def _frame_units(self, units: Tensor) -> Tensor:
        """The unit of each spectrum, the one at the very end included: (T,) -> (T * frames_per_unit + 1,)."""
        return torch.cat([units.repeat_interleave(self.frames_per_unit), units[-1:]])
