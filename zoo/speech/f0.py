"""Waveform to fundamental frequency (F0), 200 frames a second: FCPE's network, or an autocorrelation with no weights."""

import contextlib
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

HOP_SAMPLES = 80
FRAME_RATE = 200.0
PIECE_FRAMES = 256  # looked at at once: what one step leaves is still in the cache at the next


@dataclass(frozen=True)
class F0Track:
    """F0 of one waveform of N samples, T = N // 80 + 1 frames.

    Args:
        frequency: Hz, (T,) float32; between voiced stretches a straight line, before the first and after the last their
            value; 0 everywhere where no frame is voiced.
        voiced: (T,) bool.
    """

    frequency: Tensor
    voiced: Tensor


class F0Extractor(nn.Module, ABC):
    """What every F0 extractor offers.

    Attributes:
        sample_rate: Of the waveforms it takes, in Hz.
        frame_rate: Frames per second.
    """

    sample_rate: int = 16000
    frame_rate: float = FRAME_RATE

    @abstractmethod
    def forward(self, waveform: Tensor) -> F0Track:
        """F0 of one waveform (N,); silence has an unvoiced track."""

    def batch(self, waveforms: Tensor, every: int = 1) -> list[F0Track]:
        """F0 of each of several waveforms (B, N).

        Args:
            waveforms: Each is heard as if it were alone.
            every: Only each ``every``-th frame is wanted, from the first; some extractors then do less, and find a little less.
        """
        tracks = [self(waveform) for waveform in waveforms]
        return [F0Track(track.frequency[::every], track.voiced[::every]) for track in tracks]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments that make this extractor again."""


class CenteredF0(F0Extractor):
    """Another extractor's F0, moved so that the geometric mean of its voiced frames is ``center_hz``: to compare melodies of different voices.

    Args:
        extractor: The other.
        center_hz: Hz.
    """

    def __init__(self, extractor: F0Extractor, center_hz: float = 150.0) -> None:
        super().__init__()
        self.extractor, self.center_hz, self.sample_rate, self.frame_rate = (
            extractor,
            center_hz,
            extractor.sample_rate,
            extractor.frame_rate,
        )

    def forward(self, waveform: Tensor) -> F0Track:
        track = self.extractor(waveform)
        if not track.voiced.any():
            return track
        return F0Track(
            track.frequency * (self.center_hz / track.frequency[track.voiced].log().mean().exp()), track.voiced
        )

    def config(self) -> dict[str, Any]:
        return {"extractor": self.extractor.config(), "center_hz": self.center_hz}


class FCPE(F0Extractor):
    """The pitch estimator that Spirit LM tokenizes with (Luo et al. 2025), with the weights that torchfcpe carries.

    The network works at 100 Hz; its frames are repeated. They are not a function of their surroundings alone: its group
    norm looks at the whole waveform.

    Args:
        threshold: A frame whose confidence is at most this is unvoiced.
        f0_min: Hz; a frame below is unvoiced.
        f0_max: Hz; a frame above is cut down to it.
    """

    def __init__(self, threshold: float = 0.05, f0_min: float = 50.0, f0_max: float = 1100.0) -> None:
        super().__init__()
        self.threshold, self.f0_min, self.f0_max = threshold, f0_min, f0_max
        self._network: list[
            nn.Module
        ] = []  # in a list, and late: these weights belong to another package, and are slow to load

    @torch.no_grad()
    def forward(self, waveform: Tensor) -> F0Track:
        if len(waveform) == 0:
            return no_pitch(0, waveform.device)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a line for each sample beyond 1
            raw = self.network(waveform.device)(
                waveform[None, :, None], self.sample_rate, "local_argmax", self.threshold
            )[0, :, 0]
        voiced = raw >= self.f0_min
        frames = len(waveform) // HOP_SAMPLES + 1
        if not voiced.any():
            return no_pitch(len(waveform), waveform.device)
        rows = torch.stack([fill_unvoiced(raw, voiced).clamp(max=self.f0_max), voiced.to(raw.dtype)])
        frequency, flags = F.interpolate(rows[None], size=frames, mode="nearest")[0]
        return F0Track(frequency, flags > 0.5)

    def network(self, device: torch.device) -> nn.Module:
        """torchfcpe's model, loaded at the first call."""
        if not self._network:
            with contextlib.redirect_stdout(io.StringIO()):
                import torchfcpe  # not above: it takes a second, which nobody without pitch should wait for

                self._network.append(torchfcpe.spawn_bundled_infer_model("cpu").requires_grad_(False))
        return self._network[0].to(device)

    def config(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "f0_min": self.f0_min, "f0_max": self.f0_max}


class Autocorrelation(F0Extractor):
    """Peaks of the normalized autocorrelation, the best path through them found by dynamic programming (Boersma 1993).

    Args:
        f0_min: Hz; the window holds three of its periods.
        f0_max: Hz.
        voicing_threshold: Of the height of a peak, 1 for a perfect period; below it a frame had better be unvoiced.
        silence_threshold: Of the amplitude, as a share of the largest one; below it a frame had better be unvoiced.
        octave_cost: For each octave downwards: of two equal peaks the higher frequency is taken.
        jump_cost: For each octave between neighboring frames, per 10 ms.
        voicing_cost: For each change between voiced and unvoiced, per 10 ms.
        num_candidates: Peaks kept of each frame.
    """

    def __init__(
        self,
        f0_min: float = 60.0,
        f0_max: float = 600.0,
        voicing_threshold: float = 0.45,
        silence_threshold: float = 0.03,
        octave_cost: float = 0.01,
        jump_cost: float = 0.35,
        voicing_cost: float = 0.14,
        num_candidates: int = 6,
    ) -> None:
        super().__init__()
        if not 0 < f0_min < f0_max <= self.sample_rate / 8:
            raise ValueError(
                f"f0_min and f0_max must rise from above 0 to at most {self.sample_rate // 8} Hz, got {f0_min:g} and {f0_max:g}"
            )
        self.f0_min, self.f0_max, self.num_candidates = f0_min, f0_max, num_candidates
        self.voicing_threshold, self.silence_threshold = voicing_threshold, silence_threshold
        self.octave_cost, self.jump_cost, self.voicing_cost = octave_cost, jump_cost, voicing_cost
        self.correlate = NormalizedAutocorrelation(f0_min, self.sample_rate)

    def forward(self, waveform: Tensor) -> F0Track:
        return self.batch(waveform.unsqueeze(0))[0]

    @torch.no_grad()
    def batch(self, waveforms: Tensor, every: int = 1) -> list[F0Track]:
        rows, samples = waveforms.shape
        silent = no_pitch(samples, waveforms.device, every)
        if samples == 0:
            return [silent] * rows
        frames = frames_of(waveforms, self.correlate.size, HOP_SAMPLES * every).transpose(0, 1)  # (T, B, L), a view
        peak = waveforms.abs().amax(1)
        pieces = [
            self._candidates(piece.flatten(0, 1), peak.repeat(len(piece)))
            for piece in frames.split(max(1, PIECE_FRAMES // rows))
        ]
        found = (torch.cat(column).unflatten(0, (-1, rows)).cpu().numpy() for column in zip(*pieces))
        paths = torch.from_numpy(self._best_paths(*found, 0.01 * self.frame_rate / every)).to(waveforms.device)
        return [F0Track(fill_unvoiced(path, path > 0), path > 0) if (path > 0).any() else silent for path in paths]

    def _candidates(self, frames: Tensor, peak: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frequency and strength of the highest peaks (T, K), and strength of being unvoiced (T,), of frames (T, L) of waveforms as loud as ``peak``, (T,)."""
        heights = self.correlate(frames)  # (T, lags)
        first = int(self.sample_rate / self.f0_max)
        middle = heights[:, first:-1]
        row, lag = ((middle > heights[:, first - 1 : -2]) & (middle >= heights[:, first + 1 :])).nonzero(as_tuple=True)
        left, middle, right = (heights[row, lag + first + step] for step in (-1, 0, 1))
        bend = (left - 2 * middle + right).clamp(max=-1e-9)
        shift = (0.5 * (left - right) / bend).clamp(-0.5, 0.5)  # of the parabola's top
        top = (middle - 0.25 * (left - right) * shift).clamp(max=1.0)
        frequency = self.sample_rate / (lag + first + shift)
        strength = torch.where(
            (frequency >= self.f0_min) & (frequency <= self.f0_max),
            top - self.octave_cost * torch.log2(self.f0_max / frequency),
            float("-inf"),
        )
        loudness = frames.abs().amax(1) / peak.clamp(min=1e-30)
        silence = (2 - loudness * (1 + self.voicing_threshold) / self.silence_threshold).clamp(min=0)
        return *self._highest(row, frequency, strength, len(frames)), self.voicing_threshold + silence

    def _highest(self, row: Tensor, frequency: Tensor, strength: Tensor, num_rows: int) -> tuple[Tensor, Tensor]:
        """Of peaks (N,), sorted by their ``row``, the strongest of each row: frequency and strength (T, K), strongest first."""
        count = torch.bincount(row, minlength=num_rows)
        place = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
        width = max(self.num_candidates, int(count.max()))
        table = torch.stack(
            [torch.full((num_rows, width), fill, device=row.device) for fill in (self.f0_max, float("-inf"))]
        )
        table[:, row, place] = torch.stack([frequency, strength])
        strength, index = table[1].topk(self.num_candidates, dim=1)
        return table[0].gather(1, index), strength

    def _best_paths(
        self, frequencies: np.ndarray, strengths: np.ndarray, unvoiced: np.ndarray, per_frame: float
    ) -> np.ndarray:
        """Frequency of each frame (B, T), 0 where unvoiced, by Viterbi's algorithm.

        Args:
            frequencies: Of the candidates, (T, B, K).
            strengths: Likewise.
            unvoiced: Strength of being unvoiced, (T, B).
            per_frame: Factor on costs per 10 ms.
        """
        scores = np.concatenate([unvoiced[..., None], strengths], axis=2)  # (T, B, 1 + K), the unvoiced candidate first
        pitch, rows = np.log2(frequencies), np.arange(scores.shape[1])
        costs = np.full((len(scores) - 1, *scores.shape[1:], scores.shape[2]), self.voicing_cost * per_frame)
        costs[..., 0, 0] = 0
        costs[..., 1:, 1:] = self.jump_cost * per_frame * np.abs(pitch[:-1, ..., None] - pitch[1:, :, None, :])
        total, before = scores[0], np.zeros(scores.shape, dtype=np.int64)
        for frame in range(1, len(scores)):
            reached = total[..., None] - costs[frame - 1]
            before[frame] = reached.argmax(1)
            total = reached.max(1) + scores[frame]
        chosen, paths = total.argmax(1), np.zeros(scores.shape[:2], dtype=np.float32)
        for frame in range(len(scores) - 1, -1, -1):
            paths[frame] = np.where(chosen > 0, frequencies[frame, rows, chosen - 1], 0.0)
            chosen = before[frame, rows, chosen]
        return paths.T.copy()

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
    """Autocorrelation of windowed frames over that of the window: 1 at each multiple of a perfect period (Boersma 1993).

    Args:
        f0_min: Hz; a frame holds three of its periods, and the lags reach a little beyond one.
        sample_rate: Hz.
    """

    def __init__(self, f0_min: float, sample_rate: int) -> None:
        super().__init__()
        self.size = 2 * round(1.5 * sample_rate / f0_min)
        self.lags = int(sample_rate / f0_min) + 3
        self.fft_size = fast_fft_size(self.size + self.lags)
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (..., size) to heights (..., lags), lag 0 first."""
        correlation = self._correlation((frames - frames.mean(-1, keepdim=True)) * self.window)
        of_window = self._correlation(self.window)
        return correlation / correlation[..., :1].clamp(min=1e-10) / (of_window / of_window[:1])

    def _correlation(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames, self.fft_size)
        return torch.fft.irfft(spectrum.real.square() + spectrum.imag.square(), self.fft_size)[..., : self.lags]


def fast_fft_size(at_least: int) -> int:
    """The smallest even number from ``at_least`` with no other prime factors than 2, 3 and 5: half the work of the next power of 2, at best."""
    powers = [[base**power for power in range(at_least.bit_length() + 1)] for base in (2, 3, 5)]
    return min(size for two, three, five in product(*powers) if (size := two * three * five) >= at_least and two > 1)


def frames_of(waveform: Tensor, size: int, hop: int = HOP_SAMPLES) -> Tensor:
    """Frames (..., T, size) around every ``hop``-th sample of waveforms (..., N), T = N // hop + 1; zeros beyond their ends."""
    return F.pad(waveform, (size // 2, size // 2)).unfold(-1, size, hop)


def fill_unvoiced(frequency: Tensor, voiced: Tensor) -> Tensor:
    """Straight lines through the unvoiced frames of a track (T,), at least one of whose frames is voiced."""
    known = voiced.nonzero()[:, 0]
    place = torch.arange(len(frequency), device=frequency.device)
    right = torch.searchsorted(known, place).clamp(max=len(known) - 1)
    left = (right - 1).clamp(min=0)
    low, high = frequency[known[left]], frequency[known[right]]
    line = low + (place - known[left]) * (high - low) / (known[right] - known[left]).clamp(min=1)
    line = torch.where(place > known[-1], frequency[known[-1]], line)
    return torch.where(voiced, frequency, line)


def no_pitch(num_samples: int, device: torch.device | None = None, every: int = 1) -> F0Track:
    """The track of a waveform in which nothing is voiced, each ``every``-th frame of it."""
    frames = num_samples // (HOP_SAMPLES * every) + 1
    return F0Track(torch.zeros(frames, device=device), torch.zeros(frames, dtype=torch.bool, device=device))


F0_EXTRACTORS = {kind.__name__: kind for kind in (FCPE, Autocorrelation)}
