"""Recognition, synthesis and intent classification from a few examples in the prompt, as in table 4 of Spirit LM."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from torch import Tensor
from transformers import PreTrainedModel

from zoo.evaluation.generation.continuations import continuations
from zoo.evaluation.statistics import Estimate, proportion, ratio
from zoo.evaluation.suites.contrast_suite import Parts, read_table
from zoo.evaluation.suites.prompt_templates import Template, template
from zoo.language.generation import Sampling
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary

# What was said, from speech tokens or a waveform (N,).
Speaks = Callable[[Tokens], Tensor]
Transcribes = Callable[[Tensor], str]


@dataclass(frozen=True)
class Utterance:
    """One spoken sentence of a few-shot suite.

    Args:
        id: Its name.
        text: What is said.
        speech: Its ids, (N,).
        label: The intent; empty where the suite has none.
    """

    id: str
    text: str
    speech: np.ndarray = field(repr=False)
    label: str = ""

    def slots(self, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
        return {
            "speech": self.speech,
            **{
                name: np.array(vocabulary.text.encode(text), dtype=np.int64)
                for name, text in (("text", self.text), ("label", self.label))
            },
        }


@dataclass(frozen=True)
class Answers:
    """How a task was solved.

    Args:
        measure: Name of the figure.
        estimate: The figure; its interval is over utterances.
        rows: Name, reference and answer of each utterance.
        shots: Examples in each prompt, asked for.
    """

    measure: str
    estimate: Estimate
    rows: list[tuple[str, str, str]]
    shots: int

    def report(self) -> dict[str, Any]:
        return {**self.estimate.named(self.measure), "shots": self.shots}


def load_utterances(
    path: Path, tokenizer: SpeechTokenizer, vocabulary: Vocabulary, limit: int | None = None
) -> tuple[list[Utterance], list[Utterance]]:
    """Read a few-shot suite: JSON Lines of ``text``, ``audio``, perhaps ``label``, and ``split``, which is ``shots`` or ``test``.

    Args:
        path: The table; audio paths are relative to its folder.
        tokenizer: Of the speech.
        vocabulary: Numbers text and units.
        limit: Most test utterances; all if None.

    Returns:
        The utterances that may be shown, and those that are asked.
    """
    parts, found = Parts(path.parent, vocabulary, tokenizer), {"shots": [], "test": []}
    for where, row in read_table(path):
        missing = [key for key in ("text", "audio", "split") if key not in row]
        if missing or row["split"] not in found:
            raise ValueError(
                f"{where}: want text, audio and a split of shots or test"
                + (f"; lacks {', '.join(missing)}" if missing else "")
            )
        if row["split"] == "shots" or limit is None or len(found["test"]) < limit:
            both = parts.both({"text": row["text"], "audio": row["audio"]}, where)
            found[row["split"]].append(
                Utterance(str(row.get("id", where)), row["text"], both.speech, str(row.get("label", "")))
            )
    return found["shots"], found["test"]


class FewShot:
    """A language model that is asked by examples.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        num_shots: Examples in a prompt; fewer where the context has no room.
        seed: Of the choice and order of the examples, drawn anew for each utterance.
        max_new_tokens: Of an answer.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        vocabulary: Vocabulary,
        num_shots: int = 10,
        seed: int = 0,
        max_new_tokens: int = 100,
    ) -> None:
        self.network, self.vocabulary, self.num_shots, self.seed, self.max_new_tokens = (
            network,
            vocabulary,
            num_shots,
            seed,
            max_new_tokens,
        )

    def answers(self, form: Template, shots: Sequence[Utterance], asked: Sequence[Utterance]) -> list[np.ndarray]:
        """Ids of the greedy answer to each utterance asked.

        Raises:
            ValueError: Where fewer examples are given than asked for.
        """
        if len(shots) < self.num_shots:
            raise ValueError(f"{self.num_shots} shots, but the suite shows {len(shots)}: ask for fewer")
        room = self.network.config.max_position_embeddings - self.max_new_tokens
        prompts = []
        for one in asked:
            chosen = random.Random(f"{self.seed} {one.id}").sample(list(shots), self.num_shots)
            prompts.append(
                form.prompt(
                    self.vocabulary, [shot.slots(self.vocabulary) for shot in chosen], one.slots(self.vocabulary), room
                )
            )
        greedy = Sampling(self.max_new_tokens, temperature=0)
        return continuations(self.network, self.vocabulary, prompts, form.to, greedy, form.stop_ids(self.vocabulary))

    def recognize(self, shots: Sequence[Utterance], asked: Sequence[Utterance]) -> Answers:
        """Word error rate."""
        found = [self.vocabulary.text.decode(ids.tolist()) for ids in self.answers(template("asr"), shots, asked)]
        return _errors("word_error_rate", asked, found, self.num_shots, jiwer.process_words)

    def synthesize(
        self, shots: Sequence[Utterance], asked: Sequence[Utterance], speaks: Speaks, transcribes: Transcribes
    ) -> Answers:
        """Character error rate of what a recognizer hears.

        Args:
            shots: That may be shown.
            asked: Whose text is to be spoken.
            speaks: A vocoder.
            transcribes: Such as Whisper; it must not have been trained on this model's speech.
        """
        spoken = [self.vocabulary.tokens(ids) for ids in self.answers(template("tts"), shots, asked)]
        found = [transcribes(speaks(tokens)) if len(tokens) else "" for tokens in spoken]
        return _errors("character_error_rate", asked, found, self.num_shots, jiwer.process_characters)

    def classify(self, shots: Sequence[Utterance], asked: Sequence[Utterance]) -> Answers:
        """Share of intents that are written exactly, but for case and space."""
        found = [self.vocabulary.text.decode(ids.tolist()) for ids in self.answers(template("intent"), shots, asked)]
        hits = np.array([_plain(one) == _plain(row.label) for one, row in zip(found, asked)], dtype=float)
        return Answers(
            "exact_match",
            proportion(hits),
            [(row.id, row.label, one) for row, one in zip(asked, found)],
            self.num_shots,
        )


def most_frequent_label(asked: Sequence[Utterance]) -> Estimate:
    """What always answering the commonest intent would reach: the unigram model of this task."""
    labels = [_plain(row.label) for row in asked]
    common = max(sorted(set(labels)), key=labels.count)
    return proportion(np.array([label == common for label in labels], dtype=float))


def most_frequent_word(measure: str, shots: Sequence[Utterance], asked: Sequence[Utterance]) -> Answers:
    """Errors of always answering the commonest word of the examples: the unigram model of recognition and synthesis."""
    words = [word for one in shots for word in _plain(one.text).split()]
    common = max(sorted(set(words)), key=words.count)
    process = jiwer.process_words if measure == "word_error_rate" else jiwer.process_characters
    return _errors(measure, asked, [common] * len(asked), 0, process)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _errors(
    measure: str, asked: Sequence[Utterance], found: list[str], shots: int, process: Callable[[str, str], Any]
) -> Answers:
    counts = [process(_plain(row.text), _plain(one)) for row, one in zip(asked, found)]
    errors = np.array([c.substitutions + c.deletions + c.insertions for c in counts])
    lengths = np.array([c.substitutions + c.deletions + c.hits for c in counts])
    return Answers(measure, ratio(errors, lengths), [(row.id, row.text, one) for row, one in zip(asked, found)], shots)
