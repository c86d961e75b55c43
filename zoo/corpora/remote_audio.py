"""Download of the remote audio of a corpus, so that no later stage reads over the network."""

import hashlib
import shutil
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from lhotse import AudioSource
from lhotse.cut import Cut
from lhotse.utils import fastcopy

from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.files import atomic_file

TIMEOUT_SECONDS = 60


def download_audio(cut: Cut, folder: Path) -> Cut:
    """Return a cut whose remote sources are files in a folder; those that are there are not downloaded again.

    Args:
        cut: Cut whose sources have been checked. Only its own recording is downloaded, not those of mixes and
            transforms.
        folder: Folder of the files, made if needed.

    Raises:
        OSError: An address cannot be read.
        ImportError: An s3 address needs the package ``smart_open``, which is not installed.
    """
    recording = getattr(cut, "recording", None)
    if recording is None or all(source.type != "url" for source in recording.sources):
        return cut
    sources = []
    for source in recording.sources:
        is_remote = source.type == "url"
        sources.append(AudioSource("file", source.channels, _download(source.source, folder)) if is_remote else source)
    return fastcopy(cut, recording=fastcopy(recording, sources=sources))  # pyrefly: ignore[bad-specialization]


def _download(address: str, folder: Path) -> str:
    suffix = PurePosixPath(urlsplit(address).path).suffix.lower()
    name = hashlib.sha256(address.encode()).hexdigest()[:32]
    path = folder / (name + (suffix if suffix in AUDIO_SUFFIXES else ""))
    if not path.is_file():
        with atomic_file(path) as temporary, _open(address) as remote, temporary.open("wb") as file:
            shutil.copyfileobj(remote, file)
    return str(path.absolute())


def _open(address: str) -> IO[bytes] | Any:
    if address.lower().startswith("s3://"):
        return import_module("smart_open").open(address, "rb")
    return urlopen(address, timeout=TIMEOUT_SECONDS)
