import os

import pytest

from recipes.engine.fingerprint import fingerprints, state_of
from recipes.engine.recipe import load


def hashes(*overrides):
    return {name: print.hash for name, print in fingerprints(load("r.yaml", overrides, ["stage_fakes"])).items()}


@pytest.mark.parametrize(
    "override, changed",
    [
        ("unused=2", set()),
        ("out=elsewhere", set()),
        ("name=other", set()),
        ("trainer.devices=2", set()),
        ("network.kind=wide", set()),
        ("network.rate=0.2", {"train", "report"}),
        ("stages.data.words=[three]", {"data", "train", "report"}),
        ("seed=1", {"data", "train", "report"}),
        ("trainer.max_steps=5", {"train", "report"}),
        ("size=4", {"train", "report"}),
    ],
)
def test_a_fingerprint_changes_with_what_the_stage_depends_on_alone(workshop, override, changed):
    before, after = hashes(), hashes(override)
    assert {name for name in before if before[name] != after[name]} == changed


def test_length_is_no_difference_to_what_was_made(workshop):
    one, two = (fingerprints(load("r.yaml", [f"trainer.max_steps={n}"], ["stage_fakes"]))["train"] for n in (4, 5))
    assert two.differences(one) == [] and one.length != two.length


def test_input_data_counts_and_stage_folders_do_not(workshop):
    source = workshop / "corpus"
    source.mkdir()
    (source / "a.wav").write_bytes(b"1")
    with_source = f"stages.data.source={source}"
    before = hashes(with_source)
    (workshop / "runs" / "r" / "data").mkdir(parents=True)
    (workshop / "runs" / "r" / "data" / "words.txt").write_text("x")
    assert hashes(with_source) == before
    (source / "b.wav").write_bytes(b"1")
    assert hashes(with_source)["data"] != before["data"]
    prints = [fingerprints(load("r.yaml", [with_source], ["stage_fakes"]))["data"] for _ in range(2)]
    assert prints[0] == prints[1] and list(prints[0].inputs) == [str(source)]
    assert fingerprints(load("r.yaml", [f"stages.data.source={workshop}"], ["stage_fakes"]))["data"].inputs == {}


def test_state_of_a_file_is_its_content_when_small_and_its_time_when_large(workshop):
    small, large = workshop / "small", workshop / "large"
    small.write_bytes(b"a")
    large.write_bytes(bytes(2 << 20))
    before = state_of(small), state_of(large)
    os.utime(small, (0, 0))
    os.utime(large, (0, 0))
    assert state_of(small) == before[0] and state_of(large) != before[1]
    small.write_bytes(b"b")
    assert state_of(small) != before[0]
