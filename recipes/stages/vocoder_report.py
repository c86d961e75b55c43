"""How trained vocoders do on held-out speech, beside an untrained one and Griffin-Lim."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.vocoder import VocoderDataModule
from zoo.audio import write
from zoo.evaluation.resynthesis import HeldOutUtterance, ResynthesisJudges, Speak, judge, mean
from zoo.files import write_text
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.metrics.speech_quality import InstalledQuality
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.seeds import seeded
from zoo.speech.f0 import F0Extractor
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer, load_tokenizer
from zoo.tokens.contract import require_match
from zoo.tokens.units import merge
from zoo.vocoder.griffin_lim import UnitMelTable
from zoo.vocoder.vocoder import Vocoder

HIGHER_IS_BETTER = ("pesq", "stoi")
UNTRAINED, GRIFFIN_LIM = "untrained", "griffin-lim"


def report_vocoders(
    out: Path,
    run: Path,
    data: VocoderDataModule,
    tokenizer: Path,
    vocoders: dict[str, Path],
    f0: F0Extractor,
    synthetic: bool,
    table_utterances: int = 500,
    num_examples: int = 3,
    seed: int = 0,
) -> dict[str, str]:
    """Speak the utterances that training kept for validation again from their raw units, and write figures and audio.

    Args:
        out: Gets WAV files and a copy of the report.
        run: Gets ``report.json`` and ``report.md``.
        data: As the vocoders were trained on; of several, the one with most streams.
        tokenizer: Folder of the speech tokenizer, which hears what was spoken.
        vocoders: Folders of trained vocoders by name.
        f0: Hears the melody.
        synthetic: Whether a machine spoke the corpus; said wherever its figures stand.
        table_utterances: Of the training data, for the mean spectra of Griffin-Lim.
        num_examples: Number of utterances that are written as audio.
        seed: Of the untrained network and the intervals.
    """
    for folder in vocoders.values():
        require_match(tokenizer, folder)
    data.setup("fit")
    hears, trained = load_tokenizer(tokenizer), {name: Vocoder.load(folder) for name, folder in vocoders.items()}
    spoken = [_spoken(data, int(row)) for row in data.validation]
    speaks: dict[str, Speak] = {name: _speaks(vocoder, data) for name, vocoder in trained.items()}
    speaks[UNTRAINED] = _speaks(_untrained(next(iter(trained.values())), seed), data)
    speaks[GRIFFIN_LIM] = _griffin_lim(data, hears, table_utterances)
    judges = ResynthesisJudges(hears, {"f0": F0Errors(f0), "quality": InstalledQuality(hears.sample_rate)})
    values, factors = _judge_all(speaks, spoken, judges)
    for name, vocoder in trained.items():
        values[name]["unit_edit_distance_durations_predicted"] = _with_predicted_durations(vocoder, data, hears)
    _write_audio(out, speaks, spoken[:num_examples], hears.sample_rate)
    report = {
        "synthetic_speech": synthetic,
        "utterances": len(spoken),
        "seconds": round(sum(len(s.waveform) for s in spoken) / hears.sample_rate, 1),
        "training_seconds": {name: _seconds(folder) for name, folder in vocoders.items()},
        "real_time_factor": factors,
        "systems": {
            name: {each: mean(row, seed).named("mean") for each, row in rows.items() if not np.isnan(row).all()}
            for name, rows in values.items()
        },
        "differences": {name: _differences(values, name, seed) for name in trained},
    }
    for folder in (out, run):
        write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
        write_text(folder / "report.md", _markdown(report, out))
    best = min(trained, key=lambda name: values[name]["mel_distance"].mean())
    return {
        "report": str(run / "report.md"),
        "best mel distance": f"{best}: {mean(values[best]['mel_distance'], seed)}",
        "listen": str(out / "*.wav"),
    }


def _spoken(data: VocoderDataModule, row: int) -> HeldOutUtterance:
    segment = data.rows.segment(row, 0, min(data.held_out.max_units, int(data.rows.lengths[row])))
    return HeldOutUtterance(
        data.rows.table[row].id, segment["waveform"], segment["units"], int(segment["speaker"]), int(segment["style"])
    )


def _speaks(vocoder: Vocoder, data: VocoderDataModule) -> Speak:
    def speak(spoken: HeldOutUtterance) -> Tensor:
        frames = {stream.prefix: spoken.units[stream.prefix].unsqueeze(0) for stream in vocoder.streams}
        speaker, style = (
            known.index(names[index]) if names[index] in known else default
            for known, names, index, default in (
                (vocoder.speakers, data.speakers, spoken.speaker, vocoder.default_speaker),
                (vocoder.styles, data.styles, spoken.style, vocoder.default_style),
            )
        )
        with torch.inference_mode():
            return vocoder.generator(frames, torch.tensor([speaker]), torch.tensor([style]))[0]

    return speak


def _untrained(like: Vocoder, seed: int) -> Vocoder:
    with seeded(seed):
        return Vocoder(type(like.generator).from_config(like.generator.config), like.streams, speakers=like.speakers)


def _griffin_lim(data: VocoderDataModule, tokenizer: SpeechTokenizer, count: int) -> Speak:
    phonetic = tokenizer.streams[0]
    table = UnitMelTable(phonetic.size, phonetic.rate, tokenizer.sample_rate)
    rows = np.random.default_rng(0).permutation(data.training)[:count]
    for spoken in (_spoken(data, int(row)) for row in tqdm(rows, "mean spectra", mininterval=1.0)):
        table.add(spoken.units[phonetic.prefix], spoken.waveform)
    return lambda spoken: table(spoken.units[phonetic.prefix])


def _judge_all(
    speaks: dict[str, Speak], spoken: Sequence[HeldOutUtterance], judges: ResynthesisJudges
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """Measures by system, and seconds of work in a second of speech."""
    values, factors, length = {}, {}, sum(len(each.waveform) for each in spoken) / judges.tokenizer.sample_rate
    for name, speak in tqdm(speaks.items(), "vocoders", mininterval=1.0):
        started = time.perf_counter()
        for each in spoken:
            speak(each)
        factors[name] = round((time.perf_counter() - started) / length, 5)
        values[name] = judge(speak, spoken, judges)
    return values, factors


@torch.inference_mode()
def _with_predicted_durations(vocoder: Vocoder, data: VocoderDataModule, tokenizer: SpeechTokenizer) -> np.ndarray:
    """Unit edit distance (utterances,) where the vocoder is given deduplicated tokens only; NaN without a duration predictor."""
    found = []
    for row in map(int, data.validation):
        limit = data.held_out.max_units / data.rows.unit_rate
        raw = {
            s.prefix: data.rows.table.array(row, s.prefix)[: max(1, round(limit * s.rate))].astype(np.int64)
            for s in vocoder.streams
        }
        name = data.speakers[data.rows.segment(row, 0, 1)["speaker"]]
        edits = UnitEditDistance()
        if vocoder.durations is not None:
            made = vocoder(merge(raw, vocoder.streams), name if name in vocoder.speakers else None)
            edits.update(tokenizer.encode(made)[vocoder.streams[0].prefix], raw[vocoder.streams[0].prefix])
        found.append(edits.compute().item())
    return np.array(found)


def _write_audio(out: Path, speaks: dict[str, Speak], spoken: Sequence[HeldOutUtterance], sample_rate: int) -> None:
    for number, each in enumerate(spoken):
        write(out / f"{number}_original.wav", each.waveform, sample_rate)
        for name, speak in speaks.items():
            write(out / f"{number}_{name.replace(' ', '_')}.wav", speak(each), sample_rate)


def _differences(values: dict[str, dict[str, np.ndarray]], name: str, seed: int) -> dict[str, Any]:
    """By other system and measure: this one less that one, over the same utterances."""
    paired: Callable[[np.ndarray, np.ndarray], dict] = lambda ours, theirs: mean(ours - theirs, seed).named("mean")
    return {
        other: {
            each: paired(values[name][each], rows[each])
            for each in rows
            if each in values[name] and not np.isnan(values[name][each] - rows[each]).all()
        }
        for other, rows in values.items()
        if other != name
    }


def _seconds(folder: Path) -> float | None:
    record = folder.parent / "stage.json"
    return json.loads(record.read_text())["seconds"] if record.is_file() else None


def _markdown(report: dict[str, Any], out: Path) -> str:
    speech = "speech made by a synthesizer" if report["synthetic_speech"] else "recorded speech"
    measures = list(dict.fromkeys(each for rows in report["systems"].values() for each in rows))
    head = [("vocoder", *(each.replace("_", " ") for each in measures), "training, s", "real-time factor")]
    rows = [
        (
            name,
            *(_cell(found.get(each)) for each in measures),
            _plain(report["training_seconds"].get(name)),
            f"{report['real_time_factor'][name]:.4f}",
        )
        for name, found in report["systems"].items()
    ]
    less = [("difference", *head[0][1:-2])]
    less += [
        (f"{name} less {other}", *(_cell(found.get(each)) for each in measures))
        for name, others in report["differences"].items()
        for other, found in others.items()
    ]
    return (
        f"# Vocoders\n\n{report['utterances']} utterances ({report['seconds']} s) of {speech}, kept from training, by voices that were trained, "
        f"spoken again from their raw units. Mean and 95% interval over utterances; higher is better for {' and '.join(HIGHER_IS_BETTER)}, "
        f"lower for all else. Log-F0 errors are in octaves.\n\n{_table(head + rows)}\n\nPaired differences:\n\n{_table(less)}\n\nListen to {out}/*.wav.\n"
    )


def _cell(found: dict[str, Any] | None) -> str:
    return f"{found['mean']:.3f} ({found['interval'][0]:.3f} to {found['interval'][1]:.3f})" if found else ""


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "-|" * len(rows[0]), *lines[1:]])
