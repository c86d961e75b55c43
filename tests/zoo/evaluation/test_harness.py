import sys
from types import SimpleNamespace

import pytest

from zoo.evaluation.harness import evaluate_text


def test_the_harness_gets_the_folder_and_its_results_are_returned(tmp_path, monkeypatch):
    """The harness itself takes half a minute: its function is replaced by one that records its arguments."""
    arguments = {}

    def simple_evaluate(model, model_args, tasks, limit, num_fewshot, device, bootstrap_iters):
        arguments.update(model=model, tasks=tasks, limit=limit, num_fewshot=num_fewshot, **model_args)
        return {"results": {"toy": {"acc,none": 0.5, "alias": "toy", "samples": [1]}}, "versions": {}}

    monkeypatch.setitem(sys.modules, "lm_eval", SimpleNamespace(simple_evaluate=simple_evaluate, __spec__="a fake"))
    assert evaluate_text(tmp_path, ["toy"], limit=3, num_shots=5) == {"toy": {"acc,none": 0.5, "alias": "toy"}}
    assert arguments == {
        "model": "hf",
        "pretrained": str(tmp_path),
        "add_bos_token": True,
        "tasks": ["toy"],
        "limit": 3,
        "num_fewshot": 5,
    }


def test_without_the_harness_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ValueError, match=r"pip install 'spiritlm-zoo\[harness\]'"):
        evaluate_text(tmp_path, ["toy"])
