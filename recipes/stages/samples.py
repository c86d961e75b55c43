"""Audio samples of a trained model."""

import json
from pathlib import Path

from zoo.evaluation.samples import write_samples
from zoo.files import write_text
from zoo.language.speech_text_model import SpeechTextModel
from zoo.ranges import Seconds, Seed, Size
from zoo.tokens.store import TokenTable


def make_samples(
    out: Path,
    language_model: Path,
    tokenizer: Path,
    vocoder: Path,
    tokens: Path,
    split: str = "dev",
    count: Size = 4,
    prompt_seconds: Seconds = 3.0,
    max_new_tokens: Size = 150,
    seed: Seed = 0,
) -> dict[str, str]:
    """Resynthesize held-out speech, and generate continuations of it in every direction.

    Args:
        out: Output folder of WAV files and ``samples.json``, which has their texts.
        language_model: ``model`` folder of a language model.
        tokenizer: Folder of its speech tokenizer.
        vocoder: Folder of a vocoder of the same units.
        tokens: Folder written by a tokens stage.
        split: Split of the tokens that prompts are taken from.
        count: Number of utterances.
        prompt_seconds: Duration of a prompt in speech; a prompt in text is the words of that time.
        max_new_tokens: Maximum number of generated tokens.
        seed: Seed of the sampling.
    """
    model = SpeechTextModel.load(out, language_model, tokenizer, vocoder)
    table = TokenTable(tokens, split)
    rows = [row for row in table if row.audio and row.words and row.duration > prompt_seconds]
    spread = rows[:: max(1, len(rows) // count)][:count]
    samples = write_samples(out, model, spread, prompt_seconds, max_new_tokens, seed)
    write_text(out / "samples.json", json.dumps(samples, indent=2, ensure_ascii=False) + "\n")
    return {"audio": str(out / "*.wav"), "texts": str(out / "samples.json")}
