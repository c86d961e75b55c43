"""Evaluation suites in the words of the demo corpus: nonsense words, wrong grammar, sentiments, commands, toxicity."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.corpora.demo_minimal_pairs import LineMaker, Row, nonsense_word_items, wrong_grammar_items
from zoo.corpora.demo_speech import Line
from zoo.corpora.demo_stories import find_grammar, generate_action, generate_story
from zoo.corpora.demo_story_grammars import STYLES, Grammar

SENTIMENT = {"happy": "positive", "sad": "negative", "angry": "negative", "neutral": "neutral"}
NUM_SHOTS = 3  # examples of each sentiment


@dataclass(frozen=True)
class ClozeItem:
    """A story without its ending, with the right ending and one of another topic, in one voice and style.

    Args:
        id: Id of the item.
        topic: Name of the story's topic.
        prompt: The story without its ending.
        right: Its ending.
        wrong: Ending of another story.
    """

    id: str
    topic: str
    prompt: Line
    right: Line
    wrong: Line


@dataclass(frozen=True)
class Suites:
    """Tables of items, in which utterances are lines that are still to be synthesized.

    Args:
        tables: Rows by name of the file, without its suffix.
        lists: Further content by name of the file: a list of words becomes a text file, anything else a JSON file.
    """

    tables: dict[str, list[Row]]
    lists: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[Line]:
        """All lines of all tables."""
        lines = []
        for rows in self.tables.values():
            for row in rows:
                lines += _lines_of_row(row)
        return lines


def make_suites(
    language: str, count: int, cloze: Sequence[ClozeItem], make_line: LineMaker, rng: random.Random
) -> Suites:
    """Return every suite of a language but the story cloze itself.

    Args:
        language: Language of one of the grammars.
        count: Number of items in each suite, about.
        cloze: Items of the story cloze, whose recordings are reused.
        make_line: Makes the lines.
        rng: The only source of randomness.
    """
    grammar = find_grammar(language)
    tables = {
        "swuggy": nonsense_word_items(grammar, count, make_line, rng),
        "sblimp": wrong_grammar_items(grammar, count, make_line, rng),
        "topic_story_cloze": _four_ending_items(cloze),
        "sentiment": _sentiment_items(language, count, cloze, make_line, rng),
        "commands": _command_items(grammar, count, make_line, rng),
        "toxicity": _toxicity_items(grammar, count, make_line, rng),
    }
    sentiment_words = _sentiment_words(grammar)
    del sentiment_words["neutral"]
    return Suites(
        tables={name: rows for name, rows in tables.items() if rows},
        lists={"sentiment_words": sentiment_words, "toxic_words": sorted(_words_of_style(grammar, "angry"))},
    )


def _four_ending_items(cloze: Sequence[ClozeItem]) -> list[Row]:
    """Return each cloze item with three wrong endings of three other topics, recorded in its voice and style."""
    endings: dict[tuple[str, str], dict[str, Line]] = defaultdict(dict)
    for item in cloze:
        endings[item.right.speaker, item.right.style].setdefault(item.topic, item.right)
    rows = []
    for item in cloze:
        endings_by_topic = endings[item.right.speaker, item.right.style]
        others = [line for topic, line in endings_by_topic.items() if topic != item.topic]
        if len(others) < 3:
            continue
        # Any choice will do that depends on nothing but the item.
        first = sum(map(ord, item.id)) % len(others)
        wrong = (others[first:] + others[:first])[:3]
        rows.append({"id": item.id, "group": item.topic, "prompt": item.prompt, "right": item.right, "wrong": wrong})
    return rows


def _sentiment_items(
    language: str, count: int, cloze: Sequence[ClozeItem], make_line: LineMaker, rng: random.Random
) -> list[Row]:
    """Return sentiments to be preserved in speech, and sentiments to be preserved from speech to text.

    The ending of a story names no style, so that a spoken continuation is judged by its sound. A written continuation
    is judged by its words, and its prompt stops before the sentence that names the style: T->T is at chance by
    construction.
    """
    rows: list[Row] = []
    num_test = max(count // 3, 1)
    for sentiment in sorted(set(SENTIMENT.values())):
        items = [item for item in cloze if SENTIMENT[item.prompt.style] == sentiment]
        for number, item in enumerate(items[: num_test + NUM_SHOTS]):
            rows.append(
                {
                    "id": f"{item.id}_mood",
                    "emotion": item.prompt.style,
                    "sentiment": sentiment,
                    "split": "shots" if number < NUM_SHOTS else "test",
                    "directions": ["T->S", "S->S"],
                    "prompt": item.prompt,
                    "generation": item.right,
                }
            )
        styles = [style for style in STYLES if SENTIMENT[style] == sentiment]
        topics = list(find_grammar(language).topics)
        for number in range(num_test + NUM_SHOTS):
            style = styles[number % len(styles)]
            story = generate_story(language, rng.choice(topics), style, rng)
            name = f"mood_{sentiment}_{number:03d}"
            rows.append(
                {
                    "id": name,
                    "emotion": style,
                    "sentiment": sentiment,
                    "split": "shots" if number < NUM_SHOTS else "test",
                    "directions": ["S->T", "T->T"],
                    "prompt": make_line(name, story.sentences[:2], number, style),
                    "generation": {"text": f"{story.sentences[2]} {story.ending}"},
                }
            )
    return rows


def _command_items(grammar: Grammar, count: int, make_line: LineMaker, rng: random.Random) -> list[Row]:
    """Return sentences with their topic, to be recognized, synthesized or classified; a third of them are examples."""
    rows: list[Row] = []
    texts = set()
    while len(rows) < count + max(count // 2, 10):
        action = generate_action(grammar, rng)
        if action.text in texts:
            continue
        texts.add(action.text)
        number = len(rows)
        name = f"command_{number:03d}"
        rows.append(
            {
                "id": name,
                "label": action.topic,
                "split": "test" if number < count else "shots",
                "utterance": make_line(name, (action.text,), number, "neutral"),
            }
        )
    return rows


def _toxicity_items(grammar: Grammar, count: int, make_line: LineMaker, rng: random.Random) -> list[Row]:
    """Return beginnings of stories in an angry voice, which a model may continue with words of the toy list."""
    rows = []
    for number in range(count):
        person = rng.choice(grammar.people)
        topic = rng.choice(list(grammar.topics.values()))
        opening = rng.choice(grammar.openings).format(person=person, to=rng.choice(topic.to))
        name = f"opening_{number:03d}"
        rows.append({"id": name, "prompt": make_line(name, (opening,), number, "angry")})
    return rows


def _sentiment_words(grammar: Grammar) -> dict[str, list[str]]:
    """Return the sorted words of each sentiment."""
    words: dict[str, set[str]] = defaultdict(set)
    for style in STYLES:
        words[SENTIMENT[style]] |= _words_of_style(grammar, style)
    return {sentiment: sorted(words_of_sentiment) for sentiment, words_of_sentiment in words.items()}


def _words_of_style(grammar: Grammar, style: str) -> set[str]:
    """Return the words that name this style and no other."""
    words: dict[str, set[str]] = {}
    for name in STYLES:
        words[name] = set(" ".join(grammar.sentiments[name]).split())
    return words[style].difference(*(words[name] for name in STYLES if name != style))


def _lines_of_row(row: Row) -> list[Line]:
    lines = []
    for value in row.values():
        values = value if isinstance(value, list) else [value]
        lines += [item for item in values if isinstance(item, Line)]
    return lines
