import json

import pytest

from tests.toy_tokens import words_vocabulary
from zoo.evaluation.generation.sentiment_preservation import majority_baseline
from zoo.evaluation.suites.sentiment_suite import load_sentiment_suite
from zoo.evaluation.suites.text_and_speech import DIRECTIONS

VOCABULARY = words_vocabulary()


def test_suites_are_read(tmp_path):
    rows = [
        {"id": "a", "emotion": "amused", "split": "shots", "prompt": {"text": "anna"}, "generation": {"text": "tom"}},
        {"sentiment": "negative", "split": "test", "prompt": {"text": "ben"}, "directions": ["T->T"]},
        {"sentiment": "neutral", "split": "test", "prompt": {"text": "pia"}},
    ]
    path = tmp_path / "sentiment_suite.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shots, test = load_sentiment_suite(path, None, VOCABULARY, limit=1)
    assert [(item.id, item.sentiment, item.directions) for item in shots + test] == [
        ("a", "positive", DIRECTIONS),
        ("1", "negative", ("T->T",)),
    ]
    assert shots[0].continuation.text.tolist() == VOCABULARY.text.encode("tom") and shots[0].continuation.speech is None
    assert majority_baseline(load_sentiment_suite(path, None, VOCABULARY)[1], "T->T").value == 0.5
    for change, message in (
        ({"sentiment": "sad"}, ":2: sentiment 'sad'; expected one of"),
        ({"split": "train"}, ":2: expected a prompt, a sentiment"),
    ):
        path.write_text("".join(json.dumps(row) + "\n" for row in (rows[0], rows[1] | change)))
        with pytest.raises(ValueError, match=message):
            load_sentiment_suite(path, None, VOCABULARY)
