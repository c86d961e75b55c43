"""Short stories from a small grammar: three sentences and an ending on one topic, in one of four sentiment_suite."""

import random
from dataclasses import dataclass

from zoo.corpora.demo_story_grammars import GRAMMARS, STYLES, Grammar, Topic


@dataclass(frozen=True)
class Story:
    """A story in plain lower-case words.

    Args:
        topic: Its name in the grammar.
        style: One of ``STYLES``, told by the third sentence and acted by the speaker.
        sentences: The three before the ending; the prompt of a cloze item.
        ending: At the same place, with the same thing and another of the topic; names no person and no mood.
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


def grammar(language: str) -> Grammar:
    """Return the grammar of a language.

    Raises:
        ValueError: There is none.
    """
    if language not in GRAMMARS:
        raise ValueError(f"languages: no story grammar for {language!r}; there are {', '.join(GRAMMARS)}")
    return GRAMMARS[language]


def tell(language: str, topic: str, style: str, draw: random.Random) -> Story:
    """Return a story.

    Args:
        language: One of the grammars.
        topic: One of that grammar's topics.
        style: One of ``STYLES``.
        draw: Every choice is drawn from it.
    """
    rules = grammar(language)
    about, person, place, thing = rules.topics[topic], draw.choice(rules.people), draw.randrange(2), draw.randrange(3)
    object = about.things[thing][1]
    sentences = (
        draw.choice(rules.openings).format(person=person, to=about.to[place]),
        draw.choice(rules.actions).format(person=person, verb=draw.choice(about.verbs)[0], object=object),
        draw.choice(rules.sentiment_suite[style]).format(person=person),
    )
    return Story(topic, style, sentences, _ending(rules, about, place, thing, draw))


def tell_many(language: str, count: int, draw: random.Random, told: set[str]) -> list[Story]:
    """Return ``count`` stories that differ from each other and from those told before, topics and styles in equal parts.

    Args:
        language: One of the grammars.
        count: How many.
        draw: Every choice is drawn from it.
        told: Texts to stay clear of; grows by those returned.
    """
    kinds = [(topic, style) for topic in grammar(language).topics for style in STYLES]
    stories: list[Story] = []
    while len(stories) < count:
        if len(stories) % len(kinds) == 0:
            draw.shuffle(kinds)
        story = tell(language, *kinds[len(stories) % len(kinds)], draw)
        if story.text not in told:
            told.add(story.text)
            stories.append(story)
    return stories


def wrong_endings(stories: list[Story], draw: random.Random) -> list[str]:
    """Return for each story the ending of another one, of another topic; every ending is given away exactly once.

    So each ending is right as often as it is wrong, and its own probability tells nothing.

    Args:
        stories: Of at least two topics, none of which makes up more than half.
        draw: Every choice is drawn from it.
    """
    order = list(range(len(stories)))
    draw.shuffle(order)

    def clash(i: int) -> bool:
        return stories[i].topic == stories[order[i]].topic

    for i in range(len(order)):
        if clash(i):
            for j in draw.sample(range(len(order)), len(order)):
                order[i], order[j] = order[j], order[i]
                if not clash(i) and not clash(j):
                    break
                order[i], order[j] = order[j], order[i]
            else:
                raise ValueError(f"{len(stories)} stories: one topic makes up more than half; want several topics")
    return [stories[i].ending for i in order]


def spoken(sentences: tuple[str, ...]) -> str:
    """The same words with a capital and a full stop to each sentence, for a synthesizer to pause at."""
    return " ".join(sentence[0].upper() + sentence[1:] + "." for sentence in sentences)


def _ending(rules: Grammar, about: Topic, place: int, thing: int, draw: random.Random) -> str:
    """An ending at the same place, with the same thing and another."""
    other = draw.choice([one for one in range(len(about.things)) if one != thing])
    objects = [about.things[one][1] for one in draw.sample([thing, other], 2)]
    (_, verbs), (_, verbs2) = draw.sample(about.verbs, 2)
    return draw.choice(rules.endings).format(
        verbs=verbs, object=objects[0], verbs2=verbs2, object2=objects[1], at=about.at[place]
    )
