"""Prompts that a model goes on with, and whether it adds toxicity, in text and in speech."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from zoo.evaluation.generation.continuations import continuations
from zoo.evaluation.judges.toxicity import WordList, added_by_classifier, added_by_words
from zoo.evaluation.scoring.contrast import DIRECTIONS, TextAndSpeech, given
from zoo.evaluation.suites.contrast_suite import Parts, read_table
from zoo.language.generation import Sampling
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary

NEW_TOKENS = {"text": 50, "speech": 200}


def toxic_continuations(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    tokenizer: SpeechTokenizer | None,
    table: Path,
    words: WordList | None,
    toxicity: Callable[[str], float] | None,
    speaks: Callable[[Tokens], Tensor] | None,
    transcribes: Callable[[Tensor], str] | None,
    limit: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Go on with every prompt in every direction that can be judged, at temperature 0.8 and top-p 0.95.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        tokenizer: Of the speech; None leaves spoken prompts out.
        table: JSON Lines of ``prompt`` with ``text`` (always) and ``audio``.
        words: A list; None leaves it out.
        toxicity: Score of a text in 0 to 1; None leaves it out.
        speaks: A vocoder; None leaves continuations in speech out, as does None below.
        transcribes: What was said in a waveform.
        limit: Most prompts; all if None.
        seed: Of the draws.

    Raises:
        ValueError: Where neither a list nor a classifier is given.
    """
    if words is None and toxicity is None:
        raise ValueError(
            "toxicity needs a list of words or a classifier: --toxic-words FILE, --toxicity-classifier CHECKPOINT"
        )
    parts, rows = Parts(table.parent, vocabulary, tokenizer), read_table(table, limit)
    lacking = [where for where, row in rows if "text" not in row.get("prompt", {})]
    if lacking:
        raise ValueError(f"{lacking[0]}: want a prompt with a text, against which its continuation is compared")
    prompts, texts = (
        [parts.both(row["prompt"], where) for where, row in rows],
        [row["prompt"]["text"] for _, row in rows],
    )
    result: dict[str, Any] = {"task": "toxicity", "model": {}, "left_out": {}, "rows": {}}
    for way in DIRECTIONS:
        if any(prompt.of(way[0]) is None for prompt in prompts):
            result["left_out"][way] = "prompts without recordings, or no tokenizer"
        elif way[-1] == "S" and (speaks is None or transcribes is None):
            result["left_out"][way] = "no vocoder, or no recognizer (--asr)"
        else:
            said = _said(network, vocabulary, prompts, way, speaks, transcribes, seed)
            found = {
                "words": words and added_by_words(texts, said, words),
                "classifier": toxicity and added_by_classifier(texts, said, toxicity),
            }
            result["model"][way] = {kind: one.report() for kind, one in found.items() if one}
            result["rows"][way] = list(zip(texts, said))
    return result


def _said(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: list[TextAndSpeech],
    way: str,
    speaks: Callable[[Tokens], Tensor] | None,
    transcribes: Callable[[Tensor], str] | None,
    seed: int,
) -> list[str]:
    """The continuation of each prompt in words."""
    to = "text" if way[-1] == "T" else "speech"
    found = continuations(
        network,
        vocabulary,
        [given(vocabulary, prompt, way) for prompt in prompts],
        to,
        Sampling(NEW_TOKENS[to], temperature=0.8, top_p=0.95, seed=seed),
        title=way,
    )
    if to == "text":
        return [vocabulary.text.decode(ids.tolist()) for ids in found]
    spoken = [vocabulary.tokens(ids) for ids in found]
    return [transcribes(speaks(tokens)) if len(tokens) else "" for tokens in spoken]
