"""What corpora in all formats that are read as rows have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from zoo.corpora.row import RowReader
from zoo.corpora.row_cuts import row_splits
from zoo.corpora.source import Items
from zoo.ranges import Share


@dataclass(frozen=True)
class RowCorpus(ABC):
    """A corpus of recordings whose utterances are rows.

    Args:
        path: The corpus.
        language: BCP-47, of rows without a language.
        dev_share: Approximate share of the utterances that is held out if there is no dev split.
    """

    path: Path
    language: str = "en"
    dev_share: Share = 0.05

    @property
    def synthetic(self) -> bool:
        return False

    @property
    @abstractmethod
    def description(self) -> str:
        """What the corpus is read as, on one line."""

    @abstractmethod
    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split, ``train`` among them.

        Args:
            folder: Folder of the prepared corpus; audio that is inside of tables is written below it.

        Raises:
            FileNotFoundError: There is no such corpus at ``path``.
            ValueError: The corpus is of no known format.
        """

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; see ``Source.splits``."""
        return row_splits(self.readers(folder), self.language, self.dev_share, str(self.path))
