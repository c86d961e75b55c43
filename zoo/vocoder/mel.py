"""Log-mel spectrograms as in HiFi-GAN, for the mel loss, the mel distance and images."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks


class LogMel(nn.Module):
    """Natural log of a mel spectrogram of magnitudes, floored at 1e-5 (Kong et al. 2020, HiFi-GAN).

    Args:
        sample_rate: Sample rate of the waveforms, in Hz.
        num_mels: Number of bands on the Slaney mel scale, each of unit area.
        fft_size: Samples per window (Hann) and per transform.
        hop: Samples between frames.
        max_frequency: Upper edge of the highest band in Hz; half the sample rate if None.
    """

    bands: Tensor
    window: Tensor

    def __init__(
        self,
        sample_rate: int = 16000,
        num_mels: int = 80,
        fft_size: int = 1024,
        hop: int = 256,
        max_frequency: float | None = None,
    ) -> None:
        super().__init__()
        self.fft_size = fft_size
        self.hop = hop
        bands = melscale_fbanks(
            fft_size // 2 + 1,
            0.0,
            max_frequency or sample_rate / 2,
            num_mels,
            sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("bands", bands.T.contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(fft_size), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Map (B, N) samples to (B, num_mels, N // hop).

        Raises:
            ValueError: If the waveform is too short for the reflection padding at its ends.
        """
        margin = (self.fft_size - self.hop) // 2
        if waveform.shape[-1] <= margin:
            raise ValueError(f"{waveform.shape[-1]} samples are too few for a mel spectrogram: want more than {margin}")
        # Without autocast, because the logarithm would amplify the errors of half precision.
        with torch.autocast(waveform.device.type, enabled=False):
            padded = F.pad(waveform.float().unsqueeze(1), (margin, margin), mode="reflect").squeeze(1)
            spectrum = torch.stft(
                padded, self.fft_size, self.hop, window=self.window, center=False, return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            magnitude = (power + 1e-9).sqrt()  # the offset keeps the gradient of the square root finite at 0
            return (self.bands @ magnitude).clamp(min=1e-5).log()
