"""Short stories from a small grammar: three sentences and an ending on one topic, in one of four styles."""

import random
from dataclasses import dataclass

from zoo.corpora.demo_story_grammars import GRAMMARS, STYLES, Grammar, Topic


@dataclass(frozen=True)
class Story:
    """A story in plain lower-case words.

    Args:
        topic: Name of its topic in the grammar.
        style: One of ``STYLES``, named by the third sentence and acted by the speaker.
        sentences: The three sentences before the ending, which are the prompt of a cloze item.
        ending: Ending with the place and the thing of the story and another thing of the topic; it names no person and
            no style.
    """

    topic: str
    style: str
    sentences: tuple[str, ...]
    ending: str

    @property
    def prompt(self) -> str:
        return " ".join(self.sentences)

    @property
    def text(self) -> str:
        return f"{self.prompt} {self.ending}"


def find_grammar(language: str) -> Grammar:
    """Return the grammar of a language.

    Raises:
        ValueError: There is none.
    """
    if language not in GRAMMARS:
        raise ValueError(f"languages: no story grammar for {language!r}; there are {', '.join(GRAMMARS)}")
    return GRAMMARS[language]


def generate_story(language: str, topic_name: str, style: str, rng: random.Random) -> Story:
    """Return a random story.

    Args:
        language: Language of one of the grammars.
        topic_name: Name of one of that grammar's topics.
        style: One of ``STYLES``.
        rng: The only source of randomness.
    """
    grammar = find_grammar(language)
    topic = grammar.topics[topic_name]
    person = rng.choice(grammar.people)
    place = rng.randrange(2)
    thing = rng.randrange(3)
    sentences = (
        rng.choice(grammar.openings).format(person=person, to=topic.to[place]),
        rng.choice(grammar.actions).format(
            person=person, verb=rng.choice(topic.verbs)[0], object=topic.things[thing][1]
        ),
        rng.choice(grammar.sentiments[style]).format(person=person),
    )
    return Story(topic_name, style, sentences, _generate_ending(grammar, topic, place, thing, rng))


def generate_stories(language: str, count: int, rng: random.Random, used_texts: set[str]) -> list[Story]:
    """Return stories that differ from each other and from earlier ones, with topics and styles in equal parts.

    Args:
        language: Language of one of the grammars.
        count: Number of stories.
        rng: The only source of randomness.
        used_texts: Texts of earlier stories; those of the new ones are added.
    """
    kinds = [(topic, style) for topic in find_grammar(language).topics for style in STYLES]
    stories: list[Story] = []
    while len(stories) < count:
        if len(stories) % len(kinds) == 0:
            rng.shuffle(kinds)
        topic, style = kinds[len(stories) % len(kinds)]
        story = generate_story(language, topic, style, rng)
        if story.text not in used_texts:
            used_texts.add(story.text)
            stories.append(story)
    return stories


@dataclass(frozen=True)
class Action:
    """The second sentence of a story.

    Args:
        text: The sentence.
        topic: Name of its topic.
    """

    text: str
    topic: str


def generate_action(grammar: Grammar, rng: random.Random) -> Action:
    """Return a random second sentence of a story."""
    topic_name = rng.choice(list(grammar.topics))
    topic = grammar.topics[topic_name]
    text = rng.choice(grammar.actions).format(
        person=rng.choice(grammar.people), verb=rng.choice(topic.verbs)[0], object=rng.choice(topic.things)[1]
    )
    return Action(text, topic_name)


def wrong_endings(stories: list[Story], rng: random.Random) -> list[str]:
    """Return for each story the ending of another one, of another topic; every ending is used exactly once.

    Each ending is therefore right as often as wrong, so that its own probability does not help to choose it.

    Args:
        stories: Stories of at least two topics, none of which makes up more than half.
        rng: The only source of randomness.

    Raises:
        ValueError: One topic makes up more than half.
    """
    order = list(range(len(stories)))
    rng.shuffle(order)

    def has_own_topic(index: int) -> bool:
        return stories[index].topic == stories[order[index]].topic

    # Each story that was dealt an ending of its own topic swaps with one for which both then have another topic.
    for index in range(len(order)):
        if not has_own_topic(index):
            continue
        for other in rng.sample(range(len(order)), len(order)):
            order[index], order[other] = order[other], order[index]
            if not has_own_topic(index) and not has_own_topic(other):
                break
            order[index], order[other] = order[other], order[index]
        else:
            raise ValueError(f"{len(stories)} stories: one topic makes up more than half; want several topics")
    return [stories[index].ending for index in order]


def punctuate(sentences: tuple[str, ...]) -> str:
    """Return sentences with a capital letter and a full stop each, at which a synthesizer pauses."""
    return " ".join(sentence[0].upper() + sentence[1:] + "." for sentence in sentences)


def _generate_ending(grammar: Grammar, topic: Topic, place: int, thing: int, rng: random.Random) -> str:
    """Return an ending at a place of a topic, with one of its things and another."""
    other_thing = rng.choice([index for index in range(len(topic.things)) if index != thing])
    first_thing, second_thing = rng.sample([thing, other_thing], 2)
    (_, first_verb), (_, second_verb) = rng.sample(topic.verbs, 2)
    return rng.choice(grammar.endings).format(
        verbs=first_verb,
        object=topic.things[first_thing][1],
        verbs2=second_verb,
        object2=topic.things[second_thing][1],
        at=topic.at[place],
    )
