"""The plan of a demo corpus: every utterance of its splits and its suites, before any is synthesized."""

import hashlib
import random
from dataclasses import dataclass
from functools import partial

from zoo.corpora.demo_speech import Line
from zoo.corpora.demo_stories import Story, generate_stories, punctuate, wrong_endings
from zoo.corpora.demo_suites import ClozeItem, Suites, make_suites
from zoo.corpora.demo_voices import apply_style, speakers
from zoo.corpora.split_names import SPLITS

HELD_OUT_SHARES = {"dev": 0.06, "test": 0.06}
# Mean over voices and styles, from which the number of stories in an hour follows.
SECONDS_PER_STORY = {"en": 6.9, "de": 7.2, "es": 7.2}


@dataclass(frozen=True)
class CorpusPlan:
    """Utterances of a demo corpus.

    Args:
        splits: Utterances by split.
        cloze: Items of the story cloze by language, for languages that have any.
        suites: Other suites by language, if there are any.
    """

    splits: dict[str, list[Line]]
    cloze: dict[str, list[ClozeItem]]
    suites: dict[str, Suites]

    @property
    def lines(self) -> list[Line]:
        """All utterances, those that serve several times included as often."""
        lines = []
        for split_lines in self.splits.values():
            lines += split_lines
        for items in self.cloze.values():
            for item in items:
                lines += [item.prompt, item.right, item.wrong]
        for suites in self.suites.values():
            lines += suites.lines
        return lines


def plan_corpus(hours: float, seed: int, languages: tuple[str, ...], num_cloze: int, num_suite: int) -> CorpusPlan:
    """Return the plan of a corpus; the same arguments give the same plan.

    Args:
        hours: Hours of speech in train, dev and test together, about, in equal parts for each language.
        seed: Seed of the choice of stories, speakers and styles.
        languages: Languages of the grammars.
        num_cloze: Items in the story cloze of each language.
        num_suite: Items in each other suite, about; 0 for none.
    """
    plan = CorpusPlan({split: [] for split in SPLITS}, {}, {})
    for language in languages:
        # Stories of splits and cloze differ from each other. Each part has a random generator of its own, so that the
        # others do not depend on its size.
        used_texts: set[str] = set()
        counts = _story_counts(hours / len(languages), language)
        for split in SPLITS:
            rng = random.Random(f"{seed} {language} {split}")
            stories = generate_stories(language, counts[split], rng, used_texts)
            for number, story in enumerate(stories):
                plan.splits[split].append(_story_line(story, language, split, number))
        cloze = _cloze_items(language, num_cloze, random.Random(f"{seed} {language} cloze"), used_texts)
        if cloze:
            plan.cloze[language] = cloze
        if num_suite:
            rng = random.Random(f"{seed} {language} suites")
            plan.suites[language] = make_suites(language, num_suite, cloze, partial(_suite_line, language), rng)
    return plan


def _story_counts(hours: float, language: str) -> dict[str, int]:
    """Return the number of stories of each split."""
    total = hours * 3600 / SECONDS_PER_STORY[language]
    counts = {split: max(round(total * share), 1) for split, share in HELD_OUT_SHARES.items()}
    return counts | {"train": max(round(total) - sum(counts.values()), 1)}


def _cloze_items(language: str, count: int, rng: random.Random, used_texts: set[str]) -> list[ClozeItem]:
    if count == 0:
        return []
    names = list(speakers(language, "test"))
    items = []
    stories = generate_stories(language, count, rng, used_texts)
    for number, (story, wrong) in enumerate(zip(stories, wrong_endings(stories, rng), strict=True)):
        speaker = names[number % len(names)]
        name = f"{language}_cloze_{number:05d}"
        items.append(
            ClozeItem(
                id=name,
                topic=story.topic,
                prompt=_line(
                    name, f"suites/audio/{name}.flac", story.sentences, language, "test", speaker, story.style
                ),
                right=_ending_line(story.ending, language, speaker, story.style),
                wrong=_ending_line(wrong, language, speaker, story.style),
            )
        )
    return items


def _story_line(story: Story, language: str, split: str, number: int) -> Line:
    names = list(speakers(language, split))
    name = f"{language}_{split}_{number:05d}"
    sentences = (*story.sentences, story.ending)
    return _line(name, f"audio/{name}.flac", sentences, language, split, names[number % len(names)], story.style)


def _ending_line(text: str, language: str, speaker: str, style: str) -> Line:
    # One recording serves wherever this ending is right or wrong, so that the sound is balanced with the words.
    name = f"{speaker}_{style}_{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"
    return _line(name, f"suites/audio/{name}.flac", (text,), language, "test", speaker, style)


def _suite_line(language: str, item: str, sentences: tuple[str, ...], number: int, style: str) -> Line:
    names = list(speakers(language, "test"))
    name = f"{language}_{item}"
    speaker = names[number % len(names)]
    return _line(name, f"suites/audio/{name}.flac", sentences, language, "test", speaker, style)


def _line(
    name: str, path: str, sentences: tuple[str, ...], language: str, split: str, speaker: str, style: str
) -> Line:
    voice = apply_style(speakers(language, split)[speaker], style)
    return Line(name, path, " ".join(sentences), punctuate(sentences), language, speaker, style, voice)
