"""Minimal pairs in the words of the demo corpus: words and nonsense words, right and wrong grammar."""

import random
from collections.abc import Callable
from typing import Any

from zoo.corpora.demo_speech import Line
from zoo.corpora.demo_stories import generate_action
from zoo.corpora.demo_story_grammars import Grammar

VOWELS = "aeiou"
CONSONANTS = "bdfgklmnprstvz"
WRONG_NUMBER = {"was": "were"}  # English marks number on no other verb of its grammar

Row = dict[str, Any]
# Makes a line in a voice of the test split: id, sentences, number of the voice, style.
LineMaker = Callable[[str, tuple[str, ...], int, str], Line]


def content_words(grammar: Grammar) -> dict[str, str]:
    """Return the nouns and verbs of a grammar, each with ``noun`` or ``verb``."""
    nouns = {}
    verbs = {}
    for topic in grammar.topics.values():
        for thing, _ in topic.things:
            nouns[thing.split()[-1]] = "noun"
        for verb, _ in topic.verbs:
            verbs[verb] = "verb"
    return nouns | verbs


def nonsense(word: str, words: set[str], rng: random.Random) -> str:
    """Return a word with one vowel or consonant exchanged for another, so that the result is none of ``words``."""
    while True:
        position = rng.randrange(len(word))
        for letters in (VOWELS, CONSONANTS):
            if word[position] in letters:
                letter = rng.choice(letters.replace(word[position], ""))
                changed = word[:position] + letter + word[position + 1 :]
                if changed not in words:
                    return changed


def nonsense_word_items(grammar: Grammar, count: int, make_line: LineMaker, rng: random.Random) -> list[Row]:
    """Return words of a grammar, each with a nonsense word of the same length.

    Args:
        grammar: Grammar of a language.
        count: Number of items, unless the grammar has fewer words.
        make_line: Makes the lines.
        rng: The only source of randomness.
    """
    kinds = content_words(grammar)
    words = [word for word in kinds if any(letter in VOWELS + CONSONANTS for letter in word)]
    rng.shuffle(words)
    rows = []
    for number, word in enumerate(words[:count]):
        wrong = nonsense(word, set(kinds), rng)
        name = f"word_{number:03d}"
        rows.append(
            {
                "id": name,
                "group": kinds[word],
                "right": make_line(f"{name}_right", (word,), number, "neutral"),
                "wrong": make_line(f"{name}_wrong", (wrong,), number, "neutral"),
            }
        )
    return rows


def wrong_grammar_items(grammar: Grammar, count: int, make_line: LineMaker, rng: random.Random) -> list[Row]:
    """Return sentences of a grammar, each with the same sentence in wrong number or word order.

    Args:
        grammar: Grammar of a language.
        count: Number of items, half of each kind.
        make_line: Makes the lines.
        rng: The only source of randomness.
    """
    rows = []
    for number in range(count):
        if number % 2 == 0:
            group = "agreement"
            right, wrong = _agreement(grammar, rng)
        else:
            group = "word order"
            right, wrong = _word_order(grammar, rng)
        name = f"sentence_{number:03d}"
        rows.append(
            {
                "id": name,
                "group": group,
                "right": make_line(f"{name}_right", (right,), number, "neutral"),
                "wrong": make_line(f"{name}_wrong", (wrong,), number, "neutral"),
            }
        )
    return rows


def _agreement(grammar: Grammar, rng: random.Random) -> tuple[str, str]:
    """Return a sentence about one person, and the same with its verb in the plural."""
    topic = rng.choice(list(grammar.topics.values()))
    person = rng.choice(grammar.people)
    singular, plural = rng.choice(topic.verbs)
    if singular != plural:
        pattern = rng.choice(grammar.actions)
        thing = rng.choice(topic.things)[1]
        right = pattern.format(person=person, verb=singular, object=thing)
        return right, pattern.format(person=person, verb=plural, object=thing)
    right = rng.choice(_sentiments_with_number(grammar)).format(person=person)
    return right, " ".join(WRONG_NUMBER.get(word, word) for word in right.split())


def _sentiments_with_number(grammar: Grammar) -> list[str]:
    """Return the patterns of the third sentence that have a verb with a plural form of its own."""
    patterns = []
    for sentences in grammar.sentiments.values():
        patterns += [sentence for sentence in sentences if set(sentence.split()) & set(WRONG_NUMBER)]
    return patterns


def _word_order(grammar: Grammar, rng: random.Random) -> tuple[str, str]:
    """Return a sentence that ends with an article and a noun, and the same with the two swapped."""
    words = generate_action(grammar, rng).text.split()
    return " ".join(words), " ".join([*words[:-2], words[-1], words[-2]])
