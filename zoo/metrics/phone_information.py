"""How much units tell of the phones."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.corpora.utterance import Interval

STRESS = "ˈˌ"


class PhoneInformation(Metric):
    """Phone-normalized mutual information and phone purity of units, frame by frame (Hsu et al. 2021, section 4.2).

    Args:
        num_units: Values a unit may have.
        max_phones: Different phones at most.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(self, num_units: int, max_phones: int = 256) -> None:
        super().__init__()
        self.names: dict[str, int] = {}
        self.max_phones = max_phones
        self.add_state("counts", torch.zeros(max_phones, num_units, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, units: np.ndarray, frame_rate: float, phones: Sequence[Interval]) -> None:
        """Add the units (T,) of one utterance with its phones; frames whose middle lies in none of them are left out.

        Raises:
            ValueError: Where there are more different phones than were reckoned with.
        """
        middles = (np.arange(len(units)) + 0.5) / frame_rate
        for name, start, end in phones:
            index = self.names.setdefault(name.strip(STRESS), len(self.names))
            if index >= self.max_phones:
                raise ValueError(f"more than max_phones={self.max_phones} different phones: raise it")
            inside = torch.from_numpy(units[(middles >= start) & (middles < end)].astype(np.int64))
            self.counts[index] += torch.bincount(inside, minlength=self.counts.shape[1]).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """``pnmi``, the share of the phones' entropy that the units tell, and ``purity``, that of frames in the unit's commonest phone."""
        joint = self.counts.double() / self.counts.sum()
        phones, units = joint.sum(1), joint.sum(0)
        entropies = [torch.special.entr(p).sum() for p in (phones, units, joint)]
        return {
            "pnmi": ((entropies[0] + entropies[1] - entropies[2]) / entropies[0]).float(),
            "purity": joint.max(0).values.sum().float(),
        }
