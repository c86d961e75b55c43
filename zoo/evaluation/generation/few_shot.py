"""Few-shot recognition, synthesis and intent classification by examples in the prompt, as in table 4 of Spirit LM."""

import random
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from zoo.evaluation.evaluated_model import Synthesize
from zoo.evaluation.generation.continuations import generate_continuations
from zoo.evaluation.scoring.error_rates import character_error_rate, word_error_rate
from zoo.evaluation.scoring.text_normalization import normalizer_of
from zoo.evaluation.statistics import Estimate, proportion
from zoo.evaluation.suites.few_shot_suite import Utterance
from zoo.evaluation.suites.prompt_templates import PromptTemplate, load_template
from zoo.language.generation import Sampling
from zoo.language.position_limits import max_positions
from zoo.tokens.vocabulary import Vocabulary

ERROR_RATES = {"word_error_rate": word_error_rate, "character_error_rate": character_error_rate}


@dataclass(frozen=True)
class FewShotAnswer:
    """Answer of the model for one utterance.

    Args:
        id: Name of the utterance.
        reference: Expected answer.
        answer: Answer of the model.
    """

    id: str
    reference: str
    answer: str


@dataclass(frozen=True)
class FewShotResult:
    """Result of a few-shot task.

    Args:
        measure: Name of the measure, as in reports.
        estimate: Value of the measure; its interval is over utterances.
        answers: Answer to each utterance.
        num_shots: Requested number of examples in each prompt.
    """

    measure: str
    estimate: Estimate
    answers: list[FewShotAnswer]
    num_shots: int

    def report(self) -> dict[str, Any]:
        """Return the measure with its interval, as written to reports."""
        return {**self.estimate.named(self.measure), "shots": self.num_shots}

    def rows(self) -> list[tuple[Any, ...]]:
        """Return name, reference and answer of each utterance, as written to reports."""
        return [astuple(answer) for answer in self.answers]


class FewShotEvaluator:
    """Evaluates a language model that is prompted with solved examples.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text and units.
        num_shots: Number of examples in a prompt; fewer if they do not fit into the context.
        seed: Seed of the choice and order of the examples, which are drawn for each utterance.
        max_new_tokens: Maximum length of an answer.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        vocabulary: Vocabulary,
        num_shots: int = 10,
        seed: int = 0,
        max_new_tokens: int = 100,
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.num_shots = num_shots
        self.seed = seed
        self.max_new_tokens = max_new_tokens

    def generate_answers(
        self, template: PromptTemplate, shots: Sequence[Utterance], tested: Sequence[Utterance]
    ) -> list[np.ndarray]:
        """Generate the ids (N,) of the greedy answer to each tested utterance.

        Args:
            template: Prompt format of the task.
            shots: Utterances for examples.
            tested: Utterances that answers are generated for.

        Raises:
            ValueError: If there are fewer utterances for examples than wanted in a prompt.
        """
        if len(shots) < self.num_shots:
            raise ValueError(
                f"{self.num_shots} shots, but the suite has {len(shots)} utterances for examples: use fewer shots"
            )
        max_prompt_tokens = max_positions(self.network) - self.max_new_tokens
        prompts = []
        for utterance in tested:
            # Drawn by the name of the utterance: a prompt does not depend on which others are tested.
            draw = random.Random(f"{self.seed} {utterance.id}")
            examples = [shot.slots(self.vocabulary) for shot in draw.sample(list(shots), self.num_shots)]
            question = utterance.slots(self.vocabulary)
            prompts.append(template.build_prompt(self.vocabulary, examples, question, max_prompt_tokens))
        return generate_continuations(
            self.network,
            self.vocabulary,
            prompts,
            template.modality,
            Sampling(self.max_new_tokens, temperature=0),
            template.stop_ids(self.vocabulary),
        )

    def recognize(self, shots: Sequence[Utterance], tested: Sequence[Utterance]) -> FewShotResult:
        """Measure the word error rate of speech recognition.

        Args:
            shots: Utterances for examples.
            tested: Utterances to transcribe.
        """
        transcripts = self._generate_texts("asr", shots, tested)
        return measure_errors("word_error_rate", tested, transcripts, self.num_shots)

    def synthesize(
        self, shots: Sequence[Utterance], tested: Sequence[Utterance], vocoder: Synthesize
    ) -> list[torch.Tensor]:
        """Return the speech (N,) that the model answers each text with; empty where it answers nothing.

        Args:
            shots: Utterances for examples.
            tested: Utterances whose text is synthesized.
            vocoder: Vocoder of the speech tokens.
        """
        waveforms = []
        for ids in self.generate_answers(load_template("tts"), shots, tested):
            tokens = self.vocabulary.tokens(ids)
            waveforms.append(vocoder(tokens) if len(tokens) else torch.zeros(0))
        return waveforms

    def classify(self, shots: Sequence[Utterance], tested: Sequence[Utterance]) -> FewShotResult:
        """Measure the exact match of intents, ignoring case, punctuation and white space.

        Args:
            shots: Utterances for examples.
            tested: Utterances to classify.
        """
        labels = self._generate_texts("intent", shots, tested)
        hits = []
        answers = []
        for label, utterance in zip(labels, tested, strict=True):
            normalize = normalizer_of(utterance.language)
            hits.append(normalize(label) == normalize(utterance.label))
            answers.append(FewShotAnswer(utterance.id, utterance.label, label))
        return FewShotResult("exact_match", proportion(np.array(hits, dtype=float)), answers, self.num_shots)

    def _generate_texts(self, task: str, shots: Sequence[Utterance], tested: Sequence[Utterance]) -> list[str]:
        answers = self.generate_answers(load_template(task), shots, tested)
        return [self.vocabulary.text.decode(ids.tolist()) for ids in answers]


def most_frequent_label(tested: Sequence[Utterance]) -> Estimate:
    """Return the exact match of always answering the most frequent intent: the unigram baseline of classification."""
    labels = [normalizer_of(utterance.language)(utterance.label) for utterance in tested]
    most_frequent = max(sorted(set(labels)), key=labels.count)
    return proportion(np.array([label == most_frequent for label in labels], dtype=float))


def most_frequent_word(measure: str, shots: Sequence[Utterance], tested: Sequence[Utterance]) -> FewShotResult:
    """Measure the errors of always answering the most frequent word of the examples.

    It is the unigram baseline of recognition and synthesis.

    Args:
        measure: ``word_error_rate`` or ``character_error_rate``.
        shots: Utterances for examples.
        tested: Tested utterances.
    """
    words: list[str] = []
    for utterance in shots:
        words += normalizer_of(utterance.language)(utterance.text).split()
    most_frequent = max(sorted(set(words)), key=words.count)
    return measure_errors(measure, tested, [most_frequent] * len(tested), 0)


def measure_errors(
    measure: str, tested: Sequence[Utterance], transcripts: Sequence[str], num_shots: int
) -> FewShotResult:
    """Measure the errors of answers, or of the transcripts of synthesized speech.

    Args:
        measure: ``word_error_rate`` or ``character_error_rate``.
        tested: Tested utterances.
        transcripts: Answer or transcript of each.
        num_shots: Requested number of examples in each prompt.
    """
    answers: list[FewShotAnswer] = []
    for utterance, transcript in zip(tested, transcripts, strict=True):
        answers.append(FewShotAnswer(utterance.id, utterance.text, transcript))
    references = [utterance.text for utterance in tested]
    languages = [utterance.language for utterance in tested]
    error_rate = ERROR_RATES[measure](references, transcripts, languages)
    return FewShotResult(measure, error_rate, answers, num_shots)
