"""F0 by autocorrelation and dynamic programming (Boersma 1993), as in Praat; needs no weights and is fast on a CPU."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.ranges import Hertz, NonNegativeFloat, Probability, SampleRate, Size
from zoo.speech.f0 import HOP_SAMPLES, F0Extractor, F0Track, centered_frames, interpolate_unvoiced, unvoiced_track

CHUNK_FRAMES = 256  # frames processed at once, so that intermediate results stay in the cache


@dataclass(frozen=True)
class PitchCandidates:
    """Candidates for the F0 of T frames: K voiced ones and the unvoiced one, with their scores.

    Args:
        frequency: Frequency of the voiced candidates in Hz, (T, K).
        strength: Score of the voiced candidates, (T, K), highest first; -inf where a frame has fewer than K.
        unvoiced: Score of the unvoiced candidate, (T,).
    """

    frequency: Tensor
    strength: Tensor
    unvoiced: Tensor


class Autocorrelation(F0Extractor):
    """F0 extractor that finds the best path through the peaks of the normalized autocorrelation (Boersma 1993).

    Args:
        f0_min: Lowest F0 in Hz; the analysis window spans three of its periods.
        f0_max: Highest F0 in Hz, at most an eighth of the sample rate.
        voicing_threshold: Peak height, where 1 is a perfectly periodic frame, below which a frame prefers to be
            unvoiced.
        silence_threshold: Amplitude, as a share of the largest amplitude of the waveform, below which a frame prefers
            to be unvoiced.
        octave_cost: Subtracted from a peak for each octave below ``f0_max``, so that of two equal peaks the higher
            frequency is chosen.
        jump_cost: Cost of a change of F0 between neighboring frames, for each octave and per 10 ms.
        voicing_cost: Cost of a change between voiced and unvoiced, per 10 ms.
        num_candidates: Number of voiced candidates per frame.

    Raises:
        ValueError: Unless 0 < ``f0_min`` < ``f0_max`` <= an eighth of the sample rate.
    """

    def __init__(
        self,
        f0_min: Hertz = 60.0,
        f0_max: Hertz = 600.0,
        voicing_threshold: Probability = 0.45,
        silence_threshold: NonNegativeFloat = 0.03,
        octave_cost: NonNegativeFloat = 0.01,
        jump_cost: NonNegativeFloat = 0.35,
        voicing_cost: NonNegativeFloat = 0.14,
        num_candidates: Size = 6,
    ) -> None:
        super().__init__()
        if not 0 < f0_min < f0_max <= self.sample_rate / 8:
            raise ValueError(
                f"f0_min and f0_max must rise from above 0 to at most {self.sample_rate // 8} Hz, "
                f"got {f0_min:g} and {f0_max:g}"
            )
        self.f0_min = f0_min
        self.f0_max = f0_max
        self.voicing_threshold = voicing_threshold
        self.silence_threshold = silence_threshold
        self.octave_cost = octave_cost
        self.jump_cost = jump_cost
        self.voicing_cost = voicing_cost
        self.num_candidates = num_candidates
        self.correlate = NormalizedAutocorrelation(f0_min, self.sample_rate)

    def forward(self, waveform: Tensor) -> F0Track:
        return self.batch(waveform.unsqueeze(0))[0]

    @torch.no_grad()
    def batch(self, waveforms: Tensor, frame_step: int = 1) -> list[F0Track]:
        batch_size, num_samples = waveforms.shape
        silent = unvoiced_track(num_samples, waveforms.device, frame_step)
        if num_samples == 0:
            return [silent] * batch_size
        frames = centered_frames(waveforms, self.correlate.frame_samples, HOP_SAMPLES * frame_step)
        frames = frames.transpose(0, 1)  # (T, B, L), still a view, of which only chunks are copied
        peak = waveforms.abs().amax(1)  # (B,) amplitude that the silence threshold is a share of
        chunks = []
        for chunk in frames.split(max(1, CHUNK_FRAMES // batch_size)):
            chunks.append(self._candidates(chunk.flatten(0, 1), peak.repeat(len(chunk))))
        frames_per_10ms = 0.01 * self.frame_rate / frame_step
        paths = self._best_paths(
            _as_numpy([chunk.frequency for chunk in chunks], batch_size),
            _as_numpy([chunk.strength for chunk in chunks], batch_size),
            _as_numpy([chunk.unvoiced for chunk in chunks], batch_size),
            frames_per_10ms,
        )
        tracks = []
        for path in torch.from_numpy(paths).to(waveforms.device):
            voiced = path > 0
            tracks.append(F0Track(interpolate_unvoiced(path, voiced), voiced) if voiced.any() else silent)
        return tracks

    def _candidates(self, frames: Tensor, peak: Tensor) -> PitchCandidates:
        """Find and score the candidates of each frame.

        Args:
            frames: Frames of samples, (T, L).
            peak: Largest amplitude of the waveform that each frame belongs to, (T,).
        """
        heights = self.correlate(frames)  # (T, lags)
        # Each local maximum at a lag of at least one period of f0_max is a candidate.
        first = int(self.sample_rate / self.f0_max)
        inner = heights[:, first:-1]
        is_peak = (inner > heights[:, first - 1 : -2]) & (inner >= heights[:, first + 1 :])
        row, lag = is_peak.nonzero(as_tuple=True)  # (N,) each, sorted by row
        lag = lag + first
        # A parabola through the peak and its neighbors gives lag and height to a fraction of a sample.
        left = heights[row, lag - 1]
        middle = heights[row, lag]
        right = heights[row, lag + 1]
        curvature = (left - 2 * middle + right).clamp(max=-1e-9)
        shift = (0.5 * (left - right) / curvature).clamp(-0.5, 0.5)
        top = (middle - 0.25 * (left - right) * shift).clamp(max=1.0)
        frequency = self.sample_rate / (lag + shift)
        strength = torch.where(
            (frequency >= self.f0_min) & (frequency <= self.f0_max),
            top - self.octave_cost * torch.log2(self.f0_max / frequency),
            float("-inf"),
        )
        frequency, strength = self._strongest(row, frequency, strength, len(frames))
        # The unvoiced candidate scores the voicing threshold, plus a bonus of up to 2 that grows as the frame gets
        # quieter.
        loudness = frames.abs().amax(1) / peak.clamp(min=1e-30)
        silence = (2 - loudness * (1 + self.voicing_threshold) / self.silence_threshold).clamp(min=0)
        return PitchCandidates(frequency, strength, self.voicing_threshold + silence)

    def _strongest(self, row: Tensor, frequency: Tensor, strength: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
        """Return frequency and strength (T, K) of the strongest peaks of each frame, strongest first.

        Args:
            row: Frame of each peak, (N,), sorted.
            frequency: Frequency of each peak in Hz, (N,).
            strength: Strength of each peak, (N,).
            num_rows: Number of frames T.
        """
        # Peaks are scattered into a table with a row per frame. A peak's column is its index minus that of the first
        # peak of its frame. Rows with fewer peaks are filled with -inf, which topk puts last.
        count = torch.bincount(row, minlength=num_rows)
        first_of_row = count.cumsum(0) - count
        column = torch.arange(len(row), device=row.device) - first_of_row[row]
        width = max(self.num_candidates, int(count.max()))
        frequencies = torch.full((num_rows, width), float(self.f0_max), device=row.device)
        strengths = torch.full((num_rows, width), float("-inf"), device=row.device)
        frequencies[row, column] = frequency
        strengths[row, column] = strength
        strength, index = strengths.topk(self.num_candidates, dim=1)
        return frequencies.gather(1, index), strength

    def _best_paths(
        self, frequency: np.ndarray, strength: np.ndarray, unvoiced: np.ndarray, frames_per_10ms: float
    ) -> np.ndarray:
        """Choose one candidate per frame by the Viterbi algorithm: F0 in Hz (B, T), 0 where unvoiced.

        A path scores the sum of the strengths of its candidates, minus the transition costs between them.

        Args:
            frequency: Frequency of the voiced candidates in Hz, (T, B, K).
            strength: Strength of the voiced candidates, (T, B, K).
            unvoiced: Strength of being unvoiced, (T, B).
            frames_per_10ms: Factor on the transition costs, which are given per 10 ms.
        """
        scores = np.concatenate([unvoiced[..., None], strength], axis=2)  # (T, B, 1 + K), candidate 0 is unvoiced
        costs = self._transition_costs(frequency, frames_per_10ms)
        total = scores[0]  # (B, 1 + K) score of the best path that ends in each candidate
        predecessor = np.zeros(scores.shape, dtype=np.int64)
        for frame in range(1, len(scores)):
            reached = total[..., None] - costs[frame - 1]  # (B, from, to)
            predecessor[frame] = reached.argmax(1)
            total = reached.max(1) + scores[frame]
        # Trace the best path back from the last frame.
        rows = np.arange(scores.shape[1])
        chosen = total.argmax(1)  # (B,)
        paths = np.zeros(scores.shape[:2], dtype=np.float32)
        for frame in range(len(scores) - 1, -1, -1):
            # Candidate k > 0 is column k - 1 of `frequency`. For the unvoiced candidate 0, column -1 is read and
            # discarded.
            paths[frame] = np.where(chosen > 0, frequency[frame, rows, chosen - 1], 0.0)
            chosen = predecessor[frame, rows, chosen]
        return paths.T.copy()

    def _transition_costs(self, frequency: np.ndarray, frames_per_10ms: float) -> np.ndarray:
        """Return the costs (T - 1, B, from, to) between the candidates of neighboring frames; 0 is unvoiced."""
        num_frames, batch_size, num_candidates = frequency.shape
        octaves = np.log2(frequency)
        shape = (num_frames - 1, batch_size, 1 + num_candidates, 1 + num_candidates)
        costs = np.full(shape, self.voicing_cost * frames_per_10ms)  # voiced to unvoiced and back
        costs[..., 0, 0] = 0
        jumps = np.abs(octaves[:-1, ..., None] - octaves[1:, :, None, :])
        costs[..., 1:, 1:] = self.jump_cost * frames_per_10ms * jumps
        return costs

    def config(self) -> dict[str, Any]:
        return {
            "f0_min": self.f0_min,
            "f0_max": self.f0_max,
            "voicing_threshold": self.voicing_threshold,
            "silence_threshold": self.silence_threshold,
            "octave_cost": self.octave_cost,
            "jump_cost": self.jump_cost,
            "voicing_cost": self.voicing_cost,
            "num_candidates": self.num_candidates,
        }


class NormalizedAutocorrelation(nn.Module):
    """Autocorrelation of windowed frames, divided by that of the window (Boersma 1993).

    The division undoes the taper of the window: the height is 1 at every multiple of the period of a periodic frame.

    Args:
        f0_min: Lowest F0 in Hz. A frame spans three of its periods, and the lags reach slightly beyond one.
        sample_rate: Sample rate of the frames in Hz.
    """

    window: Tensor

    def __init__(self, f0_min: Hertz, sample_rate: SampleRate) -> None:
        super().__init__()
        self.frame_samples = 2 * round(1.5 * sample_rate / f0_min)
        self.lags = int(sample_rate / f0_min) + 3
        # Zero padding by the number of lags keeps the circular correlation of the FFT from wrapping around.
        self.fft_size = fast_fft_size(self.frame_samples + self.lags)
        self.register_buffer("window", torch.hann_window(self.frame_samples), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the heights (..., lags), lag 0 first, of frames (..., frame_samples)."""
        correlation = self._correlation((frames - frames.mean(-1, keepdim=True)) * self.window)
        window_correlation = self._correlation(self.window)
        return correlation / correlation[..., :1].clamp(min=1e-10) / (window_correlation / window_correlation[:1])

    def _correlation(self, frames: Tensor) -> Tensor:
        """Return the autocorrelation, the inverse FFT of the power spectrum: (..., frame_samples) -> (..., lags)."""
        spectrum = torch.fft.rfft(frames, self.fft_size)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.fft.irfft(power, self.fft_size)[..., : self.lags]


def fast_fft_size(min_size: int) -> int:
    """Return the smallest even number of at least ``min_size`` without prime factors other than 2, 3 and 5.

    FFTs of such sizes are fast, and the size can be nearly half of the next power of 2.
    """
    exponents = range(min_size.bit_length() + 1)
    best = 2 ** min_size.bit_length()
    for two, three, five in product(exponents, repeat=3):
        size = 2**two * 3**three * 5**five
        if two > 0 and min_size <= size < best:
            best = size
    return best


def _as_numpy(chunks: list[Tensor], batch_size: int) -> np.ndarray:
    """Join chunks of flattened frames: (t * B, ...) each -> (T, B, ...)."""
    return torch.cat(chunks).unflatten(0, (-1, batch_size)).cpu().numpy()
