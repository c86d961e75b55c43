"""Where the audio of a table is: paths are relative to the table, or to where data sets usually have their audio."""

import os
import re
from pathlib import Path

# LJSpeech and Piper have wavs/, Common Voice has clips/; lists in a folder of their own are about the one above it.
PLACES = ("", "wavs", "clips", "wav", "audio", "audios", "data", "..", "../wavs", "../clips", "../wav", "../audio")
SUFFIXES = ("", ".wav", ".flac", ".mp3", ".ogg", ".opus")
# What stands for the folder of the audio: {data_root}/ and $data_root/ in SpeechBrain, DUMMY1/ in the lists of VITS.
PLACEHOLDER = re.compile(r"^(\{\w+\}|\$\{?\w+\}?|DUMMY\d*)/")


class AudioPaths:
    """Finds the audio files that the rows of a table name.

    Args:
        folder: Folder of the table.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = ("", "")  # place and suffix of the file that was found last, which are tried first

    def __call__(self, audio: str) -> Path:
        """Return the path of the file; that below the folder of the table if it is nowhere."""
        return self.find(audio) or self.folder / audio

    def find(self, audio: str) -> Path | None:
        """Return the path of the file; None if it is nowhere."""
        name = PLACEHOLDER.sub("", audio)
        if not name:
            return None
        path = self._path(name, *self._last)
        if os.path.isfile(path):
            return path
        for suffix in SUFFIXES:
            for place in PLACES:
                path = self._path(name, place, suffix)
                if os.path.isfile(path):
                    self._last = (place, suffix)
                    return path
        return None

    def _path(self, name: str, place: str, suffix: str) -> Path:
        return self.folder / place / f"{name}{suffix}"
