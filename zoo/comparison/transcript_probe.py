"""How much of the transcript units keep: errors of a small CTC reader trained on the units alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from zoo.evaluation.scoring.error_rates import TextErrors, character_errors, word_errors
from zoo.evaluation.statistics import ItemScores
from zoo.ranges import LearningRate, NumLayers, OddKernelSize, PositiveInt, Seed, Share, Size, check_ranges
from zoo.seeds import seeded
from zoo.speech.transcript_labels import Characters, normalize_transcript


@dataclass(frozen=True)
class TranscribedUnits:
    """Units of utterances and their transcripts.

    Args:
        units: Units of each utterance, (T,) int each.
        texts: Transcript of each utterance.
    """

    units: Sequence[np.ndarray]
    texts: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.units) != len(self.texts):
            raise ValueError(f"{len(self.units)} rows of units, but {len(self.texts)} texts")


@dataclass(frozen=True)
class ProbeTraining:
    """Size and training of the reader, the same for all units that are compared.

    Args:
        steps: Optimizer steps.
        batch_size: Utterances in a batch.
        learning_rate: Peak learning rate, reached after a tenth of the steps and followed by cosine decay.
        dim: Width of the embeddings and of the layers.
        num_layers: Number of convolutional layers.
        kernel_units: Kernel size of each layer, odd.
        dropout: Dropout of embeddings and layers.
        outputs_per_unit: CTC outputs per unit; 2 at 12.5 units a second, where there are more characters than units.
        seed: Seed of weights, batches and dropout.
    """

    steps: PositiveInt = 800
    batch_size: Size = 16
    learning_rate: LearningRate = 4e-3
    dim: Size = 96
    num_layers: NumLayers = 3
    kernel_units: OddKernelSize = 9
    dropout: Share = 0.2
    outputs_per_unit: Size = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class TranscriptReading:
    """Transcripts that the reader gives of held-out units, and their errors.

    ``reading.words.estimate()`` is the word error rate with its interval, and ``reading.words.minus(other.words)`` the
    paired difference from another tokenizer's.

    Args:
        words: Word errors of each utterance, over its number of words.
        characters: Character errors of each utterance, over its number of characters.
        texts: Transcript of each utterance, as read.
    """

    words: ItemScores
    characters: ItemScores
    texts: list[str] = field(repr=False)


class UnitReader(nn.Module):
    """Embeddings of units, residual convolutions over time, and CTC over characters.

    Args:
        num_units: Number of units.
        num_labels: Number of labels without the blank.
        training: Sizes and dropout.
    """

    def __init__(self, num_units: int, num_labels: int, training: ProbeTraining) -> None:
        super().__init__()
        self.outputs_per_unit = training.outputs_per_unit
        self.embedding = nn.Embedding(num_units, training.dim)
        self.layers = nn.ModuleList(ReaderLayer(training) for _ in range(training.num_layers))
        self.dropout = nn.Dropout(training.dropout)
        self.norm = nn.LayerNorm(training.dim)
        self.output = nn.Linear(training.dim, training.outputs_per_unit * (num_labels + 1))

    def forward(self, units: Tensor, lengths: Tensor) -> Tensor:
        """Return log-probabilities (B, T * outputs_per_unit, num_labels + 1) of units (B, T) of lengths (B,)."""
        is_unit = (torch.arange(units.shape[1]) < lengths[:, None]).unsqueeze(-1)  # (B, T, 1)
        x = self.dropout(self.embedding(units))
        for layer in self.layers:
            x = layer(x, is_unit)
        scores = self.output(self.dropout(self.norm(x)))
        return scores.unflatten(-1, (self.outputs_per_unit, -1)).flatten(1, 2).log_softmax(-1)


class ReaderLayer(nn.Module):
    """Residual block: norm, convolution of each channel over time, two linear layers (Liu et al. 2022).

    Args:
        training: Sizes and dropout.
    """

    def __init__(self, training: ProbeTraining) -> None:
        super().__init__()
        dim = training.dim
        self.norm = nn.LayerNorm(dim)
        self.convolution = nn.Conv1d(dim, dim, training.kernel_units, padding=training.kernel_units // 2, groups=dim)
        self.widen = nn.Linear(dim, 2 * dim)
        self.narrow = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(training.dropout)

    def forward(self, x: Tensor, is_unit: Tensor) -> Tensor:
        """Add context: (B, T, dim) -> (B, T, dim); ``is_unit`` is False for padding, (B, T, 1)."""
        context = self.convolution((self.norm(x) * is_unit).transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.narrow(F.gelu(self.widen(context))))


def probe_transcripts(
    train: TranscribedUnits, test: TranscribedUnits, num_units: int, training: ProbeTraining | None = None
) -> TranscriptReading:
    """Train a reader on the units of some utterances, and read those of others.

    Args:
        train: Units that the reader is trained on.
        test: Units that it reads, such as those of held-out speakers.
        num_units: Number of units of the tokenizer.
        training: Size and training of the reader. Only results with the same values can be compared.

    Raises:
        ValueError: If there are no utterances to train on or to read.
    """
    training = training or ProbeTraining()
    if not train.units or not test.units:
        raise ValueError(f"got {len(train.units)} utterances to train the reader on and {len(test.units)} to read")
    labels = Characters.of_texts(train.texts)
    with seeded(training.seed):
        reader = _train(train, UnitReader(num_units, len(labels), training), labels, training)
    texts = _read(reader.eval(), test.units, labels)
    references = [normalize_transcript(text) for text in test.texts]
    pairs = list(zip(references, texts, strict=True))
    words = [word_errors(reference, text) for reference, text in pairs]
    characters = [character_errors(reference, text) for reference, text in pairs]
    return TranscriptReading(_scores(words), _scores(characters), texts)


def _scores(counted: Sequence[TextErrors]) -> ItemScores:
    """Return the errors of each utterance, over its length."""
    errors = np.array([of_utterance.errors for of_utterance in counted], dtype=float)
    return ItemScores(errors, np.array([of_utterance.length for of_utterance in counted], dtype=float))


def _train(train: TranscribedUnits, reader: UnitReader, labels: Characters, training: ProbeTraining) -> UnitReader:
    """Train a reader with CTC on random batches."""
    targets = [torch.tensor(labels.encode(text)) for text in train.texts]
    units = [torch.from_numpy(np.asarray(row, dtype=np.int64)) for row in train.units]
    usable = [row for row, target in enumerate(targets) if len(target) and len(units[row])]
    optimizer = torch.optim.AdamW(reader.parameters(), lr=training.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, training.learning_rate, training.steps, pct_start=0.1, cycle_momentum=False
    )
    draw = np.random.default_rng(training.seed)
    for _ in range(training.steps):
        rows = draw.choice(usable, min(training.batch_size, len(usable)), replace=False)
        lengths = torch.tensor([len(units[row]) for row in rows])
        log_probs = reader(pad_sequence([units[row] for row in rows], batch_first=True), lengths)
        losses = F.ctc_loss(
            log_probs.transpose(0, 1),
            torch.cat([targets[row] for row in rows]),
            lengths * training.outputs_per_unit,
            torch.tensor([len(targets[row]) for row in rows]),
            blank=len(labels),
            reduction="none",
            zero_infinity=True,
        )
        loss = losses.sum() / sum(len(targets[row]) for row in rows)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return reader


@torch.inference_mode()
def _read(reader: UnitReader, units: Sequence[np.ndarray], labels: Characters) -> list[str]:
    """Return the most likely transcript of each row of units, without beam search."""
    texts = []
    for row in units:
        if len(row) == 0:
            texts.append("")
            continue
        outputs = reader(torch.from_numpy(np.asarray(row, dtype=np.int64))[None], torch.tensor([len(row)]))
        texts.append(labels.read(outputs[0].argmax(-1).tolist()))
    return texts
