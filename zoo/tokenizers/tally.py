"""What became of the utterances of a corpus while it was read."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from zoo.files import write_text
from zoo.tokens.rows import TokenRow


@dataclass
class Tally:
    """What became of the utterances of one split.

    Args:
        utterances: Tokenized, each counted once whatever the number of speeds.
        seconds: Of speech in them, at all speeds.
        speech_tokens: Deduplicated, in them.
        text_tokens: In their texts.
        empty: Too short for a single unit.
        skipped: Name and reason of each that could not be read.
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
        self.seconds += row.duration
        self.speech_tokens += len(row.speech_ids)
        self.text_tokens += len(row.text_ids)
        self.empty += not len(row.speech_ids)

    def add_all(self, other: "Tally") -> None:
        """Count what another one counted, after its own."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def check(self, max_bad_share: float, where: Path) -> None:
        """Raise ValueError where more than that share of the utterances was skipped, or all of them."""
        bad, total = len(self.skipped), len(self.skipped) + self.utterances
        if bad > max_bad_share * total or not self.utterances:
            first = self.skipped[0] if self.skipped else {"id": "none", "reason": "the split is empty"}
            raise ValueError(
                f"{bad} of {total} utterances could not be read, more than max_bad_share={max_bad_share}; "
                f"the first: {first['id']}: {first['reason']}; all are listed in {where}"
            )


def write_skipped(path: Path, tallies: Iterable[Tally]) -> None:
    """List the utterances that could not be read, one a line."""
    write_text(
        path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for tally in tallies for item in tally.skipped)
    )
