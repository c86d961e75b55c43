"""Names of the columns of speech corpora, as toolkits and data sets write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.suggestions import nearest_name

# The first name of each column is ours; of several in one table the earliest here is read.
COLUMN_NAMES = {
    "audio": (
        *("audio", "audio_filepath", "audio_path", "audio_file", "audio_filename", "file_name", "filename"),
        *("file_path", "filepath", "path", "file", "wav", "wav_path", "wav_file", "wav_filename", "wavpath", "clip"),
        *("clip_path", "flac", "mp3", "sound", "recording"),
    ),
    "text": (
        *("text", "sentence", "transcription", "transcript", "text_normalized", "normalized_text", "normalized"),
        *("normalized_transcription", "wrd", "txt", "raw_transcription", "raw_text", "text_original", "utterance"),
        *("caption", "transcripts", "target_text", "label_text"),
    ),
    "id": ("id", "utt_id", "utterance_id", "segment_id", "uttid", "utt", "key", "uid", "clip_id", "sample_id"),
    "start": ("start", "offset", "start_seconds", "start_time", "begin", "begin_time", "segment_start"),
    "end": ("end", "end_seconds", "end_time", "segment_end"),
    "stop": ("stop",),
    "duration": ("duration", "duration_seconds", "dur", "length", "audio_duration", "length_seconds"),
    "duration_ms": ("duration_ms", "duration[ms]", "length_ms"),
    "channel": ("channel",),
    "language": ("language", "lang", "locale", "language_code", "lang_code"),
    "speaker": (
        *("speaker", "speaker_id", "spk", "spk_id", "speaker_name", "client_id", "spkid", "spk_name", "speakerid"),
        *("reader", "reader_id", "actor"),
    ),
    "style": ("style", "emotion", "speaking_style", "emo"),
    "words": ("words", "word_times", "word_alignment", "word_timestamps"),
    "phonemes": ("phonemes", "phone_times", "phones", "phone_alignment"),
    "split": ("split", "subset", "set", "partition", "fold"),
}
# Parts of names of columns that may hold texts, so that a table with one is not taken for speech without text.
TEXT_HINTS = ("text", "txt", "trans", "sent", "script", "caption", "utter", "content", "normal")


@dataclass(frozen=True)
class ColumnMapping:
    """Which columns of a table are read, and as what.

    Args:
        names: Name of the column in the table by our name.
        ignored: Names of the columns that are not read.
    """

    names: dict[str, str]
    ignored: tuple[str, ...]


def is_audio_name(name: str) -> bool:
    """Return whether a cell is the name of a column of audio, as in the header of a table."""
    return _plain(name) in COLUMN_NAMES["audio"]


def is_column_name(name: str) -> bool:
    """Return whether a cell is the name of any column that is read."""
    return any(_plain(name) in known for known in COLUMN_NAMES.values())


def map_columns(names: Sequence[str], wanted: Mapping[str, str], place: str) -> ColumnMapping:
    """Find out which columns of a table hold what.

    Args:
        names: Names of the table's columns.
        wanted: Names in the table by our name, which have precedence over the known ones.
        place: Table, and its format, for messages.

    Raises:
        ValueError: There is no column of audio; or none of text, although a column may be one; or a wanted column is
            not there.
    """
    for ours, name in wanted.items():
        if ours not in COLUMN_NAMES:
            raise ValueError(f"columns: no column {ours!r}; the columns are {', '.join(COLUMN_NAMES)}")
        if name not in names:
            raise ValueError(f"{place}: no column {name!r}, which columns.{ours} names; it has {', '.join(names)}")
    mapping = match_columns(names, wanted)
    ignored = tuple(name for name in names if name not in mapping.values())
    if "audio" not in mapping:
        raise ValueError(f"{place}: no column of audio among {', '.join(names) or 'none'}; {_remedy('audio', ignored)}")
    if "text" not in mapping:
        hinted = [name for name in ignored if _may_be_text(name)]
        if hinted:
            raise ValueError(f"{place}: no column of text among {', '.join(names)}; {_remedy('text', hinted)}")
    return ColumnMapping(mapping, ignored)


def match_columns(names: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the name in a table by our name, of the columns that are known or wanted.

    Args:
        names: Names of the table's columns.
        wanted: Names in the table by our name, which have precedence over the known ones where the table has them.
    """
    mapping = {ours: name for ours, name in wanted.items() if name in names}
    plain = {_plain(name): name for name in reversed(names) if name not in mapping.values()}
    for ours, known in COLUMN_NAMES.items():
        name = next((plain[name] for name in known if name in plain), None)
        if name is not None and ours not in mapping:
            mapping[ours] = name
    return mapping


def _may_be_text(name: str) -> bool:
    is_like_text = nearest_name(_plain(name), ("text", "transcript", "sentence")) is not None
    return is_like_text or any(hint in _plain(name) for hint in TEXT_HINTS)


def _remedy(ours: str, candidates: Sequence[str]) -> str:
    nearest = nearest_name(ours, candidates) or (candidates[0] if candidates else "NAME")
    return f"rename it to {ours!r}, or name it: columns: {{{ours}: {nearest}}} of zoo.corpora.TableCorpus"


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
