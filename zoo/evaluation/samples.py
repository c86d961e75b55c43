"""Audio samples of a speech-text model: resynthesis of held-out speech, and continuations in every direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.audio import read, write
from zoo.language.generation import Sampling
from zoo.language.speech_text_model import SpeechTextModel
from zoo.tokens.schema import TokenRow
from zoo.vocoder.vocoder import Vocoder


@dataclass(frozen=True)
class Prompt:
    """The beginning of an utterance as speech and as text.

    Args:
        waveform: Samples (N,).
        text: Words that are said in it.
    """

    waveform: Tensor
    text: str


def prompt_of(row: TokenRow, waveform: Tensor, sample_rate: int, seconds: float) -> Prompt:
    """Cut an utterance after its last word that ends within some seconds; after its first one if none does.

    Args:
        row: Utterance with word times.
        waveform: All of its samples (N,).
        sample_rate: Sample rate in Hz.
        seconds: Longest duration of the prompt.

    Raises:
        ValueError: If the utterance has no word times.
    """
    if row.words is None or row.word_ends is None:
        raise ValueError(f"{row.id}: no word times; a prompt is cut at the end of a word")
    num_words = max(1, sum(float(end) <= seconds for end in row.word_ends))
    end = int(row.word_ends[num_words - 1] * sample_rate)
    return Prompt(waveform[:end], " ".join(row.words[:num_words]))


def write_samples(
    out: Path,
    model: SpeechTextModel,
    rows: Sequence[TokenRow],
    prompt_seconds: float,
    max_new_tokens: int,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Write the recording, the resynthesis and the continuations of utterances as WAV files.

    Args:
        out: Folder of the files.
        model: Language model with tokenizer and vocoder.
        rows: Held-out utterances with audio and word times.
        prompt_seconds: Duration of a prompt in speech; a prompt in text is the words of that time.
        max_new_tokens: Number of tokens after which generation stops, if the model does not end it.
        seed: Seed of the sampling.

    Returns:
        Texts and file names of all samples, as JSON.

    Raises:
        ValueError: If the model has no vocoder, or an utterance no word times.
    """
    if model.vocoder is None:
        raise ValueError("the model has no vocoder, which samples of speech need: give the folder of one")
    samples = []
    for number, row in enumerate(rows):
        waveform = read(Path(row.audio), model.tokenizer.sample_rate, row.start, row.duration)
        samples.append(_write_resynthesis(out, model.vocoder, row, waveform, model.tokenizer.sample_rate, number))
        prompt = prompt_of(row, waveform, model.tokenizer.sample_rate, prompt_seconds)
        sampling = Sampling(max_new_tokens, seed=seed + number)
        for direction in ("T->T", "T->S", "S->T", "S->S"):
            samples.append(_write_continuation(out, model, row, prompt, direction, sampling, number))
    return samples


def _write_resynthesis(
    out: Path, vocoder: Vocoder, row: TokenRow, waveform: Tensor, sample_rate: int, number: int
) -> dict[str, Any]:
    original = f"{number}_original.wav"
    resynthesized = f"{number}_resynthesized.wav"
    write(out / original, waveform, sample_rate)
    write(out / resynthesized, vocoder(row.units, predict_durations=False), vocoder.sample_rate)
    return {"id": row.id, "text": row.text, "original": original, "resynthesized": resynthesized}


def _write_continuation(
    out: Path,
    model: SpeechTextModel,
    row: TokenRow,
    prompt: Prompt,
    direction: str,
    sampling: Sampling,
    number: int,
) -> dict[str, Any]:
    source, target = direction.split("->")
    start = prompt.text if source == "T" else prompt.waveform
    continuation = model.generate([start], "text" if target == "T" else "speech", sampling)
    sample: dict[str, Any] = {
        "id": row.id,
        "direction": direction,
        "prompt": prompt.text,
        "continuation": " ".join(map(str, continuation.segments)),
        "ended": continuation.ended,
    }
    if continuation.waveform is not None:
        sample["audio"] = f"{number}_{direction.replace('->', '_to_')}.wav"
        write(out / sample["audio"], continuation.waveform, continuation.sample_rate)
    return sample
