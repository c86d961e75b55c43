"""What the official release does, on fixtures that hold its outputs; skipped only where they are not at hand.

The folder is that of the environment variable ``SPIRITLM_FIXTURES``; the tests of each part are in ``tests/spiritlm_parity/``.
"""

import pytest

from tests.spiritlm_parity.fixtures import FIXTURES, cached_f0  # noqa: F401

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no fixtures at {FIXTURES} (set SPIRITLM_FIXTURES)")

from tests.spiritlm_parity.language_model import *  # noqa: E402, F403
from tests.spiritlm_parity.phonetic import *  # noqa: E402, F403
from tests.spiritlm_parity.prosody import *  # noqa: E402, F403
from tests.spiritlm_parity.sentiment import *  # noqa: E402, F403
from tests.spiritlm_parity.strings import *  # noqa: E402, F403
from tests.spiritlm_parity.tokenizers import *  # noqa: E402, F403
from tests.spiritlm_parity.vocoder import *  # noqa: E402, F403
