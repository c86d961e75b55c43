"""Where the fixtures lie, and their cases as test parameters."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from zoo.speech.f0 import F0Track
from zoo.speech.f0_fcpe import FCPE

_forward = FCPE.forward
FIXTURES = Path(os.environ.get("SPIRITLM_FIXTURES", Path(__file__).parents[3] / "shared" / "fixtures" / "spiritlm"))
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_text()) if FIXTURES.is_dir() else {}


def cases(*path: str) -> list:
    """One test parameter for each case of a list or dictionary in expected.json."""
    found: Any = EXPECTED
    for key in path:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    items = found.items() if isinstance(found, dict) else enumerate(found)
    return [
        pytest.param(case, id=str(case.get("case", key)) if isinstance(case, dict) else str(key)) for key, case in items
    ]


@cache
def arrays() -> Any:
    return np.load(FIXTURES / "expected.npz")


@pytest.fixture(autouse=True)
def cached_f0(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache the F0 of each waveform: FCPE takes most of the time of these tests, on the same few waveforms."""
    monkeypatch.setattr(
        FCPE, "forward", lambda self, samples: _cached_forward(json.dumps(self.config()), samples.numpy().tobytes())
    )


@cache
def _cached_forward(config: str, samples: bytes) -> F0Track:
    return _forward(_fcpe(config), torch.frombuffer(bytearray(samples), dtype=torch.float32))


@cache
def _fcpe(config: str) -> FCPE:
    return FCPE(**json.loads(config))


@cache
def waveform(name: str) -> Tensor:
    """Samples of ``audio/NAME.wav``, (num_samples,)."""
    return torch.from_numpy(soundfile.read(str(FIXTURES / "audio" / f"{name}.wav"), dtype="float32")[0])
