"""Plain text to tokens, once, for the text-only stream of a language model."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from tqdm import tqdm

from zoo.corpora.text_sources import TextSource
from zoo.files import write_text
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.store import TokenRow, write_tokens
from zoo.tokens.vocabulary import Vocabulary


def tokenize_texts(
    out: Path, source: TextSource, vocabulary: Path, max_tokens: int = 4000, dev_every: int = 200, language: str = "en"
) -> dict[str, str]:
    """Write the text ids of every document as Arrow shards, which ``datamodules.TextStream`` reads memory-mapped.

    Args:
        out: Gets ``train-00000.arrow`` and so on, ``dev-00000.arrow``, the contract and ``tokens.json``.
        source: Documents.
        vocabulary: Folder of a vocabulary; its text tokenizer is used.
        max_tokens: Longer documents are cut into pieces of so many, so that each fits into a row and all of it is read.
        dev_every: Each document of this number is kept for validation.
        language: Of the texts.
    """
    if max_tokens < 1 or dev_every < 2:
        raise ValueError(f"want max_tokens >= 1 and dev_every >= 2, got {max_tokens} and {dev_every}")
    numbering, tallies = Vocabulary.load(vocabulary), {}
    for split in ("train", "dev"):
        tallies[split] = {"documents": 0, "text_tokens": 0}
        chosen = (each for each in zip(count(), source) if (each[0] % dev_every == 0) == (split == "dev"))
        rows = _rows(tqdm(chosen, f"text {split}", unit=" documents"), numbering, max_tokens, language, tallies[split])
        write_tokens(out, split, rows, numbering.streams)
        if not tallies[split]["text_tokens"]:
            raise ValueError(
                f"no text for the {split} split: the source has fewer than {dev_every} documents, or they are empty"
                if split == "train"
                else "no text for the dev split: the documents set aside for it are empty; choose another dev_every"
            )
    write_contract(out, read_contract(vocabulary))
    write_text(out / "tokens.json", json.dumps(tallies, indent=2) + "\n")
    return {"text": f"{tallies['train']['text_tokens']} tokens of {tallies['train']['documents']} documents"}


def _rows(
    documents: Iterator[tuple[int, str]], vocabulary: Vocabulary, max_tokens: int, language: str, tally: dict[str, int]
) -> Iterator[TokenRow]:
    for number, text in documents:
        ids = np.array(vocabulary.text.encode(text), dtype=np.int32)
        tally["documents"] += 1
        tally["text_tokens"] += len(ids)
        for place, piece in enumerate(np.split(ids, range(max_tokens, len(ids), max_tokens)) if len(ids) else ()):
            yield TokenRow(f"{number}-{place}", "", 0.0, 0.0, "", language, "", None, {}, piece, None, None)
