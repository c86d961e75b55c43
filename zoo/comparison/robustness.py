"""How much the units change when the sound changes and what is said does not (Gat et al. 2023)."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from zoo.comparison.joint_bootstrap import Sample, sum_over_sum
from zoo.metrics.unit_edit_distance import edit_distance
from zoo.processes import map_in_processes
from zoo.speech.augmentation import Augmentation
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import runs

Units = dict[str, np.ndarray]
BLOCK = 16  # waveforms that are encoded together


def hear(
    tokenizer: SpeechTokenizer,
    waveforms: Sequence[Tensor],
    augmentations: Mapping[str, Augmentation],
    seed: int = 0,
    num_processes: int = 1,
) -> tuple[list[Units], dict[str, list[Units]]]:
    """Raw units of each waveform as it is, and under each augmentation.

    Args:
        tokenizer: Hears both.
        waveforms: (N,) each, at the tokenizer's rate, none of them empty.
        augmentations: By name.
        seed: Of what they draw, waveform by waveform.
        num_processes: That listen at once.

    Returns:
        (T,) by prefix, of each waveform; the same by augmentation.
    """
    blocks = [range(start, min(start + BLOCK, len(waveforms))) for start in range(0, len(waveforms), BLOCK)]
    done = map_in_processes(partial(_hear, tokenizer, waveforms, augmentations, seed), blocks, num_processes)
    heard = list(tqdm(done, "hear", len(blocks), unit="block", mininterval=1.0, delay=2.0))
    plain, *changed = ([units for block in heard for units in block[kind]] for kind in range(1 + len(augmentations)))
    return plain, dict(zip(augmentations, changed))


def _hear(
    tokenizer: SpeechTokenizer,
    waveforms: Sequence[Tensor],
    augmentations: Mapping[str, Augmentation],
    seed: int,
    numbers: Sequence[int],
) -> list[list[Units]]:
    kinds = [[waveforms[number] for number in numbers]]
    kinds += [
        [augmentation(waveforms[number], torch.Generator().manual_seed(seed + number)) for number in numbers]
        for augmentation in augmentations.values()
    ]
    return [tokenizer.encode_batch(waves) for waves in kinds]


def unit_edit_distance(
    plain: Sequence[Mapping[str, np.ndarray]], changed: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, Sample]:
    """Edits per unit by stream, of raw units (T,) by prefix of the same utterances."""
    found = {}
    for prefix in plain[0]:
        pairs = [[row[runs(row)[0]] for row in (a[prefix], b[prefix])] for a, b in zip(plain, changed)]
        found[prefix] = sum_over_sum(
            range(len(pairs)), np.array([edit_distance(b, a) for a, b in pairs]), np.array([len(a) for a, _ in pairs])
        )
    return found
