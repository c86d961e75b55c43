"""Formats that are not read here: what they are, and which of Lhotse's recipes reads them."""

from itertools import islice
from pathlib import Path

from zoo.corpora.folder_walk import files_below

MAX_NAMES = 10
# Files of transcripts that mark a corpus, and the recipe of Lhotse for it.
RECIPES = {
    "transcripts.txt": "mls",
    ".stm": "tedlium",
    ".wrd": "timit",
    ".phn": "timit",
    ".trn": "thchs_30",
    "txt.done.data": "cmu_arctic",
    "gigaspeech.json": "gigaspeech",
    "wenetspeech.json": "wenet_speech",
    "aishell_transcript_v0.8.txt": "aishell",
    "asr_train.tsv": "voxpopuli",
}
TRANSCRIPT_SUFFIXES = (".json", ".xml", ".csv", ".tsv", ".txt", ".srt", ".vtt", ".eaf", ".ctm", ".mlf")


def other_format(path: Path) -> str | None:
    """Return what the transcripts of a folder seem to be, and how to read them; None if there are none.

    Args:
        path: Folder with audio files that have no transcript beside them.
    """
    marker = next(files_below(path, tuple(RECIPES)), None)
    if marker is not None:
        recipe = next(recipe for ending, recipe in RECIPES.items() if marker.name.lower().endswith(ending))
        return (
            f"audio, and transcripts in {marker.relative_to(path)}, which are not read here; name Lhotse's recipe as "
            f"source: {{_target_: zoo.corpora.LhotseRecipe, name: {recipe}, path: {path}}}"
        )
    files = list(islice(files_below(path, TRANSCRIPT_SUFFIXES), 3))
    names = [str(file.relative_to(path)) for file in files if file.stem.lower() not in ("readme", "license", "licence")]
    if not names:
        return None
    return (
        f"audio without transcripts beside it, but with {', '.join(names)}; if that is a table, name that file; if "
        "Lhotse has a recipe for this corpus, name it as source: {_target_: zoo.corpora.LhotseRecipe, name: NAME, "
        f"path: {path}}}; for speech without text: {{_target_: zoo.corpora.FolderCorpus, path: {path}, "
        "transcripts: false}"
    )


def contents(path: Path) -> str:
    """Return the first names in a folder as text."""
    names = sorted(entry.name for entry in path.iterdir())
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more if names else "nothing"
