"""How alike a language model's layers find the same words in speech and in text, as section 5.3 of Spirit LM."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from zoo.evaluation.statistics import Estimate, difference, mean
from zoo.tokens.rows import TokenRow
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Layer:
    """One layer; the first is the embedding.

    Args:
        similarity: Largest cosine between the features of a word's text tokens and of its speech tokens, averaged over words.
        other_words: The same between a word and the next other word of its utterance.
        margin: How much the same word is the more alike, paired.
        retrieval: Share of spoken words whose nearest written one, among as many utterances' words, is the same word.
        margins: Of each word, (words,); to be paired with those of another layer or network.
        similarities: Likewise.
    """

    similarity: Estimate
    other_words: Estimate
    margin: Estimate
    retrieval: Estimate
    margins: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    similarities: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))

    def report(self) -> dict[str, Any]:
        return {
            **self.similarity.named("similarity"),
            "other_words": self.other_words.named("similarity"),
            "margin": self.margin.named("margin"),
            "retrieval": self.retrieval.named("accuracy"),
        }


@dataclass(frozen=True)
class Alignment:
    """All layers.

    Args:
        layers: From the embedding up.
        retrieval_chance: What guessing one of the written words would reach.
    """

    layers: list[Layer]
    retrieval_chance: float

    def report(self) -> dict[str, Any]:
        return {
            "layers": [layer.report() for layer in self.layers],
            "retrieval_chance": round(self.retrieval_chance, 4),
        }


@dataclass(frozen=True)
class _Words:
    """Words of one utterance: their text, and for each the cosines of all layers, (layers, words), and mean features."""

    words: list[str]
    same: np.ndarray
    other: np.ndarray
    text: Tensor
    speech: Tensor


def measure_alignment(
    network: PreTrainedModel, vocabulary: Vocabulary, table: TokenTable, limit: int = 200, seed: int = 0
) -> Alignment:
    """Compare the words of utterances that are given once as text and once as speech.

    Args:
        network: Over the vocabulary.
        vocabulary: Of the network.
        table: Utterances with word times; those without, or beyond the context, are left out.
        limit: Most utterances, the first ones.
        seed: Of the bootstrap.

    Raises:
        ValueError: Where no utterance has aligned words.
    """
    most = network.config.max_position_embeddings - 2
    rows = [
        row
        for row in table
        if row.words and len(row.speech_ids) and max(len(row.speech_ids), len(row.text_ids)) <= most
    ][:limit]
    found = list(_compare(network, vocabulary, rows))
    if not found:
        raise ValueError("no utterance with two different timed words: alignment needs a corpus with word times")
    words = [word for one in found for word in one.words]
    same, other = (np.concatenate([getattr(one, kind) for one in found], axis=1) for kind in ("same", "other"))
    text, speech = (torch.cat([getattr(one, kind) for one in found], dim=1) for kind in ("text", "speech"))
    hits, chance = _retrieve(words, text, speech)
    layers = [
        Layer(mean(a, seed), mean(b, seed), difference(a, b, seed), mean(hit, seed), a - b, a)
        for a, b, hit in zip(same, other, hits)
    ]
    return Alignment(layers, chance)


@torch.inference_mode()
def _compare(network: PreTrainedModel, vocabulary: Vocabulary, rows: Sequence[TokenRow]) -> Iterator[_Words]:
    network.eval()
    for row in tqdm(rows, desc="alignment", unit="utterance", mininterval=1.0, delay=2.0):
        text = _features(network, [vocabulary.bos, vocabulary.text_marker, *row.text_ids.tolist()])
        speech = _features(network, [vocabulary.bos, vocabulary.speech_marker, *row.speech_ids.tolist()])
        spans = [
            (w, slice(*row.word_text[w : w + 2]), slice(*row.word_speech[w : w + 2])) for w in range(len(row.words))
        ]
        spans = [(row.words[w].lower(), a, b) for w, a, b in spans if a.stop > a.start and b.stop > b.start]
        if len({word for word, _, _ in spans}) > 1:
            yield _of_utterance(text, speech, spans)


def _features(network: PreTrainedModel, ids: list[int]) -> Tensor:
    """Unit-length features of all layers, without those of begin and marker: (layers, T, D)."""
    states = network(
        input_ids=torch.tensor([ids], device=network.device), output_hidden_states=True, use_cache=False
    ).hidden_states
    return torch.nn.functional.normalize(torch.stack([state[0, 2:] for state in states]).float(), dim=-1).cpu()


def _of_utterance(text: Tensor, speech: Tensor, spans: list[tuple[str, slice, slice]]) -> _Words:
    cosines = text @ speech.transpose(1, 2)
    same, other = [], []
    for number, (word, a, b) in enumerate(spans):
        same.append(cosines[:, a, b].amax((1, 2)))
        different = [s for w, _, s in spans[number + 1 :] + spans[:number] if w != word]
        other.append(cosines[:, a, different[0]].amax((1, 2)))
    averages = [
        torch.stack([torch.nn.functional.normalize(features[:, span[k]].mean(1), dim=-1) for span in spans], 1)
        for features, k in ((text, 1), (speech, 2))
    ]
    return _Words(
        [word for word, _, _ in spans], torch.stack(same, 1).numpy(), torch.stack(other, 1).numpy(), *averages
    )


def _retrieve(words: list[str], text: Tensor, speech: Tensor) -> tuple[np.ndarray, float]:
    """Hits (layers, words) of the nearest written word of another place, and the share that guessing would hit."""
    kinds = {word: number for number, word in enumerate(dict.fromkeys(words))}
    numbers = torch.tensor([kinds[word] for word in words])
    hits = []
    for written, spoken in zip(text, speech):
        cosines = (spoken - spoken.mean(0)) @ (written - written.mean(0)).T
        cosines.fill_diagonal_(-torch.inf)  # its own context would give it away
        hits.append((numbers[cosines.argmax(1)] == numbers).numpy().astype(float))
    counts = torch.bincount(numbers)[numbers].double()
    return np.array(hits), float(((counts - 1) / (len(words) - 1)).mean())


def alignment_plot(models: dict[str, Alignment], width: int = 640, height: int = 360) -> str:
    """An SVG of similarity by layer, a line and a band for each model; dashed, that of other words.

    Args:
        models: By name.
        width: In pixels.
        height: In pixels.
    """
    colors = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e5ea2")
    deepest = max(len(one.layers) for one in models.values()) - 1
    values = [
        edge
        for one in models.values()
        for layer in one.layers
        for edge in (layer.similarity.high, layer.other_words.low)
    ]
    low, high = min(*values, 0.0), max(*values, 0.1)

    def at(layer: float, value: float) -> str:
        return f"{50 + (width - 200) * layer / max(deepest, 1):.1f},{height - 40 - (height - 70) * (value - low) / (high - low):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img" '
        'aria-label="Similarity of the same word in speech and text, by layer"><rect width="100%" height="100%" fill="white"/>'
    ]
    for value in np.linspace(low, high, 5):
        start, end = at(0, value), at(deepest, value)
        parts.append(
            f'<path d="M{start} L{end}" stroke="#ddd"/><text x="8" y="{float(start.split(",")[1]) + 4:.1f}">{value:.2f}</text>'
        )
    for layer in range(0, deepest + 1, max(1, deepest // 8)):
        parts.append(f'<text x="{at(layer, low).split(",")[0]}" y="{height - 20}" text-anchor="middle">{layer}</text>')
    parts.append(
        f'<text x="{width // 2 - 60}" y="{height - 4}">layer (0: embedding)</text><text x="8" y="16">largest cosine</text>'
    )
    for number, (name, one) in enumerate(models.items()):
        color = colors[number % len(colors)]
        line = lambda kind, edge: [at(k, getattr(getattr(layer, kind), edge)) for k, layer in enumerate(one.layers)]
        band = " ".join(line("similarity", "low") + line("similarity", "high")[::-1])
        parts.append(f'<polygon points="{band}" fill="{color}" opacity="0.2"/>')
        for kind, dashes in (("similarity", ""), ("other_words", ' stroke-dasharray="4 3"')):
            parts.append(
                f'<polyline points="{" ".join(line(kind, "value"))}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>'
            )
        parts.append(
            f'<text x="{width - 140}" y="{40 + 34 * number}" fill="{color}">{_escaped(name)}</text>'
            f'<text x="{width - 140}" y="{54 + 34 * number}" fill="{color}" font-size="10">dashed: other words</text>'
        )
    return "".join([*parts, "</svg>\n"])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
