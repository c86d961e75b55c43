"""Contrast suites: prompts with a right continuation and wrong ones, such as StoryCloze, sWUGGY and sBLIMP."""

from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from zoo.evaluation.suites.suite_table import SuiteTokenizer, read_table
from zoo.evaluation.suites.text_and_speech import TextAndSpeech, modalities
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.vocabulary import Vocabulary

EXPECTED_KEYS = "an object with right and wrong, and with a prompt unless the continuations have none"


@dataclass(frozen=True)
class Contrast:
    """A prompt, its right continuation and one or more wrong ones.

    Args:
        prompt: Prompt of all continuations; None where they have none, as single words do.
        right: Right continuation.
        wrong: Wrong continuations.
        group: Category of the item; results are also reported by group.
        id: Name of the item.
    """

    prompt: TextAndSpeech | None
    right: TextAndSpeech
    wrong: tuple[TextAndSpeech, ...]
    group: str = ""
    id: str = ""

    @property
    def choices(self) -> tuple[TextAndSpeech, ...]:
        """All continuations, the right one first."""
        return (self.right, *self.wrong)

    def supports(self, direction: str) -> bool:
        """Whether the item has all content that a direction needs; without a prompt the modality cannot change."""
        source, target = modalities(direction)
        if not all(choice.has(target) for choice in self.choices):
            return False
        if self.prompt is None:
            return source == target
        return self.prompt.has(source)


def load_contrasts(
    path: Path, tokenizer: SpeechTokenizer | None, vocabulary: Vocabulary, limit: int | None = None
) -> list[Contrast]:
    """Load a suite from JSON Lines of ``right``, ``wrong`` (one or a list) and, unless there is none, ``prompt``.

    Each of them is ``{"text": ..., "audio": path relative to the table}`` with at least one of the two keys; an item
    supports the directions that it has all content for. ``id`` and ``group`` are optional.

    Args:
        path: Table of the suite.
        tokenizer: Speech tokenizer; None for text alone.
        vocabulary: Vocabulary of text and units.
        limit: Maximum number of items; all if None.

    Raises:
        FileNotFoundError: If the table does not exist.
        ValueError: If a line is malformed, or a text or recording gives no token.
    """
    suite_tokenizer = SuiteTokenizer(path.parent, vocabulary, tokenizer)
    rows = tqdm(read_table(path, limit), desc=f"suite {path.stem}", unit="item", mininterval=1.0, delay=2.0)
    items = []
    for number, (where, row) in enumerate(rows):
        missing = [key for key in ("right", "wrong") if not row.get(key)]
        if missing:
            raise ValueError(f"{where}: missing {', '.join(missing)}: expected {EXPECTED_KEYS}")
        wrong = row["wrong"] if isinstance(row["wrong"], list) else [row["wrong"]]
        item = Contrast(
            prompt=suite_tokenizer.encode(row["prompt"], where) if row.get("prompt") else None,
            right=suite_tokenizer.encode(row["right"], where),
            wrong=tuple(suite_tokenizer.encode(entry, where) for entry in wrong),
            group=str(row.get("group", "")),
            id=str(row.get("id", number)),
        )
        items.append(item)
    return items
