import json

import soundfile

from recipes.stages.samples import make_samples
from recipes.stages.tokens import tokenize_corpus
from tests.toy_run import write_run

DIRECTIONS = ["T->T", "T->S", "S->T", "S->S"]


def test_every_utterance_is_resynthesized_and_continued_in_every_direction(tmp_path):
    write_run(tmp_path)
    tokenizer = tmp_path / "tokenizer" / "tokenizer"
    vocabulary = tmp_path / "language_model" / "model"  # holds the vocabulary with its contract
    tokenize_corpus(tmp_path / "tokens", tmp_path / "corpus", tokenizer, vocabulary)
    out = tmp_path / "samples"
    out.mkdir()
    make_samples(
        out,
        tmp_path / "language_model" / "model",
        tokenizer,
        tmp_path / "vocoder" / "vocoder",
        tmp_path / "tokens",
        split="train",
        count=2,
        prompt_seconds=1.0,
        max_new_tokens=10,
    )
    samples = json.loads((out / "samples.json").read_text())
    assert len(samples) == 2 * (1 + len(DIRECTIONS))
    assert [sample["direction"] for sample in samples[1:5]] == DIRECTIONS
    resynthesized, _ = soundfile.read(out / samples[0]["resynthesized"])
    original, _ = soundfile.read(out / samples[0]["original"])
    assert len(resynthesized) > 0.9 * len(original) > 0
    prompt = samples[1]["prompt"]
    assert samples[0]["text"].startswith(prompt.split()[0]) and len(prompt) < len(samples[0]["text"])
