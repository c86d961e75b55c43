import numpy as np
import pytest

from zoo.comparison.claims import HOLDS, OPEN, REVERSED, Claim, verdicts
from zoo.comparison.measures import LANGUAGE, MODELS, MeasureInfo, crossed_measure

INFO = MeasureInfo("k", LANGUAGE, "m", "higher", trained=MODELS)


def test_differences_are_paired_by_item():
    items = np.random.default_rng(0).random((3, 100))
    measure = crossed_measure(INFO, {"a": items, "b": items + 0.01})
    assert measure.differences["b"].low == pytest.approx(0.01) == measure.differences["b"].high
    assert measure.report()["differences"]["b"]["excludes_zero"] and measure.seeds == 3
    with pytest.raises(ValueError, match="same items"):
        crossed_measure(INFO, {"a": items, "b": items[:, 1:]})


@pytest.mark.parametrize("gap, verdict", [(0.3, HOLDS), (-0.3, REVERSED), (0.0, OPEN)])
def test_a_claim_holds_where_the_interval_is_on_its_side_of_0(gap, verdict):
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 100))
    noise -= noise.mean()
    measure = crossed_measure(INFO, {"a": noise * 0, "b": noise + gap}).report()
    tested = verdicts([measure], [Claim("up", "k", 1), Claim("unknown", "other", 1)])
    assert [result["verdict"] for result in tested] == [verdict]
    (mirrored,) = verdicts([measure], [Claim("down", "k", -1)])
    assert mirrored["verdict"] == {HOLDS: REVERSED, REVERSED: HOLDS, OPEN: OPEN}[verdict]
