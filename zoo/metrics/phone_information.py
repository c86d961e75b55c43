"""Phone-normalized mutual information and phone purity of units."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.corpora.utterance import Interval
from zoo.ranges import NumUnits, Size

STRESS = "ˈˌ"


class PhoneInformation(Metric):
    """Phone-normalized mutual information and phone purity of units, frame by frame (Hsu et al. 2021, section 4.2).

    Args:
        num_units: Size of the codebook.
        max_phones: Maximum number of distinct phones.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    counts: Tensor

    def __init__(self, num_units: NumUnits, max_phones: Size = 256) -> None:
        super().__init__()
        self.names: dict[str, int] = {}
        self.max_phones = max_phones
        self.add_state("counts", torch.zeros(max_phones, num_units, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, units: np.ndarray, frame_rate: float, phones: Sequence[Interval]) -> None:
        """Add one utterance; frames whose middle is outside all phones are skipped.

        Args:
            units: Raw units (T,).
            frame_rate: Units per second.
            phones: Phones with their start and end in seconds.

        Raises:
            ValueError: If there are more than ``max_phones`` distinct phones.
        """
        middles = (np.arange(len(units)) + 0.5) / frame_rate
        for name, start, end in phones:
            index = self.names.setdefault(name.strip(STRESS), len(self.names))
            if index >= self.max_phones:
                raise ValueError(f"more than max_phones={self.max_phones} different phones: raise it")
            inside = torch.from_numpy(units[(middles >= start) & (middles < end)].astype(np.int64))
            self.counts[index] += torch.bincount(inside, minlength=self.counts.shape[1]).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """Return PNMI and phone purity.

        Returns:
            ``pnmi``, mutual information of phones and units divided by the entropy of the phones, and ``purity``, the
            share of frames whose phone is the most frequent phone of their unit.
        """
        joint = self.counts.double() / self.counts.sum()
        phone_entropy = torch.special.entr(joint.sum(1)).sum()
        unit_entropy = torch.special.entr(joint.sum(0)).sum()
        joint_entropy = torch.special.entr(joint).sum()
        return {
            "pnmi": ((phone_entropy + unit_entropy - joint_entropy) / phone_entropy).float(),
            "purity": joint.max(0).values.sum().float(),
        }
