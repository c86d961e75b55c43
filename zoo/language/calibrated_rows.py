"""Initial embedding rows that are calibrated on the hidden states of the network that they extend."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from zoo.language.embedding_initializers import MatchedRows
from zoo.language.embedding_rows import embedding_weights
from zoo.language.losses import NextTokenLoss
from zoo.language.position_limits import max_positions
from zoo.ranges import PositiveFloat, Size, check_ranges
from zoo.tokens.vocabulary import Vocabulary

# Prose, dialog, figures, code and other languages, so that the rows hold for many kinds of text.
TEXTS = (
    "The train was late again, so we waited on the platform and talked about the weekend.",
    '"Where have you been?" she asked. "I looked for you all over the house." He put the keys on the table.',
    "In 1998, about 35% of the students (roughly 4,200) lived more than 10 km away; today it is 12%.",
    "one two three four five six seven eight nine ten",
    "def mean(values): return sum(values) / max(1, len(values))",
    "Am nächsten Morgen lag Schnee auf den Dächern, und die Kinder liefen hinaus.",
    "El río baja con mucha agua después de las lluvias.",
)
MAX_LENGTH = 64  # ids of a row, so that every network has positions for it
BATCH_SIZE = 6  # rows
SPAN = 12  # units of a short span of speech
# Weights of the cost at text positions, tried in this order until text changes by less than the target there.
TEXT_WEIGHTS = (100.0, 150.0, 225.0, 340.0, 500.0, 750.0, 1100.0, 1700.0, 2500.0)
TEXT_TARGET = 3e-4  # nats per token
SPEECH_MARGIN = 0.5  # nats per token
# Half of it, in nats, is the cost of an offset that can change a logit by 1. Less of it lets speech begin lower, and
# fits the few texts above rather than text.
RIDGE = 1e-2


@dataclass(frozen=True)
class CalibratedRows:
    """Rows that all units share, but for a small random part, fitted so that speech is predicted in speech alone.

    The first speech tokens then cost about as much as a uniform choice among the units, and the probabilities of text
    tokens in text hardly change. The common row is that of ``MatchedRows`` plus an offset. The offset is a logistic
    regression on the network's own hidden states: it separates positions before a unit from positions before a text
    token, in a few short texts and random units, several hundred tokens in all. If embedding and head are tied, the
    hidden states change with the offset, so that it is fitted several times and the best one is kept.

    The row of the text marker gets no offset.

    Args:
        scale: Deviation of the single rows from the common one, as in ``MatchedRows``; above 0, so that units differ.
        passes: Number of fits if embedding and head are tied, at least 1.

    Raises:
        ValueError: If ``scale`` is not above 0 or ``passes`` is below 1.
    """

    scale: PositiveFloat = 0.3
    passes: Size = 3

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ValueError(f"scale must be above 0, got {self.scale}")
        if self.passes < 1:
            raise ValueError(f"passes must be at least 1, got {self.passes}")
        check_ranges(self)

    @torch.no_grad()
    def initialize(self, network: PreTrainedModel, vocabulary: Vocabulary, generator: torch.Generator) -> None:
        MatchedRows(self.scale).initialize(network, vocabulary, generator)
        if len(vocabulary) == vocabulary.first_unit:
            return
        weights = embedding_weights(network)
        rows = calibration_rows(vocabulary, min(MAX_LENGTH, max_positions(network)), generator)
        shared = _SharedRow(network, vocabulary, weights[-1])
        if len(weights) == 2:
            # The hidden states depend on the embedding alone. Units share a random direction there, by which the
            # network tells speech from text.
            embedding = _SharedRow(network, vocabulary, weights[0])
            row = MatchedRows().draw(embedding.text_rows.cpu(), 1, 0.0, generator)[0]
            embedding.move(row.to(embedding.mean) - embedding.mean)
            shared.move(_problem(shared, rows).solve())
            return
        best = offset = torch.zeros_like(shared.mean)
        best_cost = math.inf
        for number in range(self.passes + 1):
            shared.move(offset)
            problem = _problem(shared, rows)
            cost = problem.cost(offset).item()
            if cost < best_cost:
                best, best_cost = offset, cost
            if number < self.passes:
                offset = problem.solve()
        shared.move(best)


class _SharedRow:
    """What the rows of the speech marker, of all units and of padding have in common.

    Args:
        network: Network whose rows have been drawn.
        vocabulary: Vocabulary of the network.
        weight: Weight of the head or the embedding, (V, D), which is changed in place.
    """

    def __init__(self, network: PreTrainedModel, vocabulary: Vocabulary, weight: nn.Parameter) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.rows = weight[vocabulary.speech_marker :]
        self.drawn = self.rows.float().clone()
        self.text_rows = weight[: vocabulary.num_text].float()
        self.mean = self.text_rows.mean(0)

    def move(self, offset: Tensor) -> None:
        """Write the rows as they were drawn, plus an offset (D,)."""
        self.rows.copy_(self.drawn + offset)


@dataclass(frozen=True)
class _Problem:
    """Logistic regression of speech against text positions.

    Args:
        loss: Loss of the network, which has the scale of its logits.
        hidden: Hidden states before the head, (N, D).
        text_level: Log of the sum of the exponentials of all text logits, (N,).
        before_unit: Whether the next token is a unit, (N,) bool.
        mean: Mean of the text rows, (D,).
        bias: Bias of a unit's logit.
        num_rows: Number of rows with the offset.
        num_text: Number of rows of text tokens.
    """

    loss: NextTokenLoss
    hidden: Tensor
    text_level: Tensor
    before_unit: Tensor
    mean: Tensor
    bias: float
    num_rows: int
    num_text: int

    def cost(self, offset: Tensor, text_weight: float = TEXT_WEIGHTS[-1]) -> Tensor:
        """Return the cost in nats, (), of an offset (D,)."""
        odds = self.odds(offset)
        speech = F.softplus(-odds[self.before_unit]).mean()
        text = F.softplus(odds[~self.before_unit]).mean()
        return speech + text_weight * text + RIDGE * (offset * self.reach).square().sum() / 2

    def odds(self, offset: Tensor) -> Tensor:
        """Return the log of the odds of all rows with the offset against all text tokens, (N,)."""
        logits = self.loss.scaled(self.hidden @ (self.mean + offset) + self.bias)
        return logits + math.log(self.num_rows) - self.text_level

    @property
    def reach(self) -> Tensor:
        """The mean norm of the hidden states, (): the most by which an offset of norm 1 can change a logit."""
        return self.hidden.norm(dim=1).mean().clamp(min=1e-6)

    def solve(self) -> Tensor:
        """Return the offset (D,) of lowest cost under the lowest weight of text that keeps text.

        A weight under which speech would cost clearly more than a uniform choice among all rows is not used.
        """
        highest = math.log(1 + self.num_text / self.num_rows) + SPEECH_MARGIN
        offset = self.minimize(torch.zeros_like(self.mean), TEXT_WEIGHTS[0])
        for text_weight in TEXT_WEIGHTS[1:]:
            if F.softplus(self.odds(offset)[~self.before_unit]).mean() < TEXT_TARGET:
                break
            candidate = self.minimize(offset, text_weight)
            if F.softplus(-self.odds(candidate)[self.before_unit]).mean() > highest:
                break
            offset = candidate
        return offset

    @torch.enable_grad()
    def minimize(self, start: Tensor, text_weight: float) -> Tensor:
        """Return the offset (D,) of lowest cost, searched from another offset (D,)."""
        logit_change = (start * self.reach).requires_grad_()
        optimizer = torch.optim.LBFGS([logit_change], max_iter=100, history_size=20, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            cost = self.cost(logit_change / self.reach, text_weight)
            cost.backward()
            return cost

        optimizer.step(closure)
        return logit_change.detach() / self.reach


def _problem(shared: _SharedRow, rows: Tensor) -> _Problem:
    """Run a network over rows of ids (N, T), and collect the positions before text tokens and units."""
    vocabulary = shared.vocabulary
    loss = NextTokenLoss(shared.network)
    hidden = []
    text_level = []
    before_unit = []
    for batch in rows.to(shared.mean.device).split(BATCH_SIZE):
        states = shared.network.get_decoder()(input_ids=batch, use_cache=False).last_hidden_state[:, :-1]
        targets = batch[:, 1:]
        kept = vocabulary.is_text(targets) | vocabulary.is_unit(targets)
        hidden.append(states[kept].float())
        text_level.append(loss.logits(states[kept])[:, : vocabulary.num_text].logsumexp(-1))
        before_unit.append(vocabulary.is_unit(targets[kept]))
    bias = getattr(loss.head, "bias", None)
    assert bias is None or isinstance(bias, Tensor)
    return _Problem(
        loss,
        torch.cat(hidden),
        torch.cat(text_level),
        torch.cat(before_unit),
        shared.mean,
        0.0 if bias is None else bias[vocabulary.first_unit].item(),
        len(shared.rows),
        vocabulary.num_text,
    )


def calibration_rows(vocabulary: Vocabulary, length: int, generator: torch.Generator) -> Tensor:
    """Return rows of ids, (N, length): texts, random units, and both in turn.

    Shorter rows are filled up with text markers, on which nothing before them depends.
    """

    def units(count: int) -> Tensor:
        return torch.randint(vocabulary.first_unit, len(vocabulary), (count,), generator=generator)

    begin = torch.tensor([vocabulary.bos])
    end = torch.tensor([vocabulary.eos])
    text = torch.tensor([vocabulary.text_marker])
    speech = torch.tensor([vocabulary.speech_marker])
    texts = [torch.tensor(vocabulary.text.encode(line), dtype=torch.int64) for line in TEXTS]
    rows = []
    for _ in range(2):
        random_text = torch.randint(0, vocabulary.num_text, (2, length - 2), generator=generator)
        rows += [torch.cat([begin, random_text[0]]), torch.cat([begin, text, random_text[1]])]
    for number, ids in enumerate(texts):
        # A text model has never read the marker: some texts go without.
        marked = [begin, text] if number % 2 else [begin]
        rows.append(torch.cat([*marked, ids[: length - 3], end, begin]))
    rows.append(torch.cat([begin, *texts]))
    for ids, other in zip(texts[:3], texts[3:6], strict=True):
        rows.append(torch.cat([begin, speech, units(length)]))
        rows.append(torch.cat([begin, text, ids[:SPAN], speech, units(2 * SPAN), text, other]))
        rows.append(torch.cat([begin, speech, units(SPAN), text, other[:SPAN], speech, units(SPAN)]))
    filled = torch.full((len(rows), length), vocabulary.text_marker)
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row[:length]
    return filled
