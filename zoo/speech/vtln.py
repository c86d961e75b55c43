"""Filter-bank features with vocal tract length normalization (VTLN)."""

from collections.abc import Iterable, Iterator, Sequence
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
ADAPTATION_ROUNDS = 4
KMEANS_PASSES = 6  # passes over the corpus in each round
KMEANS_BATCH_FRAMES = 4096


class VTLNFilterbankEncoder(FilterbankEncoder):
    """Cepstra whose frequency axis is warped, utterance by utterance, to that of a common speaker (Lee and Rose 1996).

    A short vocal tract shifts all formants up. Without normalization, the same words of a man and of a woman share
    fewer units than different words of the same man. Each utterance takes the warp whose features are nearest to a set
    of reference vectors. ``adapt`` learns the references without labels, in alternation with the warps of the
    utterances.

    Args:
        frame_rate: Frames per second, a divisor of 100.
        num_mels: Number of mel filters between 20 Hz and half the sample rate divided by the largest warp.
        num_cepstra: Number of cepstral coefficients, including the first (loudness); at most ``num_mels``.
        smoothing_seconds: Time on either side of a frame over which deltas are computed.
        delta_weight: Standard deviation of the deltas relative to that of the coefficients.
        evenness: Between 0 and 1. At 1 all coefficients have the same standard deviation in every utterance, at 0 their
            proportions are unchanged.
        warps: Candidate factors on frequency; above 1 for voices with higher formants.
        num_references: Number of reference vectors that describe the common speaker.
        source: Folder written by ``save_weights``; None for an encoder that is not adapted yet.
    """

    banks: Tensor
    references: Tensor

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
        banks = torch.stack([self._mel_filters(warp) for warp in self.warps])  # (W, bins, M)
        self.register_buffer("banks", banks, persistent=False)
        self.register_buffer("references", torch.full((num_references, self.dim), torch.nan))  # NaN until adapted
        if source is not None:
            self.references.copy_(load_file(Path(source) / WEIGHTS)["references"])

    def _mel_filters(self, warp: float) -> Tensor:
        """Return mel filters (bins, M) that read the spectrum at ``warp`` times each frequency."""
        last_bin = self.cepstra.MelSpectrogram.n_fft // 2
        max_frequency = self.sample_rate / 2 / max(self.warps)
        plain = torchaudio.functional.melscale_fbanks(
            last_bin + 1, 20.0, max_frequency, self.num_mels, self.sample_rate
        )
        # Bin f of the spectrum belongs to frequency f / warp of the common speaker: interpolate the filters there.
        position = (torch.arange(last_bin + 1) / warp).clamp(max=last_bin)
        below = position.long().clamp(max=last_bin - 1)
        return torch.lerp(plain[below], plain[below + 1], (position - below).unsqueeze(1))

    def forward(self, waveform: Tensor) -> Tensor:
        if self.references.isnan().any():
            raise ValueError(
                "a VTLNFilterbankEncoder must be adapted to a corpus before it is used: the tokenizer stage does that"
            )
        features = self._warped_features(waveform)
        return features[self._best_warp(features)]

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        """Learn the references from waveforms (num_samples,).

        All utterances start unwarped. Each round fits the references by k-means to the features at the current warps,
        then chooses the best warp of each utterance for these references.
        """
        features = []  # (W, T, dim) of each utterance
        for waveform in waveforms:
            if len(waveform) >= self.min_samples:
                features.append(self._warped_features(waveform))
        distances_from_1 = [abs(warp - 1) for warp in self.warps]
        unwarped = distances_from_1.index(min(distances_from_1))
        chosen = [unwarped] * len(features)
        for seed in range(ADAPTATION_ROUNDS):
            frames = torch.cat([by_warp[index] for by_warp, index in zip(features, chosen, strict=True)])
            fit = fit_kmeans(_shuffled_batches(frames, seed), len(self.references), seed)
            self.references.copy_(fit.quantizer.centroids)
            chosen = [self._best_warp(by_warp) for by_warp in features]

    def _warped_features(self, waveform: Tensor) -> Tensor:
        """Return the features at each warp: (num_samples,) -> (W, T, dim)."""
        power = self.cepstra.MelSpectrogram.spectrogram(waveform)  # (bins, windows at 100 Hz)
        mels = torch.log(self.banks.transpose(1, 2) @ power + 1e-6)  # (W, M, windows)
        return self._features(self.cepstra.dct_mat.T @ mels, len(waveform))

    def _best_warp(self, features: Tensor) -> int:
        """Return the index of the warp at which the features (W, T, dim) are nearest to the references on average."""
        distances = torch.cdist(features, self.references).amin(2).square().mean(1)  # (W,)
        return int(distances.argmin())

    def config(self) -> dict[str, Any]:
        return {**super().config(), "warps": self.warps, "num_references": len(self.references)}

    def save_weights(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        save_file({"references": self.references.contiguous()}, folder / WEIGHTS)


def _shuffled_batches(frames: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield batches of frames (N, dim) in several passes, each in a random order of its own."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(KMEANS_PASSES):
        order = torch.randperm(len(frames), generator=generator)
        yield from frames[order].split(KMEANS_BATCH_FRAMES)
