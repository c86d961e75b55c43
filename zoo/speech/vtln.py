"""Filter-bank features with vocal tract length normalization (VTLN)."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torchaudio
from safetensors.torch import save_file
from torch import Tensor

from zoo.ranges import FrameRate, NonNegativeFloat, NumMels, Probability, Seconds, Size, Speed
from zoo.speech.encoders.filterbank import FilterbankEncoder
from zoo.speech.kmeans import fit_kmeans
from zoo.weights import read_tensors, require_same_shapes, shapes_of

WEIGHTS = "references.safetensors"
WARPS = (0.84, 0.88, 0.92, 0.97, 1.01, 1.06, 1.11, 1.17, 1.22, 1.28)
ADAPTATION_ROUNDS = 4
KMEANS_PASSES = 6  # passes over all frames in each adaptation round
KMEANS_BATCH_FRAMES = 4096


class VTLNFilterbankEncoder(FilterbankEncoder):
    """Cepstra with vocal tract length normalization: each utterance is warped to a common speaker (Lee and Rose 1996).

    A short vocal tract shifts all formants up, so that the same words of a man and of a woman share fewer units than
    different words of the same man. The encoder computes the features of an utterance at several warps of the frequency
    axis and returns those with the smallest mean squared distance to a set of reference vectors. ``adapt`` learns the
    references without labels, in alternation with the warps of the utterances.

    Args:
        frame_rate: Frames per second, a divisor of 100.
        num_mels: Number of mel filters between 20 Hz and half the sample rate divided by the largest warp.
        num_cepstra: Number of cepstral coefficients, including the first (loudness); at most ``num_mels``.
        delta_seconds: Half-width of the regression window of the deltas, in seconds.
        delta_weight: Factor on the normalized deltas, relative to the normalized coefficients.
        variance_normalization: Exponent of the variance normalization, 0 to 1; see ``FilterbankEncoder``.
        warps: Candidate ratios of the formants of a voice to those of the common speaker; above 1 for a voice with
            higher formants (a shorter vocal tract).
        num_references: Number of reference vectors that describe the common speaker.
        source: Folder written by ``save_weights``; None for an encoder that is not adapted yet.

    Raises:
        ValueError: If ``frame_rate``, ``num_cepstra`` or ``variance_normalization`` is out of range.
    """

    banks: Tensor
    references: Tensor

    def __init__(
        self,
        frame_rate: FrameRate = 25,
        num_mels: NumMels = 40,
        num_cepstra: NumMels = 13,
        delta_seconds: Seconds = 0.1,
        delta_weight: NonNegativeFloat = 1.0,
        variance_normalization: Probability = 0.75,
        warps: Sequence[Speed] = WARPS,
        num_references: Size = 32,
        source: str | None = None,
    ) -> None:
        super().__init__(
            frame_rate=frame_rate,
            num_mels=num_mels,
            num_cepstra=num_cepstra,
            delta_seconds=delta_seconds,
            delta_weight=delta_weight,
            variance_normalization=variance_normalization,
        )
        self.warps = list(warps)
        banks = torch.stack([self._mel_filters(warp) for warp in self.warps])  # (W, bins, M)
        self.register_buffer("banks", banks, persistent=False)
        self.register_buffer("references", torch.full((num_references, self.dim), torch.nan))  # NaN until adapted
        if source is not None:
            path = Path(source) / WEIGHTS
            tensors = read_tensors(path)
            require_same_shapes(path, shapes_of(tensors), {"references": tuple(self.references.shape)})
            self.references.copy_(tensors["references"])

    def _mel_filters(self, warp: float) -> Tensor:
        """Return mel filters (bins, M) for a voice whose formants lie ``warp`` times higher than the common speaker's.

        The filters are those of the common speaker, stretched along the frequency axis by ``warp``.
        """
        last_bin = self.cepstra.MelSpectrogram.n_fft // 2
        max_frequency = self.sample_rate / 2 / max(self.warps)
        filters = torchaudio.functional.melscale_fbanks(
            last_bin + 1, 20.0, max_frequency, self.num_mels, self.sample_rate
        )
        # A formant of this voice in bin k is in bin k / warp for the common speaker. That bin is rarely an integer:
        # interpolate the common speaker's filters between its two neighbors.
        common_bin = (torch.arange(last_bin + 1) / warp).clamp(max=last_bin)
        bin_below = common_bin.long().clamp(max=last_bin - 1)
        return torch.lerp(filters[bin_below], filters[bin_below + 1], (common_bin - bin_below).unsqueeze(1))

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the features at the best warp: (num_samples,) -> (T, dim).

        Raises:
            ValueError: If the encoder has not been adapted to a corpus.
        """
        if self.references.isnan().any():
            raise ValueError(
                "a VTLNFilterbankEncoder must be adapted to a corpus before it is used: run the tokenizer stage, or "
                "call adapt()"
            )
        features = self._warped_features(waveform)
        return features[self._best_warp(features)]

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        """Learn the references from waveforms (num_samples,).

        All utterances start at the warp nearest to 1. Each round fits the references by k-means to the features at the
        current warps, then chooses the best warp of each utterance for these references. Waveforms shorter than
        ``min_samples`` are skipped.

        Raises:
            ValueError: If the waveforms have fewer frames than there are references.
        """
        features = []  # one tensor (W, T, dim) per utterance
        for waveform in waveforms:
            if len(waveform) >= self.min_samples:
                features.append(self._warped_features(waveform))
        distances_from_1 = [abs(warp - 1) for warp in self.warps]
        warp_nearest_1 = distances_from_1.index(min(distances_from_1))
        best_warps = [warp_nearest_1] * len(features)  # index into `warps` of each utterance
        for adaptation_round in range(ADAPTATION_ROUNDS):
            frames = torch.cat([by_warp[warp] for by_warp, warp in zip(features, best_warps, strict=True)])
            batches = _shuffled_batches(frames, seed=adaptation_round)
            fit = fit_kmeans(batches, len(self.references), seed=adaptation_round)
            self.references.copy_(fit.quantizer.centroids)
            best_warps = [self._best_warp(by_warp) for by_warp in features]

    def _warped_features(self, waveform: Tensor) -> Tensor:
        """Return the features at each warp: (num_samples,) -> (W, T, dim)."""
        power = self.cepstra.MelSpectrogram.spectrogram(waveform)  # (bins, windows at 100 Hz)
        mels = torch.log(self.banks.transpose(1, 2) @ power + 1e-6)  # (W, M, windows)
        return self._features(self.cepstra.dct_mat.T @ mels, len(waveform))

    def _best_warp(self, features: Tensor) -> int:
        """Return the index of the warp that fits the references best.

        This is the warp with the smallest mean over frames of the squared distance to the nearest reference.

        Args:
            features: Features of one utterance at each warp, (W, T, dim).
        """
        distances = torch.cdist(features, self.references).amin(2).square().mean(1)  # (W,)
        return int(distances.argmin())

    def config(self) -> dict[str, Any]:
        return {**super().config(), "warps": self.warps, "num_references": len(self.references)}

    def save_weights(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        save_file({"references": self.references.contiguous()}, folder / WEIGHTS)


def _shuffled_batches(frames: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield the frames (N, dim) in batches, in ``KMEANS_PASSES`` passes; each pass draws a new random order."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(KMEANS_PASSES):
        order = torch.randperm(len(frames), generator=generator)
        yield from frames[order].split(KMEANS_BATCH_FRAMES)
