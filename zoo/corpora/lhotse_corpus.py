"""Corpora that Lhotse knows: manifests on disk, or one of its recipes run on a corpus as it was downloaded."""

import gzip
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import lhotse
import soundfile
from lhotse import CutSet, SupervisionSegment
from lhotse.cut import Cut

from zoo.corpora.source import SPLITS, BadItem, Items, held_out
from zoo.corpora.utterance import UNKNOWN_SPEAKER, audio_name
from zoo.suggestions import suggest

MANIFEST_SUFFIXES = (".jsonl", ".jsonl.gz")
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "eval": "test",
}
KINDS = {"recordings": "recordings", "supervisions": "supervisions", "cuts": "cuts"}
# A supervision this close to the ends of its cut covers it.
COVER_SECONDS = 0.02


@dataclass(frozen=True)
class LhotseCorpus:
    """Lhotse manifests: one file of cuts, or a folder of cuts or of recordings with supervisions.

    A file's split is a word of its name: ``cuts_train.jsonl.gz``, ``librispeech_recordings_dev-clean.jsonl.gz``;
    several files of one split are read one after the other, and a file that names none is training. Cuts are read
    lazily; recordings and supervisions are joined in memory, so turn large ones into cuts with ``lhotse cut simple``.

    Args:
        path: The file or the folder.
        language: BCP-47, of supervisions that name none.
        dev_share: Of the utterances, about, where dev has to be held out: whole speakers if there are enough of them.
    """

    path: Path
    language: str = "en"
    dev_share: float = 0.05
    synthetic: ClassVar[bool] = False

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: No manifest is there.
            ValueError: Recordings without supervisions or the reverse, or none that is for training.
        """
        kinds = manifests(self.path)
        if not kinds:
            raise FileNotFoundError(
                f"{self.path}: no Lhotse manifests of cuts, recordings or supervisions (.jsonl, .jsonl.gz)"
            )
        named: dict[str, dict[str, Path]] = {}
        for file, kind in kinds.items():
            part = re.sub(r"recordings|supervisions|cuts", "", file.name) if kind != "cuts" else file.name
            named.setdefault(part, {})[kind] = file
        parts = {name: partial(_open, kinds, name) for name, kinds in named.items()}
        return _by_split(parts, self.language, self.dev_share, str(self.path))


@dataclass(frozen=True)
class LhotseRecipe:
    """One of Lhotse's recipes, ``lhotse.recipes.prepare_<name>``, run on a downloaded corpus.

    Args:
        name: Such as ``librispeech``, ``mls`` or ``ljspeech``.
        path: The corpus as its authors ship it.
        options: Further arguments of that recipe, such as ``{"dataset_parts": ["train-clean-100", "dev-clean"]}``.
        language: BCP-47, of supervisions that name none.
        dev_share: Of the utterances, about, where the recipe names no dev split.
    """

    name: str
    path: Path
    options: dict[str, Any] | None = None
    language: str = "en"
    dev_share: float = 0.05
    synthetic: ClassVar[bool] = False

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; the recipe keeps its own manifests in ``folder / "lhotse"``.

        Raises:
            ValueError: Lhotse has no such recipe, or the recipe fails on this corpus.
            FileNotFoundError: ``path`` does not exist.
        """
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such corpus for Lhotse's recipe {self.name!r}")
        prepare = self._function()
        options = dict(self.options or {})
        if "output_dir" in inspect.signature(prepare).parameters:
            (folder / "lhotse").mkdir(parents=True, exist_ok=True)
            options.setdefault("output_dir", folder / "lhotse")
        try:
            made = prepare(self.path, **options)
        except Exception as error:  # Recipes raise whatever the corpus provokes, assertions included.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{self.path}: Lhotse's recipe {self.name!r} failed: {reason[:300]}") from error
        parts = {name: partial(_join, kinds, name) for name, kinds in _nested(made, "")}
        return _by_split(parts, self.language, self.dev_share, f"{self.name} at {self.path}")

    def _function(self) -> Callable[..., dict]:
        known = [name.removeprefix("prepare_") for name in dir(lhotse.recipes) if name.startswith("prepare_")]
        if self.name not in known:
            hint = suggest(self.name, known, f"it has {', '.join(known)}")
            raise ValueError(f"name: Lhotse has no recipe {self.name!r}; {hint}")
        return getattr(lhotse.recipes, f"prepare_{self.name}")


def manifests(path: Path) -> dict[Path, str]:
    """The Lhotse manifests among the files of a folder, or the one file, with the kind of each."""
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if not p.name.startswith("."))
    kinds = {file: manifest_kind(file) for file in files if file.name.endswith(MANIFEST_SUFFIXES)}
    return {file: kind for file, kind in kinds.items() if kind}


def manifest_kind(path: Path) -> str | None:
    """``cuts``, ``recordings`` or ``supervisions`` by the first line of a file, None where it is none of them."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            first = json.loads(next((line for line in file if line.strip()), "null"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    if not isinstance(first, dict):
        return None
    if first.get("type") in ("MonoCut", "MultiCut", "MixedCut", "PaddingCut"):
        return "cuts"
    if "sources" in first:
        return "recordings"
    return "supervisions" if "recording_id" in first else None


def _open(kinds: dict[str, Path], name: str) -> Iterable[Cut]:
    if "cuts" in kinds:
        return CutSet.from_jsonl_lazy(kinds["cuts"])
    return _join({kind: lhotse.load_manifest_lazy(path) for kind, path in kinds.items()}, name)


def _join(kinds: dict[str, Any], name: str) -> Iterable[Cut]:
    if kinds.get("cuts") is not None:
        return kinds["cuts"]
    if kinds.get("recordings") is None or kinds.get("supervisions") is None:
        raise ValueError(f"{name}: {', '.join(kinds)} alone; want recordings and supervisions, or cuts")
    whole = CutSet.from_manifests(recordings=kinds["recordings"], supervisions=kinds["supervisions"])
    return (piece for cut in whole for piece in _pieces(cut))


def _nested(made: dict, name: str) -> Iterator[tuple[str, dict]]:
    """The (name, manifests) in what a recipe returns: split -> kinds, kinds alone, or deeper."""
    if made.keys() & KINDS.keys():
        yield name, made
        return
    for key, value in made.items():
        if isinstance(value, dict):
            yield from _nested(value, f"{name}-{key}".strip("-"))


def _by_split(
    parts: dict[str, Callable[[], Iterable[Cut]]], language: str, dev_share: float, name: str
) -> dict[str, Items]:
    grouped: dict[str, list[Callable[[], Iterable[Cut]]]] = {}
    for part, make in parts.items():
        grouped.setdefault(_split(part), []).append(make)
    if "train" not in grouped:
        raise ValueError(f"{name}: no training manifest among {', '.join(parts) or 'nothing'}")
    splits = {split: Items(partial(_cuts, grouped[split], language)) for split in SPLITS if split in grouped}
    if "dev" in splits:
        return splits
    is_dev = held_out((_key(item) for item in splits["train"]), dev_share, name)
    chosen = {split: Items(partial(_chosen, splits["train"], is_dev, split == "dev")) for split in ("train", "dev")}
    return splits | chosen


def _split(name: str) -> str:
    words = [SPLIT_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in SPLIT_WORDS]
    return words[-1] if words else "train"


def _chosen(items: Items, is_dev: Callable[[str, str], bool], wanted: bool) -> Iterator[Cut | BadItem]:
    return (item for item in items if is_dev(*_key(item)) == wanted)


def _key(item: Cut | BadItem) -> tuple[str, str]:
    return item.id, UNKNOWN_SPEAKER if isinstance(item, BadItem) else item.supervisions[0].speaker or UNKNOWN_SPEAKER


def _cuts(makers: list[Callable[[], Iterable[Cut]]], language: str) -> Iterator[Cut | BadItem]:
    for make in makers:
        for cut in make():
            for piece in _pieces(cut):
                yield _checked(_labelled(piece, language))


def _pieces(cut: Cut) -> Iterable[Cut]:
    """The cut itself where one supervision, or none, covers it; else one cut for each supervision, of its name."""
    if not cut.supervisions:
        return [cut]
    segment = cut.supervisions[0]
    if len(cut.supervisions) == 1 and abs(segment.start) + abs(segment.duration - cut.duration) <= COVER_SECONDS:
        return [
            cut if cut.id == segment.id or not cut.id.startswith(f"{cut.recording_id}-") else cut.with_id(segment.id)
        ]
    return [piece.with_id(piece.supervisions[0].id) for piece in cut.trim_to_supervisions(keep_overlapping=False)]


def _labelled(cut: Cut, language: str) -> Cut:
    if not cut.supervisions:
        cut.supervisions = [SupervisionSegment(cut.id, cut.recording_id, 0.0, cut.duration, cut.channel)]
    cut.supervisions[0].language = cut.supervisions[0].language or language
    return cut


def _checked(cut: Cut) -> Cut | BadItem:
    """Look at the header of the file behind a cut; recordings from elsewhere are taken at their word."""
    for source in cut.recording.sources if cut.has_recording and hasattr(cut, "recording") else []:
        if source.type == "file":
            try:
                seconds = soundfile.info(source.source).duration
            except (OSError, RuntimeError) as error:
                reason = (
                    "unreadable: " + " ".join(str(error).split()) if Path(source.source).is_file() else "no such file"
                )
                return BadItem(cut.id, audio_name(cut), reason)
            if cut.end > seconds + COVER_SECONDS:
                return BadItem(cut.id, audio_name(cut), f"ends at {cut.end:g} s, the file has {seconds:g} s")
    return cut if cut.has_recording else BadItem(cut.id, cut.id, "no recording")
