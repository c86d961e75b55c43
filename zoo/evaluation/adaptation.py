"""Language models before and after adaptation to a new language."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LanguageData:
    """Held-out data of one language.

    Args:
        name: Name of the language, such as its code.
        tokens: Folder filled by a tokens stage.
        suite: Table of cloze items in the language. None scores held-out utterances alone.
    """

    name: str
    tokens: Path
    suite: Path | None = None
