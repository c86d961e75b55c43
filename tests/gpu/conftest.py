"""The same work on a GPU and on the processor; without a GPU all of it is skipped."""

import os

import pytest
import torch


@pytest.fixture(scope="session")
def device():
    """``cuda``; ZOO_TEST_DEVICE=cpu tries the tests themselves where there is no GPU."""
    name = os.environ.get("ZOO_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return name


@pytest.fixture(autouse=True)
def whole_float32():
    """Convolutions in float32, not in TF32, which PyTorch takes for them on a GPU; a test may ask for TF32."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield
