import json
import random

import pytest

from tests.toy_tokens import words_vocabulary
from zoo.audio import read
from zoo.corpora import DemoCorpus
from zoo.corpora.demo_minimal_pairs import VOWELS, content_words, nonsense
from zoo.corpora.demo_stories import find_grammar
from zoo.corpora.demo_voices import speakers
from zoo.evaluation.judges.toxicity import WordList
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.evaluation.suites.sentiment_suite import load_sentiment_suite


def planned(language, num_suite=24, num_cloze=60, seed=0):
    corpus = DemoCorpus(hours=1e-9, num_cloze=num_cloze, num_suite=num_suite, languages=(language,), seed=seed)
    return corpus.plan().suites[language]


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_wrong_sides_are_wrong_and_right_ones_are_of_the_grammar(language):
    suites, kinds = planned(language), content_words(find_grammar(language))
    for row in suites.tables["swuggy"]:
        right, wrong = row["right"].text, row["wrong"].text
        assert kinds[right] == row["group"] and wrong not in kinds and len(wrong) == len(right)
        (change,) = [(a, b) for a, b in zip(right, wrong, strict=True) if a != b]
        assert (change[0] in VOWELS) == (change[1] in VOWELS)
        assert row["right"].voice == row["wrong"].voice and row["right"].speaker in speakers(language, "test")
    groups = [row["group"] for row in suites.tables["sblimp"]]
    assert groups.count("agreement") == groups.count("word order") == 12
    for row in suites.tables["sblimp"]:
        right, wrong = row["right"].text.split(), row["wrong"].text.split()
        assert right != wrong and len(right) == len(wrong)
        assert (sorted(right) == sorted(wrong)) == (row["group"] == "word order")


def test_four_endings_are_of_four_topics_and_one_voice():
    suites = planned("en", num_cloze=400)
    rows = suites.tables["topic_story_cloze"]
    assert len(rows) > 350
    for row in rows:
        lines = [row["right"], *row["wrong"]]
        assert len({line.text for line in lines}) == 4 and len({(line.speaker, line.style) for line in lines}) == 1
    places = {place: name for name, topic in find_grammar("en").topics.items() for place in topic.at}
    topics = [
        [
            next(topic for place, topic in places.items() if line.text.endswith(place))
            for line in (row["right"], *row["wrong"])
        ]
        for row in rows
    ]
    assert all(len(set(four)) == 4 and four[0] == row["group"] for four, row in zip(topics, rows, strict=True))


def test_moods_are_balanced_and_prompts_to_be_told_do_not_tell_them():
    suites = planned("en")
    rows, told = suites.tables["sentiment"], {w for words in suites.lists["sentiment_words"].values() for w in words}
    for directions in (["T->S", "S->S"], ["S->T", "T->T"]):
        labels = [row["sentiment"] for row in rows if row["directions"] == directions and row["split"] == "test"]
        assert {labels.count(label) for label in set(labels)} == {8} and len(set(labels)) == 3
    for row in rows:
        has_mood = bool(told & set(row["prompt"].text.split())) or row["sentiment"] == "neutral"
        assert has_mood == (row["directions"] == ["T->S", "S->S"]) or row["sentiment"] == "neutral"
    assert set(suites.lists["toxic_words"]) == {"angry", "shouted", "yelled"}


def test_nonsense_is_drawn_until_it_is_no_word():
    taken = {f"b{vowel}t" for vowel in VOWELS} - {"but"}
    assert (
        nonsense(
            "bat", taken | {f"{c}at" for c in "dfgklmnprstvz"} | {f"ba{c}" for c in "bdfgklmnprstvz"}, random.Random(0)
        )
        == "but"
    )


def test_the_same_seed_plans_the_same_and_the_stories_do_not_depend_on_suites():
    assert planned("en").tables == planned("en").tables != planned("en", seed=1).tables
    with_suites = DemoCorpus(hours=0.01, num_cloze=8, num_suite=5).plan()
    without = DemoCorpus(hours=0.01, num_cloze=8, num_suite=0).plan()
    assert with_suites.splits == without.splits
    assert with_suites.cloze == without.cloze
    assert without.suites == {}


def test_tables_are_what_the_evaluations_read(tmp_path):
    DemoCorpus(hours=1e-9, num_cloze=0, num_suite=2, num_processes=1).write(tmp_path)
    folder, vocabulary = tmp_path / "suites", words_vocabulary()
    for name in ("swuggy", "sblimp"):
        items = load_contrasts(folder / f"{name}.jsonl", None, vocabulary)
        assert len(items) == 2 and all(item.supports("T->T") for item in items)
    shots, test = load_sentiment_suite(folder / "sentiment.jsonl", None, vocabulary)
    assert len(shots) == 9 and len(test) == 3
    rows = [json.loads(line) for line in (folder / "commands.jsonl").read_text().splitlines()]
    assert [row["split"] for row in rows].count("test") == 2 and all(
        row["synthetic"] and len(read(folder / row["audio"], 16000)) > 8000 for row in rows
    )
    assert WordList.load(folder / "toxic_words.txt")("anna was angry") == 1
    prompt = json.loads((folder / "toxicity.jsonl").read_text().splitlines()[0])["prompt"]
    assert (folder / prompt["audio"]).is_file() and [word for word, _, _ in prompt["words"]] == prompt["text"].split()
