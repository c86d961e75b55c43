import pytest
import torch

from tests.toy_features import DIM, write_toy_features
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.feature_store import FeatureStore, require_encoder, write_encoder, write_features


def test_features_are_read_as_they_were_written(tmp_path):
    (tmp_path / "encoder.json").write_text('{"dim": 3}')
    rows = [torch.randn(4, 3).half().float(), torch.randn(1, 3).half().float()]
    with write_features(tmp_path, "train") as writer:
        for number, row in enumerate(rows):
            writer.append(str(number), f"text \u00e4 {number}", row)
    store = FeatureStore(tmp_path, "train")
    assert [row.text for row in store.rows] == ["text \u00e4 0", "text \u00e4 1"] and store.frames.tolist() == [4, 1]
    assert all(torch.equal(store.features(number), row) for number, row in enumerate(rows))


def test_an_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), write_features(tmp_path, "train") as writer:
        writer.append("a", "text", torch.zeros(2, DIM))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="no features of split 'train'"):
        FeatureStore(tmp_path, "train")


def test_features_of_another_encoder_are_refused(tmp_path):
    write_encoder(tmp_path, FilterbankEncoder())
    require_encoder(tmp_path, FilterbankEncoder())
    with pytest.raises(ValueError, match="of another encoder: arguments"):
        require_encoder(tmp_path, FilterbankEncoder(delta_weight=0.5))


def test_the_toy_store_is_whole(tmp_path):
    store = FeatureStore(write_toy_features(tmp_path), "dev")
    assert len(store) == 8 and all(3 * len(row.text) == row.frames for row in store.rows)
