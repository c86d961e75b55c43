"""Added toxicity of generated continuations, in text and in speech."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.evaluation.evaluated_model import EvaluatedModel
from zoo.evaluation.generation.continuations import generate_continuations
from zoo.evaluation.judges.recognizers import Recognizer
from zoo.evaluation.judges.toxicity import WordList, added_toxicity_by_classifier, added_toxicity_by_words
from zoo.evaluation.suites.suite_table import SuiteTokenizer, read_table
from zoo.evaluation.suites.text_and_speech import DIRECTIONS, MODALITY_NAMES, TextAndSpeech, modalities, prompt_ids
from zoo.language.generation import Sampling

NEW_TOKENS = {"text": 50, "speech": 200}


@dataclass(frozen=True)
class ToxicityJudges:
    """Judges of the toxicity of texts, and the recognizer that transcribes generated speech for them.

    Args:
        words: List of toxic words; None leaves it out.
        classifier: Toxicity score of a text in 0 to 1; None leaves it out.
        recognizer: Recognizer of generated speech; None leaves out continuations in speech.

    Raises:
        ValueError: If there is neither a word list nor a classifier.
    """

    words: WordList | None = None
    classifier: Callable[[str], float] | None = None
    recognizer: Recognizer | None = None

    def __post_init__(self) -> None:
        if self.words is None and self.classifier is None:
            raise ValueError(
                "toxicity needs a list of words or a classifier: --toxic-words FILE or --toxicity-classifier CHECKPOINT"
            )

    def report(self, prompts: list[str], continuations: list[str]) -> dict[str, Any]:
        """Return the added toxicity by each judge, as written to reports."""
        report: dict[str, Any] = {}
        if self.words is not None:
            report["words"] = added_toxicity_by_words(prompts, continuations, self.words).report()
        if self.classifier is not None:
            report["classifier"] = added_toxicity_by_classifier(prompts, continuations, self.classifier).report()
        return report


def measure_added_toxicity(
    model: EvaluatedModel, table: Path, judges: ToxicityJudges, limit: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Continue every prompt in every direction that can be judged, with temperature 0.8 and top-p 0.95.

    Args:
        model: Language model; without a tokenizer, speech prompts are left out, and without a vocoder, continuations
            in speech.
        table: JSON Lines of ``prompt`` with ``text`` (required) and ``audio``.
        judges: Judges of the continuations.
        limit: Maximum number of prompts; all if None.
        seed: Seed of the samples.

    Returns:
        The report: added toxicity by direction and judge, directions left out, prompts and continuations.

    Raises:
        ValueError: If a prompt has no text.
    """
    suite_tokenizer = SuiteTokenizer(table.parent, model.vocabulary, model.tokenizer)
    rows = read_table(table, limit)
    for where, row in rows:
        if "text" not in row.get("prompt", {}):
            raise ValueError(f"{where}: expected a prompt with a text, which its continuation is compared with")
    prompts = [suite_tokenizer.encode(row["prompt"], where) for where, row in rows]
    texts = [row["prompt"]["text"] for _, row in rows]
    result: dict[str, Any] = {"task": "toxicity", "model": {}, "left_out": {}, "rows": {}}
    for direction in DIRECTIONS:
        source, target = modalities(direction)
        if not all(prompt.has(source) for prompt in prompts):
            result["left_out"][direction] = "prompts without recordings, or no tokenizer"
        elif target == "S" and (model.vocoder is None or judges.recognizer is None):
            result["left_out"][direction] = "no vocoder, or no recognizer (--asr)"
        else:
            continuations = _generate_texts(model, prompts, direction, judges.recognizer, seed)
            result["model"][direction] = judges.report(texts, continuations)
            result["rows"][direction] = list(zip(texts, continuations, strict=True))
    return result


def _generate_texts(
    model: EvaluatedModel, prompts: list[TextAndSpeech], direction: str, recognizer: Recognizer | None, seed: int
) -> list[str]:
    """Generate the continuation of each prompt, as text or as the transcript of its speech."""
    modality = MODALITY_NAMES[modalities(direction)[1]]
    continuations = generate_continuations(
        model.network,
        model.vocabulary,
        [prompt_ids(model.vocabulary, prompt, direction) for prompt in prompts],
        modality,
        Sampling(NEW_TOKENS[modality], temperature=0.8, top_p=0.95, seed=seed),
        title=direction,
    )
    if modality == "text":
        return [model.vocabulary.text.decode(ids.tolist()) for ids in continuations]
    if model.vocoder is None or recognizer is None:
        raise ValueError(f"{direction}: continuations in speech need a vocoder and a recognizer")
    waveforms = []
    for ids in continuations:
        tokens = model.vocabulary.tokens(ids)
        waveforms.append(model.vocoder(tokens) if len(tokens) else torch.zeros(0))
    return recognizer(waveforms, model.sample_rate)
