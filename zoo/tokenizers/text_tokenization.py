"""Tokenize documents of plain text into rows of text ids."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from zoo.tokens.schema import TextRow
from zoo.tokens.vocabulary import Vocabulary


@dataclass
class TextTally:
    """Counts of one split of texts.

    Args:
        documents: Documents that were tokenized.
        text_tokens: Text ids of these documents.
    """

    documents: int = 0
    text_tokens: int = 0


@dataclass(frozen=True)
class Document:
    """One text of a source.

    Args:
        number: Index of the document in the source, from 0.
        text: Content of the document.
    """

    number: int
    text: str


def select_documents(texts: Iterable[str], dev_every: int, split: str) -> Iterator[Document]:
    """Yield the documents of one split.

    Args:
        texts: All texts of a source, in order.
        dev_every: The first of every ``dev_every`` documents is in dev; all others are in train.
        split: ``train`` or ``dev``.
    """
    for number, text in enumerate(texts):
        is_dev = number % dev_every == 0
        if is_dev == (split == "dev"):
            yield Document(number, text)


def tokenize_documents(
    documents: Iterable[Document], vocabulary: Vocabulary, max_tokens: int, language: str, tally: TextTally
) -> Iterator[TextRow]:
    """Yield the rows of documents; a document of more than ``max_tokens`` ids is split into several rows.

    Args:
        documents: Documents to tokenize.
        vocabulary: Vocabulary whose text tokenizer is used.
        max_tokens: Largest number of ids in a row.
        language: BCP-47 tag of the language of all documents.
        tally: Counter to which the documents and their ids are added.
    """
    for document in documents:
        ids = np.array(vocabulary.text.encode(document.text), dtype=np.int32)
        tally.documents += 1
        tally.text_tokens += len(ids)
        for part, start in enumerate(range(0, len(ids), max_tokens)):
            yield TextRow(f"{document.number}-{part}", language, ids[start : start + max_tokens])
