"""Things to listen to."""

import json
from pathlib import Path

from zoo.audio import read, write
from zoo.files import write_text
from zoo.language.generation import Sampling
from zoo.language.speech_text_model import SpeechTextModel
from zoo.tokens.store import TokenTable


def make_samples(
    out: Path,
    language_model: Path,
    tokenizer: Path,
    vocoder: Path,
    tokens: Path,
    split: str = "dev",
    count: int = 4,
    prompt_seconds: float = 3.0,
    max_new_tokens: int = 150,
    seed: int = 0,
) -> dict[str, str]:
    """Speak held-out units again, and let the model go on in every direction.

    Args:
        out: Gets WAV files and ``samples.json``, which tells what is said in them.
        language_model: ``model`` folder of a language model.
        tokenizer: Folder of its speech tokenizer.
        vocoder: Folder of a vocoder of the same units.
        tokens: Folder filled by a tokens stage.
        split: Where the prompts are taken from.
        count: Utterances.
        prompt_seconds: Of speech in a spoken prompt; a written one is what is said in that time.
        max_new_tokens: Where generation stops if the model does not end it.
        seed: Of the sampling.
    """
    model = SpeechTextModel.load(out, language_model, tokenizer, vocoder)
    table = TokenTable(tokens, split)
    rows = [row for row in table if row.audio and row.words and row.duration > prompt_seconds]
    samples = []
    for number, row in enumerate(rows[:: max(1, len(rows) // count)][:count]):
        waveform = read(Path(row.audio), model.tokenizer.sample_rate, row.start, row.duration)
        write(out / f"{number}_original.wav", waveform, model.tokenizer.sample_rate)
        resynthesis = model.vocoder(row.units, predict_durations=False)
        write(out / f"{number}_resynthesized.wav", resynthesis, model.vocoder.sample_rate)
        samples.append(
            {
                "id": row.id,
                "text": row.text,
                "original": f"{number}_original.wav",
                "resynthesized": f"{number}_resynthesized.wav",
            }
        )
        cut = max(1, sum(float(end) <= prompt_seconds for end in row.word_ends))
        heard, written = (
            waveform[: int(row.word_ends[cut - 1] * model.tokenizer.sample_rate)],
            " ".join(row.words[:cut]),
        )
        for way, prompt, to in (
            ("T->T", written, "text"),
            ("T->S", written, "speech"),
            ("S->T", heard, "text"),
            ("S->S", heard, "speech"),
        ):
            answer = model.generate([prompt], to, Sampling(max_new_tokens, seed=seed + number))
            sample = {
                "id": row.id,
                "direction": way,
                "prompt": written,
                "continuation": " ".join(map(str, answer.pieces)),
                "ended": answer.ended,
            }
            if answer.waveform is not None:
                sample["audio"] = f"{number}_{way.replace('->', '_to_')}.wav"
                write(out / sample["audio"], answer.waveform, answer.sample_rate)
            samples.append(sample)
    write_text(out / "samples.json", json.dumps(samples, indent=2, ensure_ascii=False) + "\n")
    return {"listen": str(out / "*.wav"), "what is said": str(out / "samples.json")}
