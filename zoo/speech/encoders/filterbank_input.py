"""Kaldi's log-mel filter banks as w2v-BERT 2.0 takes them, of waveforms of any length."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SeamlessM4TFeatureExtractor

WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SAMPLES = 512
PREEMPHASIS = 0.97
FLOOR = 1.192092955078125e-07


class StackedFilterbanks(nn.Module):
    """Normalized log-mel filter banks of ``SeamlessM4TFeatureExtractor``, of which consecutive frames are stacked.

    Every band has zero mean and unit variance over the utterance. Frames at the end that do not fill a stack are left
    out; transformers pads and masks them.

    Args:
        settings: Feature extractor with the number of bands and the number of frames per stack.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, settings: SeamlessM4TFeatureExtractor) -> None:
        super().__init__()
        self.stride = settings.stride
        filters = torch.from_numpy(settings.mel_filters).double()  # (FFT_SAMPLES / 2 + 1, num_bands)
        # Computed from the settings, so not part of the weights. Double precision, as in transformers.
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.from_numpy(settings.window).double(), persistent=False)

    @property
    def min_samples(self) -> int:
        """Length of the shortest waveform that fills a stack."""
        return WINDOW_SAMPLES + (max(2, self.stride) - 1) * HOP_SAMPLES  # the variance needs two frames

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the stacked filter banks: (num_samples,) -> (T, stride * num_bands)."""
        with torch.autocast(waveform.device.type, enabled=False):
            frames = (waveform.double() * 2**15).unfold(0, WINDOW_SAMPLES, HOP_SAMPLES)  # (T * stride, 400)
            frames = frames - frames.mean(1, keepdim=True)
            previous = F.pad(frames[:, :-1], (1, 0))
            previous[:, 0] = frames[:, 0]
            frames = (frames - PREEMPHASIS * previous) * self.window
            power = torch.fft.rfft(frames, FFT_SAMPLES).abs().square()
            bands = (power @ self.filters).clamp(min=FLOOR).log().float()
            bands = (bands - bands.mean(0)) / torch.sqrt(bands.var(0) + 1e-7)
        num_stacks = len(bands) // self.stride
        return bands[: num_stacks * self.stride].reshape(num_stacks, -1)
