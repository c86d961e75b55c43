import numpy as np
import pytest
import torch

from tests.toy_speech import hum
from zoo.comparison.unit_measures import measure_tokenizer
from zoo.comparison.unit_rows import unit_rows
from zoo.corpora.utterance import Utterance
from zoo.speech.augmentation import Unchanged
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import Stream

PHONES, LOUDNESS = "ktaiou", {"sad": 0.2, "happy": 0.8}


class Ears(SpeechTokenizer):
    """Hears the toy's tones and, with a second stream, how loud each second is."""

    def __init__(self, loudness):
        super().__init__()
        self.sample_rate = 16000
        self.streams = (Stream("Hu", 6, 25.0), *([Stream("St", 4, 1.0, dedup=False)] if loudness else []))

    def encode(self, waveform):
        frames = waveform[: len(waveform) // 640 * 640].view(-1, 640)
        crossings = (frames[:, 1:].sign() != frames[:, :-1].sign()).sum(1)
        style = torch.stack([part.abs().max() * 4 for part in waveform.split(16000)]).long().clamp(0, 3).numpy()
        return (
            {"Hu": (crossings / 16).round().long().sub(1).clamp(0, 5).numpy(), "St": style}
            if len(self.streams) > 1
            else {"Hu": (crossings / 16).round().long().sub(1).clamp(0, 5).numpy()}
        )


def utterances(count=24):
    draw, rows = np.random.default_rng(0), []
    for number in range(count):
        phones = np.concatenate([[0, draw.integers(2, 6), 1] for _ in range(8)])
        style = ["sad", "happy"][number % 2]
        units = np.repeat(phones, 3)
        times = tuple((PHONES[p], n * 0.12, (n + 1) * 0.12) for n, p in enumerate(phones))
        one = Utterance(
            id=f"u{number}",
            text=f"t{number // 2}",
            language="en",
            speaker=f"s{number // 2 % 3}",
            duration=len(units) / 25,
            style=style,
            words=None,
            phonemes=times,
        )
        rows.append((one, hum(units, LOUDNESS[style])))
    return rows


def test_two_tokenizers_side_by_side():
    rows = utterances()
    base, expressive = (measure_tokenizer(Ears(loud), rows, {"unchanged": Unchanged()}) for loud in (False, True))
    assert base.purity.phone_purity.value > 0.95 and base.abx.within.value < 0.05 and base.abx.across.value < 0.05
    assert expressive.probes["style"].accuracy.value == 1 > 0.8 > base.probes["style"].accuracy.value
    assert base.robustness["unchanged"]["Hu"].value == 0 and set(expressive.robustness["unchanged"]) == {"Hu", "St"}
    rows = {row.key: row.report() for row in unit_rows({"Base": [base], "Expressive": [expressive]})}
    gaps = {key: row["differences"]["Expressive"] for key, row in rows.items() if row["differences"]}
    assert gaps["tokens_per_second"]["excludes_zero"] and gaps["tokens_per_second"]["value"] == pytest.approx(
        3 / 2.88, abs=0.01
    )
    assert gaps["probe_style"]["excludes_zero"] and gaps["probe_style"]["interval"][0] > 0
    for key in (
        "phone_purity",
        "pnmi",
        "abx_across",
        "entropy_Hu",
        "used_Hu",
        "ued_unchanged_Hu",
    ):  # the phonetic units are the same
        assert gaps[key]["value"] == 0 and gaps[key]["interval"] == [0, 0] and not gaps[key]["excludes_zero"]
    assert "entropy_St" in rows and "entropy_St" not in gaps
    assert base.report()["abx"].keys() == {"within", "across"} and base.left_out == {}


def test_what_cannot_be_measured_is_named():
    rows = [
        (
            Utterance(
                id=one.id,
                text="t",
                language="en",
                speaker="s",
                duration=one.duration,
                style=None,
                words=None,
                phonemes=None,
            ),
            wave,
        )
        for one, wave in utterances(4)
    ]
    found = measure_tokenizer(Ears(False), rows)
    assert found.purity is None and set(found.left_out) == {"purity", "abx", "speaker probe", "style probe"}
    with pytest.raises(ValueError, match="no utterance is long enough"):
        measure_tokenizer(Ears(False), [(rows[0][0], torch.zeros(100))])
    for nothing in ([], [(rows[0][0], torch.zeros(0))]):
        with pytest.raises(ValueError, match="no utterance is long enough"):
            measure_tokenizer(Ears(False), nothing, {"unchanged": Unchanged()})
