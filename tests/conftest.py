import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "3000")
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest

pytest.register_assert_rewrite("tests.spiritlm_parity")

RECIPE = """
size: 3
network: {_target_: stage_fakes.Network, size: "${size}"}
trainer: {_target_: stage_fakes.Trainer, max_steps: 4}
unused: 1
stages:
  data: {_target_: stage_fakes.make_data, words: [one, two]}
  train: {_target_: stage_fakes.train, network: "${network}", trainer: "${trainer}", data: "${stages.data.out}/words.txt"}
  report: {_target_: stage_fakes.report, network: "${network}", run: "${stages.train.out}"}
"""


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """An empty working folder with one recipe in it, r.yaml, whose stages are fakes that a test can look into."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(RECIPE)
    yield tmp_path
    if "stage_fakes" in sys.modules:
        sys.modules["stage_fakes"].reset()
