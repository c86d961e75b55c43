"""Alignment of speech and text in the layers of a language model: how similar the same words are.

Follows section 5.3 of the Spirit LM paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm
from transformers import PreTrainedModel

from zoo.evaluation.statistics import Estimate, difference, mean
from zoo.language.position_limits import max_positions
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class LayerAlignment:
    """Alignment of one layer; the first layer is the embedding.

    Args:
        similarity: Maximum cosine between the features of a word's text tokens and of its speech tokens, averaged over
            words.
        other_words: Similarity of a word's text and the speech of the next different word of its utterance.
        margin: Difference of ``similarity`` and ``other_words``, paired by word.
        retrieval: Share of words in speech whose nearest neighbor among the words in text of all utterances, its own
            occurrence excluded, is the same word: the one with the largest inner product of mean features, less the
            mean of their modality.
        margins: Margin of each word, (words,), to be paired with those of another layer or network.
        similarities: Similarity of each word, (words,), to be paired with those of another layer or network.
    """

    similarity: Estimate
    other_words: Estimate
    margin: Estimate
    retrieval: Estimate
    margins: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    similarities: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))

    def report(self) -> dict[str, Any]:
        """Return the measures with their intervals, as written to reports."""
        return {
            **self.similarity.named("similarity"),
            "other_words": self.other_words.named("similarity"),
            "margin": self.margin.named("margin"),
            "retrieval": self.retrieval.named("accuracy"),
        }


@dataclass(frozen=True)
class Alignment:
    """Alignment of all layers.

    Args:
        layers: Alignment of each layer, from the embedding to the last.
        retrieval_chance: Expected retrieval of guessing one of the words in text.
    """

    layers: list[LayerAlignment]
    retrieval_chance: float

    def report(self) -> dict[str, Any]:
        """Return the measures of all layers, as written to reports."""
        return {
            "layers": [layer.report() for layer in self.layers],
            "retrieval_chance": round(self.retrieval_chance, 4),
        }


@dataclass(frozen=True)
class _WordSpan:
    """One word of an utterance, with the positions of its tokens in the text and in the speech."""

    word: str
    text: slice
    speech: slice


@dataclass(frozen=True)
class _ComparedWords:
    """The words of one or several utterances in all layers.

    Args:
        words: The words, in lower case.
        same: Similarity of the text and the speech of each word, (layers, words).
        other: Similarity of the text of each word and the speech of the next different word, (layers, words).
        text: Mean text feature of each word, of unit length, (layers, words, D).
        speech: Mean speech feature of each word, of unit length, (layers, words, D).
    """

    words: list[str]
    same: np.ndarray
    other: np.ndarray
    text: Tensor
    speech: Tensor


def measure_alignment(
    network: PreTrainedModel, vocabulary: Vocabulary, table: TokenTable, limit: int = 200, seed: int = 0
) -> Alignment:
    """Compare the words of utterances that are encoded once as text and once as speech.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of the network.
        table: Utterances with word times; those without, or longer than the context, are left out.
        limit: Maximum number of utterances, the first ones.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If no utterance has aligned words.
    """
    max_tokens = max_positions(network) - 2  # begin token and marker
    utterances = []
    for row in table:
        num_tokens = max(len(row.speech_ids), len(row.text_ids))
        if row.words and len(row.speech_ids) and num_tokens <= max_tokens:
            utterances.append(row)
    compared = list(_compare_words(network, vocabulary, utterances[:limit]))
    if not compared:
        raise ValueError("no utterance with two different timed words: alignment needs a corpus with word times")
    merged = _merge_utterances(compared)
    hits, chance = _retrieve(merged.words, merged.text, merged.speech)
    layers = []
    for layer_same, layer_other, layer_hits in zip(merged.same, merged.other, hits, strict=True):
        layer = LayerAlignment(
            similarity=mean(layer_same, seed),
            other_words=mean(layer_other, seed),
            margin=difference(layer_same, layer_other, seed),
            retrieval=mean(layer_hits, seed),
            margins=layer_same - layer_other,
            similarities=layer_same,
        )
        layers.append(layer)
    return Alignment(layers, chance)


@torch.inference_mode()
def _compare_words(
    network: PreTrainedModel, vocabulary: Vocabulary, utterances: Sequence[TokenRow]
) -> Iterator[_ComparedWords]:
    """Yield the words of each utterance that has at least two different ones."""
    network.eval()
    for row in tqdm(utterances, desc="alignment", unit="utterance", mininterval=1.0, delay=2.0):
        text = _layer_features(network, [vocabulary.bos, vocabulary.text_marker, *row.text_ids.tolist()])
        speech = _layer_features(network, [vocabulary.bos, vocabulary.speech_marker, *row.speech_ids.tolist()])
        spans = _word_spans(row)
        if len({span.word for span in spans}) > 1:
            yield _compare_utterance(text, speech, spans)


def _word_spans(row: TokenRow) -> list[_WordSpan]:
    """Return the words of an utterance that have tokens in the text and in the speech."""
    if row.words is None or row.word_text is None or row.word_speech is None:
        return []
    spans = []
    for number, word in enumerate(row.words):
        text = slice(*row.word_text[number : number + 2])
        speech = slice(*row.word_speech[number : number + 2])
        if text.stop > text.start and speech.stop > speech.start:
            spans.append(_WordSpan(word.lower(), text, speech))
    return spans


def _layer_features(network: PreTrainedModel, ids: list[int]) -> Tensor:
    """Return the unit-length features of all layers, without those of begin token and marker: (layers, T, D)."""
    states = network(
        input_ids=torch.tensor([ids], device=network.device), output_hidden_states=True, use_cache=False
    ).hidden_states
    features = torch.stack([state[0, 2:] for state in states]).float()
    return F.normalize(features, dim=-1).cpu()


def _compare_utterance(text: Tensor, speech: Tensor, spans: list[_WordSpan]) -> _ComparedWords:
    """Compare the words of one utterance.

    Args:
        text: Unit-length features of the text, (layers, L, D).
        speech: Unit-length features of the speech, (layers, N, D).
        spans: Words, at least two different ones.
    """
    cosines = text @ speech.transpose(1, 2)  # (layers, L, N)
    words: list[str] = []
    same: list[Tensor] = []
    other: list[Tensor] = []
    text_means: list[Tensor] = []
    speech_means: list[Tensor] = []
    for number, span in enumerate(spans):
        following = spans[number + 1 :] + spans[:number]  # cyclic, so that the last word has a next one too
        next_different = next(candidate for candidate in following if candidate.word != span.word)
        same.append(cosines[:, span.text, span.speech].amax((1, 2)))
        other.append(cosines[:, span.text, next_different.speech].amax((1, 2)))
        words.append(span.word)
        text_means.append(_mean_feature(text, span.text))
        speech_means.append(_mean_feature(speech, span.speech))
    return _ComparedWords(
        words=words,
        same=torch.stack(same, 1).numpy(),
        other=torch.stack(other, 1).numpy(),
        text=torch.stack(text_means, 1),
        speech=torch.stack(speech_means, 1),
    )


def _merge_utterances(utterances: Sequence[_ComparedWords]) -> _ComparedWords:
    """Concatenate the words of all utterances."""
    words: list[str] = []
    for utterance in utterances:
        words += utterance.words
    return _ComparedWords(
        words=words,
        same=np.concatenate([utterance.same for utterance in utterances], axis=1),
        other=np.concatenate([utterance.other for utterance in utterances], axis=1),
        text=torch.cat([utterance.text for utterance in utterances], dim=1),
        speech=torch.cat([utterance.speech for utterance in utterances], dim=1),
    )


def _mean_feature(features: Tensor, span: slice) -> Tensor:
    """Return the mean of features (layers, T, D) over a span, of unit length, (layers, D)."""
    return F.normalize(features[:, span].mean(1), dim=-1)


def _retrieve(words: list[str], text: Tensor, speech: Tensor) -> tuple[np.ndarray, float]:
    """Find for each word in speech the nearest word in text, other than its own occurrence.

    Args:
        words: The W words of all utterances.
        text: Mean text features, (layers, W, D).
        speech: Mean speech features, (layers, W, D).

    Returns:
        Whether the retrieved word is the same, (layers, W), and the accuracy of guessing.
    """
    numbers_by_word: dict[str, int] = {}
    for word in words:
        numbers_by_word.setdefault(word, len(numbers_by_word))
    numbers = torch.tensor([numbers_by_word[word] for word in words])
    hits = []
    for layer_text, layer_speech in zip(text, speech, strict=True):
        # Centered: features of a layer have a common component that differs between the modalities.
        products = (layer_speech - layer_speech.mean(0)) @ (layer_text - layer_text.mean(0)).T
        # The same occurrence is excluded: its context, rather than the word, would identify it.
        products.fill_diagonal_(-torch.inf)
        hits.append((numbers[products.argmax(1)] == numbers).numpy().astype(float))
    counts = torch.bincount(numbers)[numbers].double()
    chance = float(((counts - 1) / (len(words) - 1)).mean())
    return np.array(hits), chance
