from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.toy_speech import hum
from tests.toy_tokenizer import ZeroCrossings
from zoo.comparison.tokenizer_measures import tokenizer_measures
from zoo.comparison.tokenizers import measure_tokenizer
from zoo.corpora.utterance import Utterance
from zoo.speech.augmentation import Unchanged

PHONES = "ktaiou"
LOUDNESS = {"sad": 0.2, "happy": 0.8}
PHONETIC_KEYS = ("phone_purity", "pnmi", "abx_across", "entropy_Hu", "used_Hu", "ued_unchanged_Hu")


def make_speech(count=24):
    """Utterances of three speakers in two styles, whose phones are the units of the toy tokenizer."""
    draw = np.random.default_rng(0)
    speech = []
    for number in range(count):
        phones = np.concatenate([[0, draw.integers(2, 6), 1] for _ in range(8)])
        style = ["sad", "happy"][number % 2]
        units = np.repeat(phones, 3)
        intervals = tuple((PHONES[phone], i * 0.12, (i + 1) * 0.12) for i, phone in enumerate(phones))
        utterance = Utterance(
            id=f"u{number}",
            text=f"t{number // 2}",
            language="en",
            speaker=f"s{number // 2 % 3}",
            duration=len(units) / 25,
            style=style,
            words=None,
            phonemes=intervals,
        )
        speech.append((utterance, hum(units, LOUDNESS[style])))
    return speech


def test_two_tokenizers_are_compared():
    speech = make_speech()
    base = measure_tokenizer(ZeroCrossings(), speech, {"unchanged": Unchanged()})
    expressive = measure_tokenizer(ZeroCrossings(loudness=True), speech, {"unchanged": Unchanged()})
    assert base.purity.phone_purity.value > 0.95 and base.abx.within.value < 0.05 and base.abx.across.value < 0.05
    assert expressive.probes["style"].accuracy.value == 1 > 0.8 > base.probes["style"].accuracy.value
    assert base.robustness["unchanged"]["Hu"].distance().value == 0
    assert set(expressive.robustness["unchanged"]) == {"Hu", "St"}
    measures = tokenizer_measures({"Base": [base], "Expressive": [expressive]})
    reports = {measure.key: measure.report() for measure in measures}
    gaps = {key: report["differences"]["Expressive"] for key, report in reports.items() if report["differences"]}
    assert gaps["tokens_per_second"]["excludes_zero"]
    assert gaps["tokens_per_second"]["value"] == pytest.approx(3 / 2.88, abs=0.01)
    assert gaps["probe_style"]["excludes_zero"] and gaps["probe_style"]["interval"][0] > 0
    for key in PHONETIC_KEYS:  # the phonetic units are the same
        assert gaps[key]["value"] == 0 and gaps[key]["interval"] == [0, 0] and not gaps[key]["excludes_zero"]
    assert "entropy_St" in reports and "entropy_St" not in gaps
    assert base.report()["abx"].keys() == {"within", "across"} and base.left_out == {}


def test_what_cannot_be_measured_is_named():
    speech = []
    for utterance, waveform in make_speech(4):
        speech.append((replace(utterance, text="t", speaker="s", style=None, phonemes=None), waveform))
    scores = measure_tokenizer(ZeroCrossings(), speech)
    assert scores.purity is None
    assert set(scores.left_out) == {"purity", "abx", "speaker probe", "style probe"}
    with pytest.raises(ValueError, match="no utterance is long enough"):
        measure_tokenizer(ZeroCrossings(), [(speech[0][0], torch.zeros(100))])
    for nothing in ([], [(speech[0][0], torch.zeros(0))]):
        with pytest.raises(ValueError, match="no utterance is long enough"):
            measure_tokenizer(ZeroCrossings(), nothing, {"unchanged": Unchanged()})
