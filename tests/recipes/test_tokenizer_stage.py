"""The k-means stage by itself: what it logs, and what it leaves behind."""

import json

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recipes.stages.corpus import prepare_corpus
from recipes.stages.tokenizer import train_base_tokenizer
from zoo.corpora import DemoCorpus
from zoo.speech.encoders import FilterbankEncoder


def test_the_inertia_of_each_batch_is_a_curve_and_no_features_are_left(tmp_path):
    prepare_corpus(tmp_path / "corpus", DemoCorpus(hours=0.01, num_cloze=0, num_processes=1))
    train_base_tokenizer(tmp_path / "out", tmp_path / "corpus", FilterbankEncoder(), num_clusters=8, passes=5)
    logs = EventAccumulator(str(tmp_path / "out" / "logs")).Reload()
    curve = [point.value for point in logs.Scalars("kmeans/inertia")]
    report = json.loads((tmp_path / "out" / "kmeans.json").read_text())
    assert (
        len(curve) == 5
        and abs(curve[0] - report["inertia_first"]) < 1e-3
        and abs(curve[-1] - report["inertia"]) < 1e-3 < curve[0] - curve[-1]
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"logs", "tokenizer", "kmeans.json", "skipped.jsonl"}
