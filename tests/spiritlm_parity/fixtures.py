"""Where the fixtures lie, and their cases as test parameters."""
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FIXTURES = Path(os.environ.get("SPIRITLM_FIXTURES", Path(__file__).parents[3] / "shared" / "fixtures" / "spiritlm"))
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_text()) if FIXTURES.is_dir() else {}


def cases(*path: str) -> list:
    """One test parameter for each case of a list or dictionary in expected.json."""
    found: Any = EXPECTED
    for key in path:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    items = found.items() if isinstance(found, dict) else enumerate(found)
    return [pytest.param(case, id=str(case.get("case", key)) if isinstance(case, dict) else str(key)) for key, case in items]


@cache
def arrays() -> Any:
    return np.load(FIXTURES / "expected.npz")
