"""From rows to cuts, and to splits: the one way for all formats that are read as rows."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from lhotse import Recording
from lhotse.cut import Cut

from zoo.corpora.held_out import UtteranceKey, choose_held_out
from zoo.corpora.labels import Labels, read_labels
from zoo.corpora.origin import Origin, set_origin
from zoo.corpora.row import Row, RowReader
from zoo.corpora.source import BadItem, Items, read_recording
from zoo.corpora.split_names import SPLITS
from zoo.corpora.utterance import Utterance, to_cut

# The header of a file may count the padding of its encoder, and durations in tables are rounded.
DURATION_TOLERANCE_SECONDS = 0.1


def row_splits(readers: dict[str, RowReader], language: str, dev_share: float, name: str) -> dict[str, Items]:
    """Return the splits of a corpus from its rows.

    A corpus in one piece has the splits that its rows name, in a column ``split`` or the first folder of their audio;
    without a dev split, one is held out of the training data.

    Args:
        readers: Rows by split, ``train`` among them.
        language: BCP-47, of rows without a language.
        dev_share: Approximate share of the utterances to hold out if there is no dev split.
        name: Name of the corpus, for messages.

    Raises:
        ValueError: There is nothing to hold out.
    """
    if set(readers) == {"train"}:
        readers = _split_by_rows(readers["train"])
    ordered = {split: readers[split] for split in SPLITS if split in readers}
    splits = {split: Items(partial(_items, reader, language)) for split, reader in ordered.items()}
    if "dev" in splits:
        return splits
    reader = readers["train"]
    is_held_out = _choose_held_out(reader, language, dev_share, name)
    held_out = {
        "train": Items(partial(_train_items, reader, language, is_held_out)),
        "dev": Items(partial(_dev_items, reader, language, is_held_out)),
    }
    return held_out | {split: items for split, items in splits.items() if split != "train"}


def _choose_held_out(reader: RowReader, language: str, dev_share: float, name: str) -> Callable[[UtteranceKey], bool]:
    """Choose what is held out among the rows that are usable by their labels and have an audio file.

    Others are never held out, since a small dev split would be empty, or unusable to a large share.
    """
    keys = _UsableKeys(reader, language)
    try:
        return choose_held_out(keys, dev_share, name)
    except ValueError as error:
        if keys.num_usable >= 2 or keys.first_problem is None:
            raise
        raise ValueError(
            f"{name}: {keys.num_usable or 'no'} usable utterance(s), want at least two; the first that is not usable: "
            f"{keys.first_problem}"
        ) from error


class _UsableKeys:
    """Keys of the rows that are usable by their labels and have an audio file.

    Args:
        reader: The rows.
        language: BCP-47, of rows without a language.
    """

    def __init__(self, reader: RowReader, language: str) -> None:
        self.reader = reader
        self.language = language
        self.num_usable = 0
        self.first_problem: str | None = None

    def __iter__(self) -> Iterator[UtteranceKey]:
        for row in self.reader.key_rows():
            try:
                audio = read_labels(row, self.language).audio
                if not os.path.isfile(audio):
                    raise ValueError(f"{audio}: no such file")
            except ValueError as error:
                self.first_problem = self.first_problem or f"{row.place}: {error}"
                continue
            self.num_usable += 1
            yield row.key


def row_item(row: Row, language: str, read: Callable[[Path], Recording] = read_recording) -> Cut | BadItem:
    """Return the utterance of a row, or why it cannot be used.

    Args:
        row: The row.
        language: BCP-47, if the row has none.
        read: Reads the header of an audio file.
    """
    audio = str(row.columns.get("audio", ""))
    try:
        labels = read_labels(row, language)
        audio = str(labels.audio)
        recording = read(labels.audio)
        start, duration = _bounds(labels, recording)
    except ValueError as error:
        return BadItem(row.id, audio, str(error), str(row.file), row.line)
    utterance = Utterance(
        id=row.id,
        text=labels.text,
        language=labels.language,
        speaker=row.speaker,
        style=labels.style,
        words=labels.words,
        phonemes=labels.phonemes,
        duration=duration,
    )
    cut = to_cut(utterance, recording, start, duration, labels.channel)
    return set_origin(cut, Origin(str(row.file), row.line, labels.times_problem))


def _bounds(labels: Labels, recording: Recording) -> tuple[float, float]:
    """Return the start and the duration of an utterance within its recording, in seconds.

    Raises:
        ValueError: The recording is shorter, or has another duration than a row says that means the whole of it.
    """
    total = recording.duration
    if labels.channel is not None and labels.channel >= recording.num_channels:
        raise ValueError(f"channel {labels.channel} of a file with {recording.num_channels} channel(s), counted from 0")
    if (
        labels.num_samples is not None
        and abs(total - labels.num_samples / recording.sampling_rate) > DURATION_TOLERANCE_SECONDS
    ):
        raise ValueError(f"{labels.num_samples} samples by the manifest, the file has {recording.num_samples}")
    start = labels.start
    duration = labels.duration
    if labels.in_samples and start is not None and duration is not None:
        start = start / recording.sampling_rate
        duration = duration / recording.sampling_rate
    if start is None:
        if duration is not None and abs(total - duration) > DURATION_TOLERANCE_SECONDS:
            raise ValueError(
                f"its duration is {duration:g} s, the file has {total:g} s; for a part of it, give start as well"
            )
        return 0.0, total
    end = total if duration is None else start + duration
    if start >= total or end > total + DURATION_TOLERANCE_SECONDS:
        raise ValueError(f"from {start:g} to {end:g} s, but the file has {total:g} s")
    return start, min(end, total) - start


class _LastRecording:
    """Reads the header of each audio file once, if the utterances of a file follow each other."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.recording: Recording | None = None

    def __call__(self, path: Path) -> Recording:
        if path != self.path or self.recording is None:
            self.recording = read_recording(path)
            self.path = path
        return self.recording


def _items(reader: RowReader, language: str) -> Iterator[Cut | BadItem]:
    read = _LastRecording()
    for row in reader.read():
        yield row_item(row, language, read)


def _train_items(
    reader: RowReader, language: str, is_held_out: Callable[[UtteranceKey], bool]
) -> Iterator[Cut | BadItem]:
    """Yield what is not held out, and of what is held out that which is unusable."""
    read = _LastRecording()
    for row in reader.read():
        item = row_item(row, language, read)
        if isinstance(item, BadItem) or not is_held_out(row.key):
            yield item


def _dev_items(reader: RowReader, language: str, is_held_out: Callable[[UtteranceKey], bool]) -> Iterator[Cut]:
    read = _LastRecording()
    for row in reader.read():
        if not is_held_out(row.key):
            continue
        item = row_item(row, language, read)
        if not isinstance(item, BadItem):
            yield item


def _split_by_rows(reader: RowReader) -> dict[str, RowReader]:
    """Return a reader for each split that the rows name, if training data are among them."""
    counts = Counter(row.split for row in reader.key_rows())
    if "train" not in counts or counts["train"] == counts.total():
        return {"train": reader}
    readers: dict[str, RowReader] = {}
    for split in counts:
        if split is None:
            continue
        readers[split] = RowReader(partial(_of_split, reader.read, split), partial(_of_split, reader.key_rows, split))
    return readers


def _of_split(read: Callable[[], Iterable[Row]], split: str) -> Iterator[Row]:
    """Yield the rows of a split; rows that name none are training data."""
    for row in read():
        if (row.split or "train") == split:
            yield row
