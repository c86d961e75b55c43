"""Few-shot suites: utterances with transcript and intent, some for examples in the prompt, the others to test."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo.evaluation.suites.suite_table import SuiteTokenizer, read_table
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Utterance:
    """One utterance of a few-shot suite.

    Args:
        id: Name of the utterance.
        text: Transcript.
        speech: Speech ids, (N,).
        label: Intent; empty where the suite has none.
        language: BCP-47 tag of the language of the text, for its normalization; None if unknown.
        audio: Recording.
    """

    id: str
    text: str
    speech: np.ndarray = field(repr=False)
    label: str = ""
    language: str | None = None
    audio: Path | None = None

    def slots(self, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
        """Return the ids (N,) for each slot of a prompt template."""
        return {
            "speech": self.speech,
            "text": np.array(vocabulary.text.encode(self.text), dtype=np.int64),
            "label": np.array(vocabulary.text.encode(self.label), dtype=np.int64),
        }


def load_few_shot_suite(
    path: Path,
    tokenizer: SpeechTokenizer,
    vocabulary: Vocabulary,
    limit: int | None = None,
    language: str | None = None,
) -> tuple[list[Utterance], list[Utterance]]:
    """Load a suite from JSON Lines of ``text``, ``audio``, ``split`` (``shots`` or ``test``) and, if any, ``label``
    and ``language``.

    Args:
        path: Table of the suite; audio paths are relative to its folder.
        tokenizer: Speech tokenizer.
        vocabulary: Vocabulary of text and units.
        limit: Maximum number of test utterances; all if None.
        language: BCP-47 tag of the language of rows that name none; None if unknown.

    Returns:
        Utterances for few-shot examples, and utterances to test.

    Raises:
        FileNotFoundError: If the table does not exist.
        ValueError: If a row is malformed, or its text or recording gives no token.
    """
    suite_tokenizer = SuiteTokenizer(path.parent, vocabulary, tokenizer)
    splits: dict[str, list[Utterance]] = {"shots": [], "test": []}
    for where, row in read_table(path):
        missing = [key for key in ("text", "audio", "split") if key not in row]
        if missing or row["split"] not in splits:
            suffix = f"; missing {', '.join(missing)}" if missing else ""
            raise ValueError(f"{where}: expected text, audio and a split of shots or test{suffix}")
        if row["split"] == "test" and limit is not None and len(splits["test"]) >= limit:
            continue
        content = suite_tokenizer.encode({"text": row["text"], "audio": row["audio"]}, where)
        utterance = Utterance(
            id=str(row.get("id", where)),
            text=row["text"],
            speech=content.ids("S"),
            label=str(row.get("label", "")),
            language=row.get("language", language),
            audio=path.parent / row["audio"],
        )
        splits[row["split"]].append(utterance)
    return splits["shots"], splits["test"]
