"""Sentiment preservation: the official scorer, label maps and few-shot prompts."""

from functools import cache

import numpy as np
import pytest

from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, cases
from zoo.evaluation.generation import official_stsp
from zoo.evaluation.judges.classifiers import best_label
from zoo.evaluation.suites import sentiment_suite
from zoo.interop.spiritlm.tokenizer import encode_string, load_base, load_expressive


def _scored(case):
    references = FIXTURES / case["ref"]
    if "pred" in case:
        return official_stsp.score_files(references, FIXTURES / case["pred"], case["label"])
    predictions = case["pred_dict"] if "pred_dict" in case else dict(case["pred_dict_int_keys"])
    return official_stsp.score_predictions(official_stsp.read_rows(references), predictions, case["label"])


@pytest.mark.parametrize("case", cases("stsp_eval"))
def test_stsp_eval(case):
    if "error" in case:
        with pytest.raises(ValueError):
            _scored(case)
    else:
        found = _scored(case)
        assert (str(found), len(found.excluded)) == (case["accuracy_printed"], case["excluded"])


def test_sentiments_of_emotions():
    maps = EXPECTED["stsp_maps"]
    assert maps["EMOTION_2_SENTIMENT"] == sentiment_suite.EMOTION_TO_SENTIMENT
    assert maps["EXPRESSO_EMOTION_2_SENTIMENT"] == sentiment_suite.EXPRESSO_EMOTION_TO_SENTIMENT
    with pytest.raises(ValueError, match="'amused'"):
        sentiment_suite.sentiment_of("amused", sentiment_suite.EXPRESSO_EMOTION_TO_SENTIMENT)


@pytest.mark.parametrize("case", cases("stsp_maps", "emotions2new_label_names_and_indices"))
def test_labels_are_selected(case):
    if "error" in case:
        with pytest.raises(ValueError, match=case["message"]):
            official_stsp.select_labels(case["labels"], case["select"])
    else:
        assert [list(part) for part in official_stsp.select_labels(case["labels"], case["select"])] == case["out"]


@pytest.mark.parametrize("case", cases("stsp_maps", "pred_to_label"))
def test_the_best_label(case):
    assert list(best_label(case["scores"])) == case["out"]


@cache
def tokenizer(model):
    return {"base": load_base, "expressive": load_expressive}[model](FIXTURES)


@pytest.mark.parametrize("name", [param.id for param in cases("few_shot", "per_row")])
def test_few_shot_rows(name):
    model, modalities = name.split("/")
    first, second = modalities.split("_")
    where = EXPECTED["few_shot"]
    rows = official_stsp.read_rows(FIXTURES / where["manifest_dir"] / f"{first[0]}2{second[0]}.jsonl")

    def encode_speech(waveform):
        return encode_string(tokenizer(model), waveform) if len(waveform) >= 1280 else ""

    found = [
        {
            "id": row["id"],
            "sentiment": row["sentiment"],
            "prompt": official_stsp.shot_string(row, FIXTURES / where["data_root"], (first, second), encode_speech),
        }
        for row in rows
    ]
    assert found == where["per_row"][name]


@pytest.mark.parametrize("case", cases("few_shot", "cases"))
def test_few_shot_draws(case):
    rows = EXPECTED["few_shot"]["per_row"][f"{case['model']}/{case['input_output']}"]
    arguments = [row["prompt"] for row in rows], [row["sentiment"] for row in rows], case["n_shots"]
    draw = np.random.RandomState(case["numpy_seed"])
    if "error" in case:
        with pytest.raises(ValueError, match="shots need"):
            official_stsp.shots_string(*arguments, draw)
    else:
        assert official_stsp.shots_string(*arguments, draw) == case["out"]
