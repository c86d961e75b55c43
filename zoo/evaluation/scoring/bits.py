"""Bits that a language model needs per second of speech and per character of text."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.statistics import Estimate, ratio
from zoo.language.position_limits import max_positions
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

# Kinds of content, as named in reports.
SPEECH, TEXT, SPEECH_GIVEN_TEXT, TEXT_GIVEN_SPEECH = "speech", "text", "speech given text", "text given speech"
LATER_TEXT = "text after its first word"
SPEECH_IN_ROW, TEXT_IN_ROW = "speech in a row of its language", "text in a row of its language"
# Kinds that are scored in a packed row, with the kind that is the same content without context.
ISOLATED_KINDS = {SPEECH_IN_ROW: SPEECH, TEXT_IN_ROW: TEXT}
UNITS = {
    SPEECH: "bits per second",
    SPEECH_IN_ROW: "bits per second",
    TEXT: "bits per character",
    TEXT_IN_ROW: "bits per character",
    LATER_TEXT: "bits per character",
    SPEECH_GIVEN_TEXT: "bits per second",
    TEXT_GIVEN_SPEECH: "bits per character",
}


@dataclass(frozen=True)
class BitRate:
    """Bits that one model needs for one kind of content, per unit of ``UNITS``.

    Args:
        rate: Bits per second or character over all utterances; the interval is a bootstrap over utterances.
        nats_per_token: Mean loss of a token.
        bits: Bits of each utterance, (n,).
        sizes: Seconds or characters of each utterance, (n,).
        ids: Name of each utterance, by which the results of two models are paired.
    """

    rate: Estimate
    nats_per_token: float
    bits: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    sizes: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    ids: tuple[str, ...] = field(repr=False, default=())

    def report(self) -> dict[str, Any]:
        """Return the rate with its interval and the loss, as written to reports."""
        return {**self.rate.named("bits"), "nats_per_token": round(self.nats_per_token, 4)}


def measure_bits(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    table: TokenTable,
    limit: int | None = None,
    row_length: int | None = None,
) -> dict[str, BitRate]:
    """Score held-out utterances as speech, as text, and as each given the other.

    Bits per second and per character can be compared across vocabularies and languages, losses per token cannot. A
    model of two languages has to guess the language at the first word of an isolated utterance. In a packed row of
    utterances of one language it only has to guess at the beginning of the row; text after its first word does not
    contain that guess either.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of the ids in the table.
        table: Tokenized utterances of one language.
        limit: Maximum number of utterances; all if None.
        row_length: Ids in a row of several utterances packed one after another, as in training: each utterance is
            scored given those before it in its row. None leaves out the kinds in a packed row.

    Returns:
        Bit rate by kind of content; kinds that no utterance has are left out, as are utterances beyond the context.

    Raises:
        ValueError: If ``row_length`` exceeds the network's context.
    """
    context = max_positions(network)
    if row_length is not None and row_length > context:
        raise ValueError(f"row_length={row_length}: this model reads at most {context} tokens")
    utterances = [_with_text(table[index], vocabulary) for index in range(min(len(table), limit or len(table)))]
    bit_rates = {}
    for kind in UNITS:
        isolated_kind = ISOLATED_KINDS.get(kind, kind)
        is_packed = kind != isolated_kind
        if is_packed and row_length is None:
            continue
        scored_utterances, candidates = _make_candidates(vocabulary, utterances, isolated_kind, context)
        if not candidates:
            continue
        if is_packed and row_length is not None:
            candidates = add_row_context(candidates, vocabulary.eos, row_length)
        bit_rates[kind] = _measure_kind(network, candidates, scored_utterances, kind)
    return bit_rates


def add_row_context(candidates: Sequence[Candidate], eos: int, length: int) -> list[Candidate]:
    """Pack documents into rows, in an order drawn once, and prepend to each prompt the documents before it in its row.

    A document that does not fit begins the next row, and so does every document that is longer than a row.

    Args:
        candidates: Complete documents without their end token.
        eos: End token of each document.
        length: Maximum number of ids in a row.

    Returns:
        The same documents in their original order, with extended prompts.
    """
    packed = list(candidates)
    row = np.zeros(0, dtype=np.int64)
    for number in np.random.default_rng(0).permutation(len(candidates)).tolist():
        candidate = candidates[number]
        document = np.append(candidate.ids, eos)
        if len(row) + len(document) > length:
            row = row[:0]
        packed[number] = Candidate(np.concatenate([row, candidate.prompt]), candidate.continuation)
        row = np.concatenate([row, document])
    return packed


def _with_text(utterance: TokenRow, vocabulary: Vocabulary) -> TokenRow:
    """Return the row of a plain text, which is stored as ids alone, with its text; any other row as it is."""
    if utterance.text or not len(utterance.text_ids):
        return utterance
    return replace(utterance, text=vocabulary.text.decode(utterance.text_ids.tolist()))


def _make_candidates(
    vocabulary: Vocabulary, utterances: Sequence[TokenRow], kind: str, context: int
) -> tuple[list[TokenRow], list[Candidate]]:
    """Return the utterances that have a kind of content and fit the context, and their candidates."""
    scored_utterances, candidates = [], []
    for utterance in utterances:
        if not _has_kind(utterance, kind):
            continue
        candidate = _make_candidate(vocabulary, utterance, kind)
        if len(candidate) <= context:
            scored_utterances.append(utterance)
            candidates.append(candidate)
    return scored_utterances, candidates


def _has_kind(utterance: TokenRow, kind: str) -> bool:
    if kind == LATER_TEXT:
        return len(utterance.text.split()) > 1
    has_speech = kind == TEXT or len(utterance.speech_ids) > 0
    has_text = kind == SPEECH or len(utterance.text_ids) > 0
    return has_speech and has_text


def _make_candidate(vocabulary: Vocabulary, utterance: TokenRow, kind: str) -> Candidate:
    """Return an utterance with its context as prompt and the scored content as continuation."""
    speech = [vocabulary.speech_marker, *utterance.speech_ids.tolist()]
    text = [vocabulary.text_marker, *utterance.text_ids.tolist()]
    if kind == LATER_TEXT:
        num_first_word_ids = len(vocabulary.text.encode(utterance.text.split()[0]))
        end = num_first_word_ids + 1  # the marker comes first
        return Candidate(np.array([vocabulary.bos, *text[:end]]), np.array(text[end:]))
    context, scored = {
        SPEECH: ([], speech),
        TEXT: ([], text),
        SPEECH_GIVEN_TEXT: (text, speech),
        TEXT_GIVEN_SPEECH: (speech, text),
    }[kind]
    # The marker of the scored modality belongs to the prompt: which content is asked for is not part of its loss.
    return Candidate(np.array([vocabulary.bos, *context, scored[0]]), np.array(scored[1:]))


def _measure_kind(
    network: PreTrainedModel, candidates: Sequence[Candidate], utterances: Sequence[TokenRow], kind: str
) -> BitRate:
    nats = -log_likelihoods(network, candidates, title=f"bits of {kind}")
    bits = nats / np.log(2)
    sizes = np.array([_size(utterance, kind) for utterance in utterances])
    num_tokens = sum(len(candidate.continuation) for candidate in candidates)
    return BitRate(
        rate=ratio(bits, sizes),
        nats_per_token=float(nats.sum() / num_tokens),
        bits=bits,
        sizes=sizes,
        ids=tuple(utterance.id for utterance in utterances),
    )


def _size(utterance: TokenRow, kind: str) -> float:
    """Return the seconds of the speech or the characters of the text that a kind of content has."""
    if UNITS[kind] == "bits per second":
        return utterance.duration
    words = utterance.text.split()
    num_characters = len(" ".join(words))
    if kind == LATER_TEXT:
        num_characters -= len(words[0])
    return float(num_characters)
