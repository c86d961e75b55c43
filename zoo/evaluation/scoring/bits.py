"""How many bits a language model needs for a second of speech and for a character of text."""

from dataclasses import dataclass, field

import numpy as np
from torch import nn

from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.statistics import Estimate, ratio
from zoo.tokens.rows import TokenRow
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

SPEECH, TEXT, SPEECH_GIVEN_TEXT, TEXT_GIVEN_SPEECH = "speech", "text", "speech given text", "text given speech"
LATER_TEXT = "text after its first word"
SPEECH_IN_ROW, TEXT_IN_ROW = "speech in a row of its language", "text in a row of its language"
ALONE = {SPEECH_IN_ROW: SPEECH, TEXT_IN_ROW: TEXT}  # what each kind in a row is where nothing stands before it
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
class Bits:
    """What one model needs for one kind of content; units of text and speech are those of ``UNITS``.

    Args:
        rate: Bits per second or character, over all utterances; the interval is a bootstrap over them.
        per_token: Mean loss of a token, in nats.
        needed: Bits of each utterance, (n,), and
        sizes: its seconds or characters, (n,), and
        ids: its name: what figures of two models are paired by.
    """

    rate: Estimate
    per_token: float
    needed: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    sizes: np.ndarray = field(repr=False, default_factory=lambda: np.zeros(0))
    ids: tuple[str, ...] = field(repr=False, default=())

    def report(self) -> dict:
        return {**self.rate.named("bits"), "nats_per_token": round(self.per_token, 4)}


def bits(
    network: nn.Module,
    vocabulary: Vocabulary,
    table: TokenTable,
    limit: int | None = None,
    row_length: int | None = None,
) -> dict[str, Bits]:
    """Score held-out utterances as speech, as text, and as each given the other; kinds that no utterance has are left out.

    Bits per second and per character can be compared across vocabularies and languages, losses per token cannot. A model of
    two languages must guess at the first word of an utterance alone which one comes. In a row of its language it knows, but
    at the row's beginning; text after its first word is free of that guess, too.

    Args:
        network: Over the vocabulary.
        vocabulary: Of the ids in the table.
        table: Tokenized utterances of one language.
        limit: Most utterances; all if None.
        row_length: Ids in a row of several utterances, one after another, as training packs them: each is scored given those
            before it in its row. None leaves the kinds in a row out.

    Raises:
        ValueError: Where a row is longer than the network's context.
    """
    rows, longest = (
        [table[i] for i in range(min(len(table), limit or len(table)))],
        network.config.max_position_embeddings,
    )
    if row_length is not None and row_length > longest:
        raise ValueError(f"row_length={row_length}: this model reads at most {longest} tokens")
    found = {}
    for kind, alone in ((kind, ALONE.get(kind, kind)) for kind in UNITS):
        if kind != alone and row_length is None:
            continue
        made = [(_candidate(vocabulary, row, alone), row) for row in rows if _serves(row, alone)]
        made = [(one, row) for one, row in made if len(one.prompt) + len(one.continuation) <= longest]
        if made:
            candidates = [one for one, _ in made]
            candidates = candidates if kind == alone else in_rows(candidates, vocabulary.eos, row_length)
            found[kind] = _bits(network, candidates, [row for _, row in made], kind)
    return found


def in_rows(candidates: list[Candidate], end: int, length: int) -> list[Candidate]:
    """Put whole documents after one another, in an order drawn once, and return each with those before it in its row as its prompt.

    One that does not fit begins the next row, as does all of a document that is longer than a row.

    Args:
        candidates: Documents from their first id on, without the last.
        end: The last id of each.
        length: Most ids in a row.
    """
    found, before = candidates.copy(), np.zeros(0, dtype=np.int64)
    for number in np.random.default_rng(0).permutation(len(candidates)).tolist():
        one = candidates[number]
        document = np.append(one.ids, end)
        if len(before) + len(document) > length:
            before = before[:0]
        found[number] = Candidate(np.concatenate([before, one.prompt]), one.continuation)
        before = np.concatenate([before, document])
    return found


def _bits(network: nn.Module, candidates: list[Candidate], rows: list[TokenRow], kind: str) -> Bits:
    nats = -log_likelihoods(network, candidates, title=f"bits of {kind}")
    needed, sizes = nats / np.log(2), np.array([_size(row, kind) for row in rows])
    return Bits(
        ratio(needed, sizes),
        float(nats.sum() / sum(len(one.continuation) for one in candidates)),
        needed,
        sizes,
        tuple(row.id for row in rows),
    )


def _serves(row: TokenRow, kind: str) -> bool:
    if kind == LATER_TEXT:
        return len(row.text.split()) > 1
    return (kind == TEXT or len(row.speech_ids) > 0) and (kind == SPEECH or len(row.text_ids) > 0)


def _size(row: TokenRow, kind: str) -> float:
    if UNITS[kind] == "bits per second":
        return row.duration
    words = row.text.split()
    return float(len(" ".join(words)) - (len(words[0]) if kind == LATER_TEXT else 0))


def _candidate(vocabulary: Vocabulary, row: TokenRow, kind: str) -> Candidate:
    speech, text = (
        [vocabulary.speech_marker, *row.speech_ids.tolist()],
        [vocabulary.text_marker, *row.text_ids.tolist()],
    )
    if kind == LATER_TEXT:
        known = len(vocabulary.text.encode(row.text.split()[0]))
        return Candidate(np.array([vocabulary.bos, *text[: known + 1]]), np.array(text[known + 1 :]))
    first, second = {
        SPEECH: ([], speech),
        TEXT: ([], text),
        SPEECH_GIVEN_TEXT: (text, speech),
        TEXT_GIVEN_SPEECH: (speech, text),
    }[kind]
    return Candidate(np.array([vocabulary.bos, *first, second[0]]), np.array(second[1:]))
