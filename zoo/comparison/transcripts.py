"""Report of how much of the transcript the units of several tokenizers keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.comparison.transcript_probe import TranscribedUnits, TranscriptReading
from zoo.reports import markdown_table


@dataclass(frozen=True)
class UnitTranscripts:
    """What a reader reads of a tokenizer's units, and the bits that they cost.

    Args:
        reading: Transcripts and their errors.
        size: Number of units.
        rate: Units per second.
        used: Number of units that occur in the speech that was read.
        entropy_bits: Entropy of their frequencies, in bits per unit.
    """

    reading: TranscriptReading
    size: int
    rate: float
    used: int
    entropy_bits: float

    @property
    def bits_per_second(self) -> float:
        """Bits per second of a code that knows the frequencies of the units and nothing of their order."""
        return self.entropy_bits * self.rate

    @classmethod
    def measure(cls, reading: TranscriptReading, test: TranscribedUnits, size: int, rate: float) -> "UnitTranscripts":
        """Count the units that a reading is of.

        Args:
            reading: Result of ``probe_transcripts``.
            test: Units that were read.
            size: Number of units of the tokenizer.
            rate: Units per second.
        """
        counts = np.bincount(np.concatenate([np.asarray(row) for row in test.units]), minlength=size)
        shares = counts[counts > 0] / counts.sum()
        return cls(reading, size, rate, int((counts > 0).sum()), float(-(shares * np.log2(shares)).sum()))


def transcripts_report(measured: Mapping[str, UnitTranscripts]) -> dict[str, Any]:
    """Return errors, differences from the first tokenizer, and bits of each tokenizer as JSON."""
    baseline = next(iter(measured.values())).reading
    report = {}
    for name, units in measured.items():
        words = units.reading.words
        characters = units.reading.characters
        report[name] = {
            "word_error": words.estimate().named("rate"),
            "character_error": characters.estimate().named("rate"),
            "word_error_less_baseline": words.minus(baseline.words).named("difference"),
            "character_error_less_baseline": characters.minus(baseline.characters).named("difference"),
            "units_per_second": units.rate,
            "units_used": [units.used, units.size],
            "bits_per_second": round(units.bits_per_second, 1),
        }
    return report


def transcripts_markdown(measured: Mapping[str, UnitTranscripts], synthetic: bool) -> str:
    """Return the report as a table.

    Args:
        measured: Result for each tokenizer, the baseline first.
        synthetic: Whether the speech was made by a synthesizer.
    """
    baseline = next(iter(measured.values())).reading
    speech = "Synthetic speech" if synthetic else "Recorded speech"
    rows = [
        ["units", "word errors", "less the first's", "character errors", "less the first's", "used", "bits per second"]
    ]
    for name, units in measured.items():
        words = units.reading.words
        characters = units.reading.characters
        is_baseline = units.reading is baseline
        row = [
            name,
            str(words.estimate()),
            "" if is_baseline else str(words.minus(baseline.words)),
            str(characters.estimate()),
            "" if is_baseline else str(characters.minus(baseline.characters)),
            f"{units.used} of {units.size}",
            f"{units.bits_per_second:.0f}",
        ]
        rows.append(row)
    return (
        f"{speech}: errors of a small CTC reader, trained on the units alone, on held-out speech; 95% intervals over "
        f"utterances.\n\n{markdown_table(rows)}\n"
    )
