"""What the paper says of its tokenizers and its training, held against figures of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HOLDS, REVERSED, OPEN = (
    "holds",
    "does not hold: the difference is the other way",
    "not shown: the interval of the difference reaches 0",
)


@dataclass(frozen=True)
class Claim:
    """A statement on the sign of a difference.

    Args:
        says: The statement.
        key: Of the row that tells.
        sign: 1 where the second variant is to be above the first, -1 where below.
    """

    says: str
    key: str
    sign: int

    def held_against(self, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
        """The claim, the difference and the verdict; None where the row is missing."""
        differences = rows.get(self.key, {}).get("differences", {})
        if not differences:
            return None
        row, (name, found) = rows[self.key], next(iter(differences.items()))
        low, high = (self.sign * edge for edge in found["interval"])
        verdict = HOLDS if min(low, high) > 0 else REVERSED if max(low, high) < 0 else OPEN
        return {
            "claim": self.says,
            "key": self.key,
            "measure": row["measure"],
            "of": name,
            "against": next(iter(row["values"])),
            "difference": found["value"],
            "interval": found["interval"],
            "n": found["n"],
            "seeds": row["seeds"],
            "verdict": verdict,
        }


# Nguyen et al. 2024, sections 3 to 5; the first two of Expressive against Base, of language models and by resynthesis.
CLAIMS = (
    Claim("Expressive preserves sentiment from speech to speech better than Base", "stsp_S->S", 1),
    Claim("Expressive preserves style in resynthesis better than Base", "style_accuracy", 1),
    Claim("Expressive has the lower F0 frame error in resynthesis", "f0_frame_error", -1),
    Claim("Expressive has the lower log-F0 error in resynthesis", "log_f0_error", -1),
    Claim("Expressive has the lower F0 frame error in resynthesis of an unseen speaker", "f0_frame_error_unseen", -1),
    Claim("Expressive has the lower log-F0 error in resynthesis of an unseen speaker", "log_f0_error_unseen", -1),
    Claim("Expressive units tell more of the style", "probe_style", 1),
    Claim("Expressive takes more tokens a second", "tokens_per_second", 1),
    Claim("Interleaving lifts the cloze from speech to text", "interleaving_S->T", 1),
    Claim("Interleaving lifts the cloze from text to speech", "interleaving_T->S", 1),
    Claim(
        "The same word's speech and text are more alike in the middle layers than at the embedding",
        "similarity_by_depth",
        1,
    ),
    Claim("The same, beyond what two words are alike", "alignment_by_depth", 1),
    Claim("Interleaving aligns the middle layers", "interleaving_alignment", 1),
)


def verdicts(rows: Sequence[Mapping[str, Any]], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
    """Every claim that the rows of a report can tell of."""
    by_key = {row["key"]: row for row in rows}
    return [found for claim in claims if (found := claim.held_against(by_key)) is not None]
