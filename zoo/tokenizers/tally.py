"""Counts of the utterances of a corpus that were tokenized, and of those that could not be read."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from zoo.files import write_text
from zoo.tokens.schema import TokenRow


@dataclass
class Tally:
    """Counts of one split.

    Args:
        utterances: Number of utterances that were read, each counted once whatever the number of speeds.
        seconds: Seconds of speech in the rows, at all speeds.
        speech_tokens: Number of deduplicated speech tokens in the rows.
        text_tokens: Number of text tokens in the rows.
        empty: Number of rows that are too short for a single unit.
        skipped: Id and reason of each utterance that could not be read.
    """

    utterances: int = 0
    seconds: float = 0.0
    speech_tokens: int = 0
    text_tokens: int = 0
    empty: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def tokens_per_second(self) -> float:
        return self.speech_tokens / max(self.seconds, 1e-9)

    def add(self, row: TokenRow) -> None:
        """Add the counts of a row, apart from ``utterances``."""
        self.seconds += row.duration
        self.speech_tokens += len(row.speech_ids)
        self.text_tokens += len(row.text_ids)
        self.empty += not len(row.speech_ids)

    def skip(self, name: str, reason: Exception) -> None:
        """Count an utterance that could not be read.

        Args:
            name: Id of the utterance.
            reason: Error that reading it raised.
        """
        self.skipped.append({"id": name, "reason": str(reason)})

    def add_all(self, other: "Tally") -> None:
        """Add the counts of another tally, whose utterances come after those of this one."""
        self.utterances += other.utterances
        self.seconds += other.seconds
        self.speech_tokens += other.speech_tokens
        self.text_tokens += other.text_tokens
        self.empty += other.empty
        self.skipped = self.skipped + other.skipped

    def check(self, max_bad_share: float, skipped_file: Path) -> None:
        """Require that enough utterances could be read.

        Args:
            max_bad_share: Largest share of the utterances that may have been skipped.
            skipped_file: File that lists the skipped utterances, for the message.

        Raises:
            ValueError: More utterances were skipped, or all of them.
        """
        num_skipped = len(self.skipped)
        total = num_skipped + self.utterances
        if num_skipped <= max_bad_share * total and self.utterances:
            return
        first = self.skipped[0] if self.skipped else {"id": "none", "reason": "the split is empty"}
        raise ValueError(
            f"{num_skipped} of {total} utterances could not be read, more than max_bad_share={max_bad_share}; "
            f"the first: {first['id']}: {first['reason']}; all are listed in {skipped_file}"
        )


def write_skipped(path: Path, tallies: Iterable[Tally]) -> None:
    """Write the id and the reason of each utterance that could not be read, as JSON lines."""
    lines = []
    for tally in tallies:
        for item in tally.skipped:
            lines.append(json.dumps(item, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))
