"""A language of twenty words, each spoken as one unit of its own, so that a test can read any document back."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaForCausalLM

from zoo.language.networks import llama
from zoo.tokens.contract import write_contract
from zoo.tokens.merged_streams import merge
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import write_tokens
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

WORDS = [
    "anna",
    "ben",
    "carl",
    "dora",
    "emil",
    "fine",
    "gus",
    "hilda",
    "ida",
    "jan",
    "kim",
    "lea",
    "max",
    "nora",
    "otto",
    "pia",
    "rosa",
    "sam",
    "tom",
    "vera",
]
STREAMS = (Stream("Hu", len(WORDS), 25.0),)


@lru_cache
def words_vocabulary(size: int = 300) -> Vocabulary:
    """About half of the words are one piece, the others several."""
    return Vocabulary(train_text_tokenizer([" ".join(WORDS)], size), STREAMS, multiple=8)


def spoken(number: int, words: list[str], aligned: bool = True, seed: int = 0) -> TokenRow:
    """One utterance of these words, each two to four frames of its unit."""
    vocabulary = words_vocabulary()
    frames = np.random.default_rng([seed, number]).integers(2, 5, len(words))
    units = {"Hu": np.repeat([WORDS.index(word) for word in words], frames)}
    tokens, pieces = merge(units, STREAMS), vocabulary.text.encode_words(words)
    alignment = (
        {
            "words": words,
            "word_ends": np.cumsum(frames) / 25,
            "word_text": np.cumsum([0, *map(len, pieces)]),
            "word_speech": np.arange(len(words) + 1),
        }
        if aligned
        else {}
    )
    return TokenRow(
        f"u{number}",
        f"{number}.wav",
        0.0,
        len(units["Hu"]) / 25,
        " ".join(words),
        "en",
        f"s{number % 3}",
        "happy" if number % 2 else None,
        units,
        np.concatenate(pieces),
        vocabulary.speech_ids(tokens),
        tokens.time,
        **alignment,
    )


def sentences(count: int, shortest: int = 4, longest: int = 12, seed: int = 0) -> list[TokenRow]:
    """Utterances of different words in a random order, so that no word follows itself."""
    draw = np.random.default_rng(seed)
    return [
        spoken(n, draw.permutation(WORDS)[: draw.integers(shortest, longest + 1)].tolist(), seed=seed)
        for n in range(count)
    ]


def write_sentences(folder: Path, train: int = 30, dev: int = 6) -> Path:
    """Write both splits with a contract, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": train, "dev": dev}.items()):
        write_tokens(folder, split, sentences(count, seed=seed), STREAMS)
    write_contract(folder, {"tokenizer": {"checksum": "toy"}, "vocabulary": words_vocabulary().contract})
    return folder


def tiny_network(
    vocabulary: Vocabulary, seed: int = 0, max_positions: int = 128, **changes: object
) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return llama(vocabulary, hidden_size=16, num_layers=2, num_heads=2, max_positions=max_positions, **changes)


def read_back(ids: np.ndarray, vocabulary: Vocabulary) -> list[tuple[str, list[str]]]:
    """Modality and words of each span of a document, markers apart."""
    spans: list[tuple[str, list[int]]] = []
    for i in ids.tolist():
        if i in (vocabulary.text_marker, vocabulary.speech_marker):
            spans.append(("text" if i == vocabulary.text_marker else "speech", []))
        elif i not in (vocabulary.bos, vocabulary.eos):
            spans[-1][1].append(i)
    return [
        (
            kind,
            vocabulary.text.decode(part).split()
            if kind == "text"
            else [WORDS[u] for u in vocabulary.tokens(np.array(part, dtype=np.int64)).unit],
        )
        for kind, part in spans
    ]
