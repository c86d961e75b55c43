"""How much the units change when the sound changes and what is said does not (Gat et al. 2023)."""
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from zoo.evaluation.tokenizer_report.joint import Sample, sum_over_sum
from zoo.metrics.unit_edit_distance import edit_distance
from zoo.speech.augmentation import Augmentation
from zoo.tokens.tokenizers import SpeechTokenizer
from zoo.tokens.units import runs


def measure_robustness(tokenizer: SpeechTokenizer, waveforms: Sequence[Tensor], augmentations: Mapping[str, Augmentation], seed: int = 0) -> dict[str, dict[str, Sample]]:
    """Unit edit distance (UED) of each stream under each augmentation: edits per deduplicated unit.

    Args:
        tokenizer: Hears both.
        waveforms: (N,) each, at the tokenizer's rate.
        augmentations: By name.
        seed: Of what they draw, waveform by waveform.

    Returns:
        By augmentation and stream, of utterances by number.
    """
    plain = tokenizer.encode_batch(waveforms)
    result = {}
    for name, augmentation in augmentations.items():
        changed = [augmentation(wave, torch.Generator().manual_seed(seed + number)) for number, wave in enumerate(waveforms)]
        result[name] = unit_edit_distance(plain, tokenizer.encode_batch(changed))
    return result


def unit_edit_distance(plain: Sequence[Mapping[str, np.ndarray]], changed: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Sample]:
    """Edits per unit by stream, of raw units (T,) by prefix of the same utterances."""
    found = {}
    for prefix in plain[0]:
        pairs = [[row[runs(row)[0]] for row in (a[prefix], b[prefix])] for a, b in zip(plain, changed)]
        found[prefix] = sum_over_sum(range(len(pairs)), np.array([edit_distance(b, a) for a, b in pairs]), np.array([len(a) for a, _ in pairs]))
    return found
