import numpy as np
import pytest
import torch

from tests.toy_speech import hum
from tests.toy_tokenizer import ZeroCrossings
from zoo.corpora.utterance import Utterance
from zoo.evaluation import unit_robustness
from zoo.evaluation.unit_robustness import MEAN, UnitEdits, UnitRobustness, augmented_copies, encode_augmented
from zoo.speech.augmentation import Augmentation, ColoredNoise, Noise, TimeStretch, Unchanged


class Scaled(Augmentation):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, waveform, draw):
        return waveform * self.factor


class Reversed(Augmentation):
    def __call__(self, waveform, draw):
        return waveform.flip(0)


WAVEFORMS = [hum(np.array(units), 0.5) for units in ([0, 0, 1, 2], [3, 1, 1, 4, 5])]


def phonetic(rows):
    return [row["Hu"] for row in rows]


def test_units_that_do_not_change_have_no_distance():
    augmentations = {"unchanged": Unchanged(), "quieter": Scaled(0.3), "reversed": Reversed()}
    clean, augmented = encode_augmented(ZeroCrossings(), WAVEFORMS, augmentations)
    distances = {}
    for name, units in augmented.items():
        distances[name] = UnitEdits.between(phonetic(clean), phonetic(units)).distance().value
    assert distances["unchanged"] == distances["quieter"] == 0 < distances["reversed"]


def test_several_processes_encode_what_one_encodes(monkeypatch):
    monkeypatch.setattr(unit_robustness, "BLOCK", 1)
    augmentations = {"quieter": Scaled(0.3), "noise": Noise(ColoredNoise())}
    clean, augmented = encode_augmented(ZeroCrossings(), WAVEFORMS, augmentations)
    same_clean, same_augmented = encode_augmented(ZeroCrossings(), WAVEFORMS, augmentations, num_processes=2)
    assert len(clean) == 2
    for rows, same in ((clean, same_clean), *zip(augmented.values(), same_augmented.values(), strict=True)):
        assert [units.tolist() for units in phonetic(rows)] == [units.tolist() for units in phonetic(same)]


def test_the_copies_of_an_utterance_depend_on_its_number_and_the_seed_alone():
    augmentations = {"noise": Noise(ColoredNoise()), "stretch": TimeStretch()}
    first, same = (augmented_copies(WAVEFORMS[0], augmentations, 3, 5) for _ in range(2))
    other_number = augmented_copies(WAVEFORMS[0], augmentations, 3, 6)
    other_seed = augmented_copies(WAVEFORMS[0], augmentations, 5, 3)
    assert torch.equal(first["noise"], same["noise"]) and torch.equal(first["stretch"], same["stretch"])
    assert not torch.equal(first["noise"], other_number["noise"])
    assert not torch.equal(first["noise"], other_seed["noise"])


def test_edits_worked_by_hand():
    clean = [np.array([0, 0, 1, 2]), np.array([3, 3])]
    augmented = [np.array([0, 2, 2]), np.array([3, 4])]
    edits = UnitEdits.between(clean, augmented)
    assert edits.distance().value == (1 + 1) / (3 + 1) == edits.statistic(["u0", "u1"]).value
    with pytest.raises(ValueError):
        UnitEdits.between(clean, augmented[:1])


def test_a_reduction_is_measured_on_the_same_utterances_and_a_constant_unit_has_no_information():
    utterance = Utterance("u", "", "en", "s", None, None, (("a", 0.0, 0.4), ("b", 0.4, 0.8)), 0.8)
    clean = np.repeat([1, 2, 3, 4], 5)
    bad, good, constant = (UnitRobustness(5, 25.0) for _ in range(3))
    for _ in range(4):
        bad.add(clean, {"noise": np.repeat([1, 0, 3, 0], 5)}, utterance)
        good.add(clean, {"noise": np.repeat([1, 0, 3, 4], 5)}, utterance)
        constant.add(np.zeros(20, np.int64), {"noise": np.zeros(20, np.int64)}, utterance)
    assert bad.distance("noise").value == 0.5 == bad.distance(MEAN).value
    assert good.distance("noise").value == 0.25 and constant.distance("noise").value == 0.0
    reduction = good.reduction(bad, "noise")
    assert (reduction.value, reduction.low, reduction.high) == (0.5, 0.5, 0.5)
    report = constant.report()
    assert (report["perplexity"], report["used"], report["pnmi"]) == (1.0, 1, 0.0)
    assert bad.report()["units_per_second"] == 5.0
