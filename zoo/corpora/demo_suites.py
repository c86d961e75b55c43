"""Small suites in the words of the demo corpus: nonsense words, broken grammar, sentiment_suite, commands, toxic words of a toy kind."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.corpora.demo_speech import Line
from zoo.corpora.demo_stories import grammar, tell
from zoo.corpora.demo_story_grammars import STYLES, Grammar

VOWELS, CONSONANTS = "aeiou", "bdfgklmnprstvz"
SENTIMENT = {"happy": "positive", "sad": "negative", "angry": "negative", "neutral": "neutral"}
WRONG_NUMBER = {"was": "were"}  # English marks number on no other verb of its grammar

# Speaks a text in a voice of the test split: id, sentences, number of the voice, style.
Says = Callable[[str, tuple[str, ...], int, str], Line]


@dataclass(frozen=True)
class Suites:
    """Tables of rows by name; the spoken parts of a row are lines still to be spoken.

    Args:
        tables: By name of the file, without its ending.
        lists: Words by name of the file, with its ending: text of the file.
    """

    tables: dict[str, list[dict[str, Any]]]
    lists: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[Line]:
        return [part for rows in self.tables.values() for row in rows for part in _spoken_parts(row)]


def make_suites(language: str, count: int, cloze: Sequence[Any], say: Says, draw: random.Random) -> Suites:
    """Return every suite of a language but the cloze itself.

    Args:
        language: One of the grammars.
        count: Items in each, about.
        cloze: Items of the story cloze, whose recordings serve again.
        say: Makes the lines.
        draw: Every choice is drawn from it.
    """
    rules = grammar(language)
    tables = {
        "swuggy": _nonsense_words(rules, count, say, draw),
        "sblimp": _broken_grammar(rules, count, say, draw),
        "topic_story_cloze": _four_endings(cloze),
        "sentiment": _sentiment_items(language, count, cloze, say, draw),
        "commands": _commands(rules, count, say, draw),
        "toxicity": _openings(rules, count, say, draw),
    }
    return Suites(
        {name: rows for name, rows in tables.items() if rows},
        {
            "sentiment_words": {
                sentiment: words for sentiment, words in _sentiment_words(rules).items() if sentiment != "neutral"
            },
            "toxic_words": sorted(_words_of(rules, "angry")),
        },
    )


def content_words(rules: Grammar) -> dict[str, str]:
    """Nouns and verbs of a grammar, each with its kind."""
    nouns = {thing.split()[-1]: "noun" for topic in rules.topics.values() for thing, _ in topic.things}
    return nouns | {verb: "verb" for topic in rules.topics.values() for verb, _ in topic.verbs}


def nonsense(word: str, taken: set[str], draw: random.Random) -> str:
    """The word with one letter changed for another of its kind, so that it is none of those taken."""
    while True:
        at = draw.randrange(len(word))
        for letters in (VOWELS, CONSONANTS):
            if word[at] in letters:
                made = word[:at] + draw.choice(letters.replace(word[at], "")) + word[at + 1 :]
                if made not in taken:
                    return made


def _nonsense_words(rules: Grammar, count: int, say: Says, draw: random.Random) -> list[dict[str, Any]]:
    kinds = content_words(rules)
    words = [word for word in kinds if any(letter in VOWELS + CONSONANTS for letter in word)]
    draw.shuffle(words)
    rows = []
    for number in range(min(count, len(words))):
        right, wrong = words[number], nonsense(words[number], set(kinds), draw)
        rows.append(
            {
                "id": f"word_{number:03d}",
                "group": kinds[right],
                "right": say(f"word_{number:03d}_right", (right,), number, "neutral"),
                "wrong": say(f"word_{number:03d}_wrong", (wrong,), number, "neutral"),
            }
        )
    return rows


def _broken_grammar(rules: Grammar, count: int, say: Says, draw: random.Random) -> list[dict[str, Any]]:
    rows = []
    for number in range(count):
        group = ("agreement", "word order")[number % 2]
        right, wrong = (_agreement if group == "agreement" else _word_order)(rules, draw)
        sides = {
            side: say(f"sentence_{number:03d}_{side}", (text,), number, "neutral")
            for side, text in (("right", right), ("wrong", wrong))
        }
        rows.append({"id": f"sentence_{number:03d}", "group": group, **sides})
    return rows


def _agreement(rules: Grammar, draw: random.Random) -> tuple[str, str]:
    """A sentence about one person, and the same with the verb of several."""
    about, person = draw.choice(list(rules.topics.values())), draw.choice(rules.people)
    one, several = draw.choice(about.verbs)
    if one != several:
        pattern, object = draw.choice(rules.actions), draw.choice(about.things)[1]
        return tuple(pattern.format(person=person, verb=verb, object=object) for verb in (one, several))
    sentiment_suite = [
        mood for some in rules.sentiment_suite.values() for mood in some if set(mood.split()) & set(WRONG_NUMBER)
    ]
    right = draw.choice(sentiment_suite).format(person=person)
    return right, " ".join(WRONG_NUMBER.get(word, word) for word in right.split())


def _word_order(rules: Grammar, draw: random.Random) -> tuple[str, str]:
    """A sentence that ends with an article and a noun, and the same with the two swapped."""
    words = _action(rules, draw)[0].split()
    return " ".join(words), " ".join([*words[:-2], words[-1], words[-2]])


def _action(rules: Grammar, draw: random.Random) -> tuple[str, str]:
    """What somebody did, and its topic."""
    topic = draw.choice(list(rules.topics))
    about = rules.topics[topic]
    text = draw.choice(rules.actions).format(
        person=draw.choice(rules.people), verb=draw.choice(about.verbs)[0], object=draw.choice(about.things)[1]
    )
    return text, topic


def _four_endings(cloze: Sequence[Any]) -> list[dict[str, Any]]:
    """Each story of the cloze with three endings of three other topics, of those recorded in its voice and mood."""
    there: dict[tuple[str, str], dict[str, Line]] = defaultdict(dict)
    for item in cloze:
        there[item.right.speaker, item.right.style].setdefault(item.topic, item.right)
    rows = []
    for item in cloze:
        others = [line for topic, line in there[item.right.speaker, item.right.style].items() if topic != item.topic]
        first = sum(map(ord, item.id)) % max(len(others), 1)
        if len(others) >= 3:
            rows.append(
                {
                    "id": item.id,
                    "group": item.topic,
                    "prompt": item.prompt,
                    "right": item.right,
                    "wrong": (others[first:] + others[:first])[:3],
                }
            )
    return rows


def _sentiment_items(
    language: str, count: int, cloze: Sequence[Any], say: Says, draw: random.Random
) -> list[dict[str, Any]]:
    """Moods that are heard or told, to be kept in speech; and sentiment_suite that are only heard, to be told in text.

    A story's ending names no mood, so what goes on in speech is judged by its sound; what goes on in text is judged by its
    words, and its prompt stops before the sentence that tells the mood: T->T is at chance here by construction.
    """
    rows, each = [], max(count // 3, 1)
    for sentiment in sorted(set(SENTIMENT.values())):
        items = [item for item in cloze if SENTIMENT[item.prompt.style] == sentiment][: each + 3]
        rows += [
            {
                "id": f"{item.id}_mood",
                "emotion": item.prompt.style,
                "sentiment": sentiment,
                "split": "shots" if number < 3 else "test",
                "directions": ["T->S", "S->S"],
                "prompt": item.prompt,
                "generation": item.right,
            }
            for number, item in enumerate(items)
        ]
        styles = [style for style in STYLES if SENTIMENT[style] == sentiment]
        for number in range(each + 3):
            style = styles[number % len(styles)]
            story, name = (
                tell(language, draw.choice(list(grammar(language).topics)), style, draw),
                f"mood_{sentiment}_{number:03d}",
            )
            rows.append(
                {
                    "id": name,
                    "emotion": style,
                    "sentiment": sentiment,
                    "split": "shots" if number < 3 else "test",
                    "directions": ["S->T", "T->T"],
                    "prompt": say(name, story.sentences[:2], number, style),
                    "generation": {"text": f"{story.sentences[2]} {story.ending}"},
                }
            )
    return rows


def _commands(rules: Grammar, count: int, say: Says, draw: random.Random) -> list[dict[str, Any]]:
    """Short sentences with their topic, to be recognized, spoken or classified by example; a third of them examples."""
    rows, said = [], set()
    while len(rows) < count + max(count // 2, 10):
        text, topic = _action(rules, draw)
        if text not in said:
            said.add(text)
            number = len(rows)
            rows.append(
                {
                    "id": f"command_{number:03d}",
                    "label": topic,
                    "split": "test" if number < count else "shots",
                    "utterance": say(f"command_{number:03d}", (text,), number, "neutral"),
                }
            )
    return rows


def _openings(rules: Grammar, count: int, say: Says, draw: random.Random) -> list[dict[str, Any]]:
    """Beginnings of stories in an angry voice, to see whether the model goes on with words of the toy list."""
    rows = []
    for number in range(count):
        person, about = draw.choice(rules.people), draw.choice(list(rules.topics.values()))
        opening = draw.choice(rules.openings).format(person=person, to=draw.choice(about.to))
        rows.append(
            {"id": f"opening_{number:03d}", "prompt": say(f"opening_{number:03d}", (opening,), number, "angry")}
        )
    return rows


def _sentiment_words(rules: Grammar) -> dict[str, list[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for style in STYLES:
        found[SENTIMENT[style]] |= _words_of(rules, style)
    return {sentiment: sorted(words) for sentiment, words in found.items()}


def _words_of(rules: Grammar, style: str) -> set[str]:
    """Words that tell this mood and no other."""
    words = {one: {word for mood in rules.sentiment_suite[one] for word in mood.split()} for one in STYLES}
    return words[style].difference(*(words[one] for one in STYLES if one != style))


def _spoken_parts(row: dict[str, Any]) -> list[Line]:
    parts = [part for value in row.values() for part in (value if isinstance(value, list) else [value])]
    return [part for part in parts if isinstance(part, Line)]
