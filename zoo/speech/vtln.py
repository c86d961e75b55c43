"""Filter-bank features with the speaker's vocal tract length taken out."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchaudio
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import fit_kmeans

WEIGHTS = "references.safetensors"
WARPS = (0.84, 0.88, 0.92, 0.97, 1.01, 1.06, 1.11, 1.17, 1.22, 1.28)


class VTLNFilterbankEncoder(FilterbankEncoder):
    """Mel-cepstra whose frequency axis is stretched, for each utterance, to that of a common speaker (Lee and Rose 1996).

    A short vocal tract moves all formants up. Without this, the same words of a man and of a woman share fewer units than
    other words of the same man. Of ``warps`` an utterance takes the one whose features lie nearest to a few reference
    vectors; these are learned without labels by ``adapt``, by turns with the warps of the utterances they are learned from.

    Args:
        frame_rate: Frames per second; ``sample_rate`` and 100 must be multiples of it.
        num_mels: Filters between 20 Hz and what is left of half the sample rate at the largest warp.
        num_cepstra: Coefficients kept, the first (loudness) among them.
        smoothing_seconds: Deltas are slopes over so long a time on either side.
        delta_weight: Deviation of the deltas beside that of the coefficients.
        evenness: 1 gives all coefficients the same deviation in every utterance, 0 leaves them as they are.
        warps: Factors on frequency that are tried; above 1 for voices with higher formants.
        num_references: Vectors that stand for the common speaker.
        source: Folder that ``save_weights`` wrote; None for an encoder that is not adapted yet.
    """

    def __init__(
        self,
        frame_rate: int = 25,
        num_mels: int = 40,
        num_cepstra: int = 13,
        smoothing_seconds: float = 0.1,
        delta_weight: float = 1.0,
        evenness: float = 0.75,
        warps: Sequence[float] = WARPS,
        num_references: int = 32,
        source: str | None = None,
    ) -> None:
        super().__init__(frame_rate, num_mels, num_cepstra, smoothing_seconds, delta_weight, evenness)
        self.warps = list(warps)
        self.register_buffer(
            "banks", torch.stack([self._bank(warp) for warp in self.warps]), persistent=False
        )  # (W, F, M)
        self.register_buffer("references", torch.full((num_references, self.dim), torch.nan))
        if source is not None:
            self.references.copy_(load_file(Path(source) / WEIGHTS)["references"])

    def _bank(self, warp: float) -> Tensor:
        """Mel filters (F, M) that read the spectrum at ``warp`` times each frequency."""
        size = self.cepstra.MelSpectrogram.n_fft // 2
        plain = torchaudio.functional.melscale_fbanks(
            size + 1, 20.0, self.sample_rate / 2 / max(self.warps), self.num_mels, self.sample_rate
        )
        place = (torch.arange(size + 1) / warp).clamp(max=size)
        below = place.long().clamp(max=size - 1)
        return torch.lerp(plain[below], plain[below + 1], (place - below).unsqueeze(1))

    def forward(self, waveform: Tensor) -> Tensor:
        if self.references.isnan().any():
            raise ValueError(
                "a VTLNFilterbankEncoder must be adapted to a corpus before it is used: the tokenizer stage does that"
            )
        features = self._warped(waveform)
        return features[self._nearest(features)]

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        """Learn the references: every utterance begins unwarped, then takes the warp that fits what all have in common."""
        heard = [
            self._warped(waveform) for waveform in waveforms if len(waveform) >= self.min_samples
        ]  # (W, T, dim) each
        chosen = [min(range(len(self.warps)), key=lambda i: abs(self.warps[i] - 1))] * len(heard)
        for seed in range(4):
            frames = torch.cat([features[warp] for features, warp in zip(heard, chosen)])
            order = torch.Generator().manual_seed(seed)
            batches = (
                batch for _ in range(6) for batch in frames[torch.randperm(len(frames), generator=order)].split(4096)
            )
            self.references.copy_(fit_kmeans(batches, len(self.references), seed).quantizer.centroids)
            chosen = [self._nearest(features) for features in heard]

    def _warped(self, waveform: Tensor) -> Tensor:
        """Features with each of the warps: (num_samples,) -> (W, T, dim)."""
        power = self.cepstra.MelSpectrogram.spectrogram(waveform)  # (F, 100 Hz)
        mels = torch.log(self.banks.transpose(1, 2) @ power + 1e-6)
        return self._features(self.cepstra.dct_mat.T @ mels, len(waveform))

    def _nearest(self, features: Tensor) -> int:
        """Of features (W, T, dim), which are nearest to the references."""
        return int(torch.cdist(features, self.references).amin(2).square().mean(1).argmin())

    def config(self) -> dict[str, Any]:
        return {**super().config(), "warps": self.warps, "num_references": len(self.references)}

    def save_weights(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        save_file({"references": self.references.contiguous()}, folder / WEIGHTS)
