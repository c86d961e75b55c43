import pytest
import torch

from zoo.evaluation.judges.mos import DNSMOS, PLCMOS

pytest.importorskip("speechmos", reason="speechmos is not installed")


@pytest.mark.parametrize("kind", [DNSMOS, PLCMOS])
def test_scores_are_on_the_scale_and_lowest_for_silence(kind):
    scorer = kind()
    noise = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    scores = scorer([20 * noise, torch.zeros(16000), noise[:100]], 16000)
    assert list(scores) == list(scorer.names)
    for values in scores.values():
        assert 0.9 <= values[0] <= 5 and values[1:] == [1.0, 1.0]
    if isinstance(scorer, PLCMOS):
        assert scorer([20 * noise], 16000)["plcmos"] == scores["plcmos"][:1]


def test_dnsmos_gives_the_scores_of_its_package():
    from speechmos import dnsmos

    noise = 0.1 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    expected = dnsmos.run(noise.numpy(), 16000)
    scores = DNSMOS()([noise], 16000)
    assert [scores[f"dnsmos_{kind}"][0] for kind in ("ovrl", "sig", "bak")] == pytest.approx(
        [expected[f"{kind}_mos"] for kind in ("ovrl", "sig", "bak")]
    )


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("zoo.optional_packages.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"needs the package speechmos, which is not installed: pip install 'spiritlm-zoo\[judges\]'"
    ):
        DNSMOS()
