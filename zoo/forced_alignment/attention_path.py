"""Word starts from cross-attention: dynamic time warping over tokens and frames, and onsets of energy."""

import numpy as np
import torch
from torch import Tensor, nn

from zoo.forced_alignment.aligner import MIN_WORD_SECONDS

MEDIAN_WIDTH = 7  # frames, as in OpenAI's whisper
# Chosen on 120 training strings of joined command words with Whisper base.
ONSET_RATE = 200  # frames of energy per second
ONSET_WINDOW = 8  # frames on either side of an onset that are compared
ONSET_SEARCH_SECONDS = 0.2  # largest distance of an onset from the start that attention gives
ONSET_PENALTY = 80.0  # decibels per second of distance
MIN_ONSET_DECIBELS = 8.0


def normalize_attention(attention: Tensor) -> Tensor:
    """Return one matrix of attention: each head standardized over tokens, median filtered over time, and averaged.

    Args:
        attention: Attention of each head, (num_heads, num_tokens, T).

    Returns:
        (num_tokens, T).
    """
    attention = attention / attention.sum(-1, keepdim=True).clamp_min(1e-12)
    deviation = attention.std(-2, keepdim=True, correction=0).clamp_min(1e-8)
    attention = (attention - attention.mean(-2, keepdim=True)) / deviation
    half = MEDIAN_WIDTH // 2
    if attention.shape[-1] > half:
        padded = nn.functional.pad(attention, (half, half), mode="reflect")
        attention = padded.unfold(-1, MEDIAN_WIDTH, 1).median(-1).values
    return attention.mean(0)


def monotonic_starts(scores: np.ndarray) -> np.ndarray:
    """Return the first frame of each token on the path of the highest total score, (num_tokens,).

    It is dynamic time warping in which every frame belongs to one token, and every token has at least one frame.

    Args:
        scores: Score of each token in each frame, (num_tokens, T) with T at least num_tokens.
    """
    num_tokens, num_frames = scores.shape
    total = np.full(num_tokens, -np.inf)
    total[0] = scores[0, 0]
    is_first = np.zeros((num_frames, num_tokens), dtype=bool)
    for frame in range(1, num_frames):
        before = np.concatenate([[-np.inf], total[:-1]])
        is_first[frame] = before > total
        total = np.maximum(before, total) + scores[:, frame]
    starts = np.zeros(num_tokens, dtype=np.int64)
    token = num_tokens - 1
    for frame in range(num_frames - 1, 0, -1):
        if is_first[frame, token]:
            starts[token] = frame
            token -= 1
    return starts


def attended_frames(scores: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the center of each token's attention within its part of the path, in frames, (num_tokens,).

    Attention that predicts a word is centered on the onset of the word, while the path enters it long before.

    Args:
        scores: Score of each token in each frame, (num_tokens, T).
        starts: First frame of each token on the path, (num_tokens,).
    """
    ends = np.append(starts[1:], scores.shape[1])
    centers = np.empty(len(starts))
    for token, (start, end) in enumerate(zip(starts, ends, strict=True)):
        row = scores[token, start:end]
        weights = np.maximum(row - np.median(row), 0.0) + 1e-9
        centers[token] = start + np.average(np.arange(len(row)), weights=weights) + 0.5
    return centers


class EnergyOnsets:
    """Where the energy of an utterance rises.

    Args:
        waveform: Speech, (num_samples,).
        sample_rate: Sample rate in Hz.
    """

    def __init__(self, waveform: Tensor, sample_rate: int) -> None:
        hop = sample_rate // ONSET_RATE
        # The first difference weighs consonants up, which are weak and high.
        emphasized = torch.diff(waveform, prepend=waveform[:1] * 0) + 0.03 * waveform
        power = nn.functional.avg_pool1d(emphasized.square()[None], 2 * hop, hop, padding=hop, count_include_pad=False)
        self.decibels = (10 * torch.log10(power[0] + 1e-8)).numpy().astype(np.float64)
        sums = np.concatenate([[0.0], np.cumsum(self.decibels)])
        frames = np.arange(len(self.decibels))
        first = np.maximum(frames - ONSET_WINDOW, 0)
        last = np.minimum(frames + ONSET_WINDOW, len(frames))
        before = (sums[frames] - sums[first]) / np.maximum(frames - first, 1)
        before[0] = self.decibels.min(initial=0.0)
        after = (sums[last] - sums[frames]) / (last - frames)
        self.rises = after - before

    def nearest(self, seconds: float) -> float:
        """Return the time of the clearest onset near a time, or the time itself where there is none.

        Args:
            seconds: Time in seconds from the start of the utterance.
        """
        first = max(0, int((seconds - ONSET_SEARCH_SECONDS) * ONSET_RATE))
        last = min(len(self.rises), int((seconds + ONSET_SEARCH_SECONDS) * ONSET_RATE) + 1)
        if first >= last:
            return seconds
        frames = np.arange(first, last)
        scores = self.rises[first:last] - ONSET_PENALTY * np.abs(frames / ONSET_RATE - seconds)
        best = int(frames[scores.argmax()])
        if self.rises[best] < MIN_ONSET_DECIBELS:
            return seconds
        return best / ONSET_RATE

    def end_of_sound(self, start: float, end: float, below_peak: float = 35.0) -> float:
        """Return when the last sound between two times ends, which is before a pause or equal to ``end``.

        Args:
            start: Start of a word in seconds.
            end: Start of the next word, or the end of the utterance, in seconds.
            below_peak: Decibels below the loudest frame of the word at which a pause begins.
        """
        first = int(start * ONSET_RATE)
        word = self.decibels[first : int(end * ONSET_RATE)]
        if len(word) == 0:
            return end
        loud = np.flatnonzero(word > word.max() - below_peak)
        return min(end, (first + int(loud[-1]) + 1) / ONSET_RATE)


def in_order(starts: np.ndarray, duration: float) -> np.ndarray:
    """Return starts that increase by at least ``MIN_WORD_SECONDS`` and leave as much before the end, (num_words,).

    Args:
        starts: Start of each word in seconds, (num_words,).
        duration: Duration of the utterance in seconds, at least ``MIN_WORD_SECONDS`` a word.
    """
    steps = np.arange(len(starts)) * MIN_WORD_SECONDS
    increasing = np.maximum.accumulate(np.maximum(starts, 0.0) - steps) + steps
    latest = duration - MIN_WORD_SECONDS * np.arange(len(starts), 0, -1)
    return np.minimum(increasing, latest)
