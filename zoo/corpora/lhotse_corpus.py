"""Corpora in Lhotse manifests, and downloaded corpora that one of Lhotse's recipes converts to manifests."""

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lhotse
from lhotse import CutSet, RecordingSet, SupervisionSet
from lhotse.cut import Cut

from zoo.corpora.audio_sources import UnsafeSourceError, check_sources
from zoo.corpora.held_out import UtteranceKey, choose_held_out
from zoo.corpora.lhotse_cuts import check_duration, split_utterances, with_language
from zoo.corpora.lhotse_manifests import LazyManifest, manifests
from zoo.corpora.remote_audio import download_audio
from zoo.corpora.source import BadItem, Items
from zoo.corpora.split_names import SPLITS, splits_of
from zoo.corpora.utterance import UNKNOWN_SPEAKER, audio_name
from zoo.error_messages import one_line
from zoo.ranges import Share, check_ranges
from zoo.suggestions import suggest

KINDS = ("recordings", "supervisions", "cuts")
# Starts to read the cuts of one part of a corpus.
CutOpener = Callable[[], Iterable[Cut]]


@dataclass(frozen=True)
class LhotseCorpus:
    """Lhotse manifests: one file of cuts, or a folder of cuts or of recordings with supervisions.

    The split of a file is a word of its name: ``cuts_train.jsonl.gz``, ``librispeech_recordings_dev-clean.jsonl.gz``.
    Several files of one split are read one after the other, and a file that names no split is training data. Cuts are
    read lazily; recordings and supervisions are joined in memory, so convert large ones with ``lhotse cut simple``.

    Args:
        path: A file of cuts, or a folder of manifests.
        language: BCP-47, of supervisions without a language.
        dev_share: Approximate share of the utterances that is held out if there is no dev split; whole speakers are
            held out if there are enough of them.
        allow_remote: Whether audio is downloaded over http, https and s3, into the folder of the prepared corpus;
            otherwise only local files are read.
    """

    path: Path
    language: str = "en"
    dev_share: Share = 0.05
    allow_remote: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def synthetic(self) -> bool:
        return False

    @property
    def description(self) -> str:
        kind_of_file = manifests(self.path)
        kinds = ", ".join(f"{file.name} ({kind})" for file, kind in list(kind_of_file.items())[:4])
        return f"{self.path}: Lhotse manifests: {kinds}"

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; only audio that is downloaded is written, to ``folder / "audio"``.

        Raises:
            FileNotFoundError: There is no manifest.
            ValueError: There are recordings without supervisions or the reverse, or no training data.
        """
        kind_of_file = manifests(self.path)
        if not kind_of_file:
            raise FileNotFoundError(
                f"{self.path}: no Lhotse manifests of cuts, recordings or supervisions (.jsonl, .jsonl.gz)"
            )
        # A file of recordings and one of supervisions belong together if their names are equal but for that word.
        files_of_part: dict[str, dict[str, Path]] = {}
        for file, kind in kind_of_file.items():
            part = file.name if kind == "cuts" else re.sub("|".join(KINDS), "", file.name)
            files_of_part.setdefault(part, {})[kind] = file
        parts: dict[str, CutOpener] = {}
        for name, files in files_of_part.items():
            parts[name] = partial(_open, files, name)
        return _by_split(
            parts, self.language, self.dev_share, str(self.path), folder / "audio" if self.allow_remote else None
        )


@dataclass(frozen=True)
class LhotseRecipe:
    """One of Lhotse's recipes, ``lhotse.recipes.prepare_<name>``, run on a downloaded corpus.

    Args:
        name: Name of the recipe, such as ``librispeech``, ``mls`` or ``ljspeech``.
        path: Folder of the corpus as its authors publish it.
        options: Further arguments of the recipe, such as ``{"dataset_parts": ["train-clean-100", "dev-clean"]}``.
        language: BCP-47, of supervisions without a language.
        dev_share: Approximate share of the utterances that is held out if the recipe makes no dev split.
    """

    name: str
    path: Path
    options: dict[str, Any] | None = None
    language: str = "en"
    dev_share: Share = 0.05

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def synthetic(self) -> bool:
        return False

    @property
    def description(self) -> str:
        return f"{self.path}: by Lhotse's recipe {self.name}"

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; the recipe writes its own manifests to ``folder / "lhotse"``.

        Raises:
            ValueError: Lhotse has no such recipe, or the recipe fails on this corpus.
            FileNotFoundError: ``path`` does not exist.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such corpus for Lhotse's recipe {self.name!r}")
        prepare = self._function()
        options = dict(self.options or {})
        if "output_dir" in options:
            raise ValueError(f"options.output_dir={options['output_dir']}: the manifests go into the stage's folder")
        if "output_dir" in inspect.signature(prepare).parameters:
            (folder / "lhotse").mkdir(parents=True, exist_ok=True)
            options.setdefault("output_dir", folder / "lhotse")
        try:
            result = prepare(self.path, **options)
        except Exception as error:  # Recipes raise errors of any kind on unexpected files, failed assertions included.
            reason = one_line(error)
            raise ValueError(f"{self.path}: Lhotse's recipe {self.name!r} failed: {reason[:300]}") from error
        parts: dict[str, CutOpener] = {}
        for name, kinds in _nested(result, ""):
            parts[name] = partial(_join, kinds, name)
        return _by_split(parts, self.language, self.dev_share, f"{self.name} at {self.path}")

    def _function(self) -> Callable[..., dict]:
        known = [name.removeprefix("prepare_") for name in dir(lhotse.recipes) if name.startswith("prepare_")]
        if self.name not in known:
            hint = suggest(self.name, known, f"it has {', '.join(known)}")
            raise ValueError(f"name: Lhotse has no recipe {self.name!r}; {hint}")
        return getattr(lhotse.recipes, f"prepare_{self.name}")


def _open(files: dict[str, Path], name: str) -> Iterable[Cut]:
    """Return the cuts of one part of a corpus, read lazily from its manifests by kind."""
    if "cuts" in files:
        return _read_lazily(CutSet(LazyManifest(files["cuts"])), str(files["cuts"]))
    manifests_by_kind: dict[str, Any] = {}
    if "recordings" in files:
        manifests_by_kind["recordings"] = RecordingSet(LazyManifest(files["recordings"]))
    if "supervisions" in files:
        manifests_by_kind["supervisions"] = SupervisionSet(LazyManifest(files["supervisions"]))
    return _read_lazily(_join(manifests_by_kind, name), ", ".join(str(path) for path in files.values()))


def _read_lazily(cuts: Iterable[Cut], location: str) -> Iterator[Cut]:
    """Yield cuts as they are read.

    Args:
        cuts: Lazy cuts, whose errors of any kind are turned into ValueErrors.
        location: Manifests that they are read from, for messages.

    Raises:
        ValueError: Lhotse cannot read a cut; the message names the manifest and the number of the cut.
    """
    iterator = iter(cuts)
    for number in itertools.count(1):
        try:
            cut = next(iterator)
        except StopIteration:
            return
        except Exception as error:  # broken JSON, JSON nested too deeply, fields that are missing or of another type
            reason = one_line(error)
            raise ValueError(
                f"{location}: cut {number} cannot be read ({type(error).__name__}: {reason[:200]})"
            ) from error
        yield cut


def _join(kinds: dict[str, Any], name: str) -> Iterable[Cut]:
    """Return the cuts of one part of a corpus.

    Args:
        kinds: Manifests of the part, by kind.
        name: Name of the part, for messages.

    Raises:
        ValueError: There are recordings without supervisions, or the reverse.
    """
    if kinds.get("cuts") is not None:
        return kinds["cuts"]
    if kinds.get("recordings") is None or kinds.get("supervisions") is None:
        raise ValueError(f"{name}: {', '.join(kinds)} alone; want recordings and supervisions, or cuts")
    return split_utterances(CutSet.from_manifests(recordings=kinds["recordings"], supervisions=kinds["supervisions"]))


def _nested(result: dict, name: str) -> Iterator[tuple[str, dict]]:
    """Yield each part of a corpus in what a Lhotse recipe returns: its name, and its manifests by kind.

    Recipes return manifests by kind, or nest them in mappings by split, language or other names. The name of a part
    joins the keys that lead to it.
    """
    if result.keys() & set(KINDS):
        yield name, result
        return
    for key, value in result.items():
        if isinstance(value, dict):
            yield from _nested(value, f"{name}-{key}".strip("-"))


def _by_split(
    parts: dict[str, CutOpener], language: str, dev_share: float, name: str, downloads: Path | None = None
) -> dict[str, Items]:
    """Group the parts of a corpus into splits by the words of their names, and hold out a dev split if there is none.

    Raises:
        ValueError: No part is training data.
    """
    parts_of_split: dict[str, list[CutOpener]] = {}
    split_of_part = splits_of(parts)
    for part, open_cuts in parts.items():
        parts_of_split.setdefault(split_of_part.get(part, "train"), []).append(open_cuts)
    if "train" not in parts_of_split:
        raise ValueError(f"{name}: no training manifest among {', '.join(parts) or 'nothing'}")
    splits = {}
    for split in SPLITS:
        if split in parts_of_split:
            splits[split] = Items(partial(_items, parts_of_split[split], language, downloads))
    if "dev" in splits:
        return splits
    train = splits["train"]
    is_held_out = choose_held_out((_key(item) for item in train), dev_share, name)
    return splits | {
        "train": Items(partial(_select, train, is_held_out, False)),
        "dev": Items(partial(_select, train, is_held_out, True)),
    }


def _select(items: Items, is_held_out: Callable[[UtteranceKey], bool], is_dev: bool) -> Iterator[Cut | BadItem]:
    return (item for item in items if is_held_out(_key(item)) == is_dev)


def _key(item: Cut | BadItem) -> UtteranceKey:
    if isinstance(item, BadItem):
        return UtteranceKey(item.id, UNKNOWN_SPEAKER)
    return UtteranceKey(item.id, item.supervisions[0].speaker or UNKNOWN_SPEAKER)


def _items(parts: list[CutOpener], language: str, downloads: Path | None) -> Iterator[Cut | BadItem]:
    """Yield the utterances of all parts, each with a language and compared with its audio file.

    Args:
        parts: Start to read the cuts of each part.
        language: BCP-47, of supervisions without a language.
        downloads: Folder of audio that is downloaded; None if remote audio is refused.
    """
    for open_cuts in parts:
        for cut in open_cuts():
            # Before anything else, since comparing a cut with its file opens the file.
            try:
                check_sources(cut, downloads is not None)
                if downloads is not None:
                    cut = download_audio(cut, downloads)
                    check_sources(cut)
            except UnsafeSourceError as error:
                yield BadItem(cut.id, cut.id, str(error))
                continue
            except (OSError, ImportError, ValueError) as error:
                yield BadItem(cut.id, audio_name(cut), f"cannot be downloaded: {' '.join(str(error).split())}")
                continue
            if not cut.has_recording:
                yield BadItem(cut.id, cut.id, "no recording")
                continue
            for utterance in split_utterances([cut]):
                yield check_duration(with_language(utterance, language))
