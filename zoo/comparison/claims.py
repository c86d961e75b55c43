"""Claims of the Spirit LM paper about tokenizers and interleaved training, tested on the measures of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HOLDS = "holds"
REVERSED = "does not hold: the difference is the other way"
OPEN = "not shown: the interval of the difference contains 0"


@dataclass(frozen=True)
class Claim:
    """A claim that one variant has a higher or a lower figure than another.

    Args:
        statement: The claim in words.
        key: Key of the measure that tests it.
        sign: 1 if the second variant is claimed to be above the first, -1 if below.
    """

    statement: str
    key: str
    sign: int

    def test(self, measures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
        """Return the claim, the difference and the verdict as JSON; None if the report lacks the difference.

        Args:
            measures: Measures of a report by key.
        """
        measure = measures.get(self.key)
        if measure is None or not measure["differences"]:
            return None
        variant, difference = next(iter(measure["differences"].items()))
        return {
            "claim": self.statement,
            "key": self.key,
            "measure": measure["measure"],
            "of": variant,
            "against": next(iter(measure["values"])),
            "difference": difference["value"],
            "interval": difference["interval"],
            "n": difference["n"],
            "seeds": measure["seeds"],
            "verdict": self._verdict(difference["interval"]),
        }

    def _verdict(self, interval: Sequence[float]) -> str:
        edges = [self.sign * edge for edge in interval]
        if min(edges) > 0:
            return HOLDS
        if max(edges) < 0:
            return REVERSED
        return OPEN


# Nguyen et al. 2024, sections 3 to 5. Expressive against Base, then interleaved training against none.
CLAIMS = (
    Claim("Expressive preserves sentiment from speech to speech better than Base", "stsp_S->S", 1),
    Claim("Expressive preserves style in resynthesis better than Base", "style_accuracy", 1),
    Claim("Expressive has the lower F0 frame error in resynthesis", "f0_frame_error", -1),
    Claim("Expressive has the lower log-F0 error in resynthesis", "log_f0_error", -1),
    Claim("Expressive has the lower F0 frame error in resynthesis of an unseen speaker", "f0_frame_error_unseen", -1),
    Claim("Expressive has the lower log-F0 error in resynthesis of an unseen speaker", "log_f0_error_unseen", -1),
    Claim("Expressive units carry more information about the style", "probe_style", 1),
    Claim("Expressive takes more tokens per second", "tokens_per_second", 1),
    Claim("Interleaving improves the cloze from speech to text", "interleaving_S->T", 1),
    Claim("Interleaving improves the cloze from text to speech", "interleaving_T->S", 1),
    Claim(
        "Speech and text of the same word are more similar in the middle layers than at the embedding",
        "similarity_by_depth",
        1,
    ),
    Claim("The same, beyond the similarity of two different words", "alignment_by_depth", 1),
    Claim("Interleaving aligns the middle layers", "interleaving_alignment", 1),
)


def verdicts(measures: Sequence[Mapping[str, Any]], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
    """Return the verdict on each claim whose measure the report contains."""
    by_key = {measure["key"]: measure for measure in measures}
    tested = [claim.test(by_key) for claim in claims]
    return [verdict for verdict in tested if verdict is not None]
