import random
import re

import pytest

from zoo.corpora.demo_stories import generate_stories, punctuate, wrong_endings
from zoo.corpora.demo_story_grammars import GRAMMARS, STYLES

each_language = pytest.mark.parametrize("language", GRAMMARS)


@each_language
def test_stories_are_plain_words_on_one_topic(language):
    stories = generate_stories(language, 200, random.Random(0), set())
    assert len({story.text for story in stories}) == 200
    for story in stories:
        assert len(story.sentences) == 3
        assert re.fullmatch(r"[^\W\d_]+( [^\W\d_]+)*", story.text)
        assert story.text == story.text.lower()
        assert len(punctuate((*story.sentences, story.ending)).split()) == len(story.text.split())
    counts = [
        sum(s.topic == topic and s.style == style for s in stories)
        for topic in GRAMMARS[language].topics
        for style in STYLES
    ]
    assert max(counts) - min(counts) <= 1


@each_language
def test_an_ending_is_at_the_place_of_the_story_and_takes_up_its_thing(language):
    for story in generate_stories(language, 200, random.Random(2), set()):
        topic = GRAMMARS[language].topics[story.topic]
        place = [at in story.ending for at in topic.at]
        assert place.count(True) == 1 and topic.to[place.index(True)] in story.sentences[0]
        assert any(thing in story.sentences[1] and thing in story.ending for _, thing in topic.things)


@each_language
def test_the_words_of_a_topic_are_its_own_and_endings_tell_nothing_else(language):
    stories = generate_stories(language, 600, random.Random(1), set())
    endings = {topic: {s.ending for s in stories if s.topic == topic} for topic in GRAMMARS[language].topics}
    assert len(endings) >= 6
    shared = set.intersection(*({word for ending in group for word in ending.split()} for group in endings.values()))
    own = {topic: {word for ending in group for word in ending.split()} - shared for topic, group in endings.items()}
    articles = {word for words in own.values() for word in words if len(word) <= 3}
    for topic, words in own.items():
        assert len(words - articles) >= 5
        assert not any((words - articles) & (other - articles) for name, other in own.items() if name != topic)
        assert not words & set(GRAMMARS[language].people)


@each_language
@pytest.mark.parametrize("count", [7, 40, 200])
def test_every_ending_is_right_as_often_as_wrong(language, count):
    draw = random.Random(count)
    stories = generate_stories(language, count, draw, set())
    wrong = wrong_endings(stories, draw)
    assert sorted(wrong) == sorted(story.ending for story in stories)
    topic_of = {story.ending: story.topic for story in stories}
    assert all(topic_of[ending] != story.topic for story, ending in zip(stories, wrong, strict=True))


def test_one_topic_alone_makes_no_cloze():
    stories = [story for story in generate_stories("en", 100, random.Random(0), set()) if story.topic == "sea"]
    with pytest.raises(ValueError, match="want several topics"):
        wrong_endings(stories, random.Random(0))
