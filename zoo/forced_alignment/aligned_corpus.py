"""A corpus whose missing word and phone times are found by aligners, one utterance at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from lhotse.cut import Cut

from zoo.corpora.source import BadItem, Items, Source
from zoo.corpora.utterance import Utterance, load_waveform, to_alignment, to_utterance
from zoo.forced_alignment.aligner import Aligner, Alignment
from zoo.forced_alignment.alignment_results import AlignmentResult, ResultLog, results_path
from zoo.processes import map_in_processes
from zoo.ranges import NumProcesses, check_ranges
from zoo.tokens.contract import checksum


@dataclass(frozen=True)
class Aligned:
    """A corpus whose utterances without word times are aligned; utterances that cannot be aligned get none.

    Times that the corpus has are kept. Results are kept on disk as they are found, so that an interrupted preparation
    resumes after the last one.

    Args:
        source: The corpus to align.
        aligner: Aligner that finds the word times; None to find phone times alone.
        phone_aligner: Aligner that finds the phone times, such as ``PocketsphinxAligner``; None for no phone times.
        num_processes: Number of processes that align, each with one thread; 1 on a GPU.

    Raises:
        ValueError: There is no aligner at all.
    """

    source: Source
    aligner: Aligner | None
    phone_aligner: Aligner | None = None
    num_processes: NumProcesses = 1

    def __post_init__(self) -> None:
        if self.aligner is None and self.phone_aligner is None:
            raise ValueError("aligner and phone_aligner are both null: name at least one of them")
        check_ranges(self)

    def __str__(self) -> str:
        names = [aligner.name for aligner in self._aligners if aligner is not None]
        return f"{self.source}, aligned by {', '.join(names)}"

    @property
    def synthetic(self) -> bool:
        return self.source.synthetic

    @property
    def description(self) -> str:
        return f"{self.source.description}; words aligned"

    @property
    def _aligners(self) -> tuple[Aligner | None, Aligner | None]:
        return self.aligner, self.phone_aligner

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits of the source, which are aligned one utterance at a time."""
        splits = {}
        for name, items in self.source.splits(folder).items():
            splits[name] = Items(partial(self._aligned_items, items, results_path(folder, name)))
        return splits

    def _aligned_items(self, items: Items, path: Path) -> Iterator[Cut | BadItem]:
        remaining = iter(items)
        with ResultLog(path) as log:
            for item in remaining:
                if isinstance(item, BadItem):
                    yield item
                    continue
                earlier = log.next(self._key(to_utterance(item)))
                if earlier is None:
                    remaining = chain([item], remaining)
                    break
                yield _with_times(item, earlier)
            for item, result in map_in_processes(self._align, remaining, self.num_processes):
                if result is not None and not isinstance(item, BadItem):
                    log.add(result)
                    item = _with_times(item, result)
                yield item

    def _key(self, utterance: Utterance) -> str:
        """Return a hash of everything that the result of an utterance depends on, but for its samples."""
        names = [None if aligner is None else aligner.name for aligner in self._aligners]
        labels = [utterance.id, utterance.text, utterance.language, utterance.duration]
        return checksum([names, labels, utterance.words, utterance.phonemes])

    def _align(self, item: Cut | BadItem) -> tuple[Cut | BadItem, AlignmentResult | None]:
        """Return an utterance with the result of aligning it."""
        if isinstance(item, BadItem):
            return item, None
        utterance = to_utterance(item)
        words = utterance.text.split()
        had_words = utterance.words is not None
        by_words: Alignment | None = None
        by_phones: Alignment | None = None
        reasons = []
        if words and not had_words and self.aligner is not None:
            try:
                by_words = _align(self.aligner, item, utterance)
            except ValueError as error:  # unreadable audio among them
                reasons.append(f"words: {error}")
        if words and utterance.phonemes is None and self.phone_aligner is not None:
            try:
                is_done = self.phone_aligner is self.aligner and by_words is not None
                by_phones = by_words if is_done else _align(self.phone_aligner, item, utterance)
            except ValueError as error:
                reasons.append(f"phones: {error}")
        return item, AlignmentResult(
            key=self._key(utterance),
            id=item.id,
            num_words=len(words),
            had_words=had_words,
            words=None if by_words is None else list(by_words.words),
            confidences=None if by_words is None else list(by_words.confidences),
            phonemes=None if by_phones is None else list(by_phones.phonemes or ()),
            reasons=tuple(reasons),
        )


def _align(aligner: Aligner, cut: Cut, utterance: Utterance) -> Alignment:
    return aligner.align(load_waveform(cut, aligner.sample_rate), utterance.text.split(), utterance.language)


def _with_times(cut: Cut, result: AlignmentResult) -> Cut:
    """Add the times of a result to the supervision of a cut, and return the cut."""
    supervision = cut.supervisions[0]
    alignment = dict(supervision.alignment or {})
    if result.words is not None:
        alignment["word"] = to_alignment(result.words, result.confidences)
    if result.phonemes:
        alignment["phone"] = to_alignment(result.phonemes)
    supervision.alignment = alignment or None
    return cut
