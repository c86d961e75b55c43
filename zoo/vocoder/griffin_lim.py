"""Baseline vocoder without training: the mean spectrum of each unit, and phases by Griffin-Lim."""

import torch
from torch import Tensor, nn
from torchaudio.functional import griffinlim, melscale_fbanks

FLOOR = 1e-5  # lower bound of magnitudes before the logarithm


class UnitMelTable(nn.Module):
    """Table of the mean log-mel spectrum of each phonetic unit, inverted by Griffin and Lim's algorithm (1984).

    Args:
        num_units: Number of units; units are 0 to ``num_units`` - 1.
        unit_rate: Units per second; a unit lasts a whole number of frames.
        sample_rate: Sample rate of the waveforms, in Hz.
        frames_per_unit: Number of frames of each unit, all with the same spectrum.
        num_mels: Number of mel bands.
        fft_size: Samples per transform.
        iterations: Number of iterations of Griffin and Lim's algorithm.

    Raises:
        ValueError: If a unit does not last a whole number of frames.
    """

    bands: Tensor
    window: Tensor
    total: Tensor
    count: Tensor

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
        self.sample_rate = sample_rate
        self.frames_per_unit = frames_per_unit
        self.iterations = iterations
        self.fft_size = fft_size
        self.hop = round(hop)
        bands = melscale_fbanks(
            fft_size // 2 + 1, 0.0, sample_rate / 2, num_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("bands", bands.T.contiguous())  # (M, F)
        self.register_buffer("window", torch.hann_window(fft_size))
        self.register_buffer("total", torch.zeros(num_units, num_mels, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_units, dtype=torch.float64))

    @torch.no_grad()
    def add(self, units: Tensor, waveform: Tensor) -> None:
        """Add the spectra of an utterance to the means.

        Args:
            units: Raw units of the utterance, (T,).
            waveform: Speech of the utterance, (T * samples per unit,); at least ``fft_size`` samples.
        """
        frame_units = self._frame_units(units)
        spectrum = torch.stft(waveform, self.fft_size, self.hop, window=self.window, return_complex=True).abs()
        mel = (self.bands @ spectrum).clamp(min=FLOOR).log().T[: len(frame_units)]  # (frames, M)
        frame_units = frame_units[: len(mel)]
        self.total.index_add_(0, frame_units, mel.double())
        self.count.index_add_(0, frame_units, torch.ones(len(mel), dtype=torch.float64, device=mel.device))

    @torch.no_grad()
    def forward(self, units: Tensor) -> Tensor:
        """Synthesize raw units: (T,) -> (T * samples per unit,).

        A unit that was not in any added utterance gets the mean spectrum of all units.
        """
        mean = self.total.sum(0) / self.count.sum().clamp(min=1)
        count = self.count[:, None]
        table = torch.where(count > 0, self.total / count.clamp(min=1), mean).float()  # (units, M)
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
        """Return the unit of each frame: (T,) -> (T * frames_per_unit + 1,).

        The additional last frame is centered on the end of the waveform.
        """
        return torch.cat([units.repeat_interleave(self.frames_per_unit), units[-1:]])
