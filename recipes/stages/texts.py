"""Tokenization of plain text for the text-only stream of a language model."""

import json
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from zoo.corpora.text_sources import TextSource
from zoo.files import write_text
from zoo.ranges import PositiveInt
from zoo.tokenizers.text_tokenization import TextTally, select_documents, tokenize_documents
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.store import write_tokens
from zoo.tokens.vocabulary import Vocabulary


def tokenize_texts(
    out: Path,
    source: TextSource,
    vocabulary: Path,
    max_tokens: PositiveInt = 4000,
    dev_every: PositiveInt = 200,
    language: str = "en",
) -> dict[str, str]:
    """Write the text ids of every document as Arrow shards, which ``datamodules.TextStream`` reads memory-mapped.

    Args:
        out: Output folder of ``train-00000.arrow`` and so on, ``dev-00000.arrow``, the contract and ``tokens.json``.
        source: Source of the documents.
        vocabulary: Folder of a vocabulary, whose text tokenizer is used.
        max_tokens: Maximum number of ids in a row. Longer documents are split into several rows, so that no text is cut
            off in training.
        dev_every: One of every ``dev_every`` documents is held out for validation.
        language: BCP-47 tag of the language of all documents.

    Raises:
        ValueError: If ``max_tokens`` or ``dev_every`` is too small, or a split has no text.
    """
    if max_tokens < 1 or dev_every < 2:
        raise ValueError(f"want max_tokens >= 1 and dev_every >= 2, got {max_tokens} and {dev_every}")
    ids = Vocabulary.load(vocabulary)
    tallies = {"train": TextTally(), "dev": TextTally()}
    for split, tally in tallies.items():
        documents = tqdm(select_documents(source, dev_every, split), f"text {split}", unit=" documents")
        rows = tokenize_documents(documents, ids, max_tokens, language, tally)
        write_tokens(out, split, rows, ids.streams)
        if not tally.text_tokens:
            raise ValueError(_no_text(split, dev_every))
    write_contract(out, read_contract(vocabulary))
    content = {split: asdict(tally) for split, tally in tallies.items()}
    write_text(out / "tokens.json", json.dumps(content, indent=2) + "\n")
    return {"text": f"{tallies['train'].text_tokens} tokens of {tallies['train'].documents} documents"}


def _no_text(split: str, dev_every: int) -> str:
    if split == "train":
        return f"no text for the train split: the source has fewer than {dev_every} documents, or they are empty"
    return "no text for the dev split: the documents set aside for it are empty; choose another dev_every"
