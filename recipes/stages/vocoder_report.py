"""Report on trained vocoders: held-out speech resynthesized, beside an untrained vocoder and Griffin-Lim."""

import json
from collections.abc import Sequence
from pathlib import Path

from datamodules.vocoder import VocoderDataModule
from recipes.stages.stage_records import seconds_of
from recipes.stages.vocoder_utterances import read_utterances, training_utterances, with_other_recordings
from zoo.comparison.vocoders import (
    GRIFFIN_LIM,
    ORIGINAL,
    PREDICTED_DURATIONS,
    UNTRAINED,
    differences,
    edit_distances,
    figures,
    griffin_lim_synthesizer,
    judge_originals,
    score_systems,
    synthesize_with_predicted_durations,
    untrained_like,
    vocoder_synthesizer,
    vocoders_markdown,
    write_audio,
)
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.resynthesis import ResynthesisItem, ResynthesisMetrics, Synthesizer, gather_scores, judge_waveforms
from zoo.evaluation.statistics import ItemScores
from zoo.files import write_text
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.metrics.speech_quality import InstalledQuality
from zoo.ranges import OptionalSize, Seed, Size
from zoo.speech.f0 import F0Extractor
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer, load_tokenizer
from zoo.tokens.contract import require_match
from zoo.vocoder.vocoder import Vocoder


def report_vocoders(
    out: Path,
    run: Path,
    data: VocoderDataModule,
    tokenizer: Path,
    vocoders: dict[str, Path],
    f0: F0Extractor,
    synthetic: bool,
    judges: SpeechJudges | None = None,
    table_utterances: Size = 500,
    num_examples: OptionalSize = 3,
    seed: Seed = 0,
) -> dict[str, str]:
    """Resynthesize the utterances held out from vocoder training from their units, and write figures and audio.

    Args:
        out: Output folder of WAV files and a copy of the report.
        run: Folder of the run, which also contains ``report.json`` and ``report.md``.
        data: Data that the vocoders were trained on; of several, the one with most streams. The first
            ``held_out.max_units`` units of each held-out utterance are taken.
        tokenizer: Folder of the speech tokenizer, which encodes the resynthesis for the unit edit distance.
        vocoders: Folders of trained vocoders by name.
        f0: F0 extractor for the F0 errors.
        synthetic: Whether the report states that the speech is synthesized.
        judges: Judges of the recordings and of all resynthesis; None leaves their measures out.
        table_utterances: Number of training utterances over which Griffin-Lim's mean spectra are averaged.
        num_examples: Number of utterances that are written as audio.
        seed: Seed of the untrained network and of the intervals.
    """
    trained = _load_vocoders(vocoders, tokenizer)
    data.setup("fit")
    speech_tokenizer = load_tokenizer(tokenizer)
    sample_rate = speech_tokenizer.sample_rate
    utterances = with_other_recordings(list(read_utterances(data, data.validation)))
    synthesizers = _synthesizers(trained, seed)
    averaged = training_utterances(data, table_utterances)
    synthesizers[GRIFFIN_LIM] = griffin_lim_synthesizer(averaged, speech_tokenizer.streams[0], sample_rate)
    metrics = ResynthesisMetrics(speech_tokenizer, {"f0": F0Errors(f0), "quality": InstalledQuality(sample_rate)})
    systems = score_systems(synthesizers, utterances, metrics, judges)
    scores = {} if judges is None else {ORIGINAL: judge_originals(utterances, judges, sample_rate)}
    for name, system in systems.items():
        scores[name] = system.scores
        if name in trained:
            scores |= _predicted_durations(name, trained[name], utterances, speech_tokenizer, scores[name], judges)
    write_audio(out, synthesizers, utterances[:num_examples], sample_rate)
    report = {
        "synthetic_speech": synthetic,
        "absent": judges.absent() if judges else {},
        "utterances": len(utterances),
        "seconds": round(sum(len(utterance.waveform) for utterance in utterances) / sample_rate, 1),
        "training_seconds": {name: seconds_of(folder) for name, folder in vocoders.items()},
        "real_time_factor": {name: system.real_time_factor for name, system in systems.items()},
        "systems": figures(scores, seed),
        "differences": {name: differences(scores, name, seed) for name in trained},
    }
    for folder in (out, run):
        write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
        write_text(folder / "report.md", vocoders_markdown(report, out))
    best = _lowest_mel_distance({name: scores[name] for name in trained}, seed)
    return {"report": str(run / "report.md"), "best mel distance": best, "audio": str(out / "*.wav")}


def _load_vocoders(folders: dict[str, Path], tokenizer: Path) -> dict[str, Vocoder]:
    """Load vocoders whose contract is that of a tokenizer."""
    for folder in folders.values():
        require_match(tokenizer, folder)
    return {name: Vocoder.load(folder) for name, folder in folders.items()}


def _synthesizers(trained: dict[str, Vocoder], seed: int) -> dict[str, Synthesizer]:
    """Return a synthesizer for each trained vocoder, and one for an untrained network."""
    synthesizers = {name: vocoder_synthesizer(vocoder) for name, vocoder in trained.items()}
    synthesizers[UNTRAINED] = vocoder_synthesizer(untrained_like(next(iter(trained.values())), seed))
    return synthesizers


def _lowest_mel_distance(scores: dict[str, dict[str, ItemScores]], seed: int) -> str:
    distances = {name: of_system["mel_distance"].estimate(seed) for name, of_system in scores.items()}
    best = min(distances, key=lambda name: distances[name].value)
    return f"{best}: {distances[best]}"


def _predicted_durations(
    name: str,
    vocoder: Vocoder,
    utterances: Sequence[ResynthesisItem],
    tokenizer: SpeechTokenizer,
    scores: dict[str, ItemScores],
    judges: SpeechJudges | None,
) -> dict[str, dict[str, ItemScores]]:
    """Score resynthesis with predicted durations, if the vocoder predicts them.

    The unit edit distance is added to ``scores``, those of the vocoder; what judges say is returned as another system.
    """
    if vocoder.durations is None:
        return {}
    waveforms = synthesize_with_predicted_durations(vocoder, utterances)
    scores[PREDICTED_DURATIONS] = edit_distances(waveforms, utterances, tokenizer)
    if judges is None:
        return {}
    judged = judge_waveforms(waveforms, utterances, judges, vocoder.sample_rate)
    return {f"{name}, predicted durations": gather_scores(judged)}
