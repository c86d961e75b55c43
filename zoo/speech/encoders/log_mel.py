"""Log-mel spectrograms as Whisper takes them, of waveforms of any length."""

import torch
from torch import Tensor, nn
from transformers import WhisperFeatureExtractor

DYNAMIC_RANGE = 8.0  # largest difference to the loudest value of the waveform, in powers of ten


class WhisperLogMel(nn.Module):
    """Log-mel spectrogram of Whisper (Radford et al. 2023), without its padding to 30 s.

    Whisper clips every value to 80 dB below the loudest of the 30 s window. Zeros are silent, so a spectrogram without
    padding equals the first part of the padded one, except where the window of the last frame reaches beyond the end:
    the padded one sees zeros there, this one the reflected end of the waveform. If the loudest frame of all lies across
    the end, where this spectrogram has none, clipped values differ as well.

    Args:
        settings: Feature extractor with the sizes of the spectrogram. Dither, random noise, is left out.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, settings: WhisperFeatureExtractor) -> None:
        super().__init__()
        self.window_samples = settings.n_fft
        self.hop_samples = settings.hop_length
        filters = torch.from_numpy(settings.mel_filters).float().T.contiguous()  # (num_mels, n_fft / 2 + 1)
        # Computed from the settings, so not part of the weights.
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.window_samples), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the spectrogram: (num_samples,) -> (num_mels, num_samples // hop_samples)."""
        with torch.autocast(waveform.device.type, enabled=False):
            spectrum = torch.stft(
                waveform, self.window_samples, self.hop_samples, window=self.window, return_complex=True
            )
            power = spectrum[:, :-1].abs().square().contiguous()
            log_mel = (self.filters @ power).clamp(min=1e-10).log10()
            return (torch.maximum(log_mel, log_mel.max() - DYNAMIC_RANGE) + 4) / 4
