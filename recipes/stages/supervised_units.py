"""Supervised units: features of transcribed speech, and the bottleneck that is trained on them."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import lightning as L
import torch

from datamodules.transcribed_features import TranscribedFeaturesDataModule
from lightningmodules.supervised_units import SupervisedUnits
from lightningmodules.training_logs import where_logged
from recipes.stages.training import fit
from zoo.comparison.transcript_probe import ProbeTraining, TranscribedUnits, probe_transcripts
from zoo.comparison.transcripts import UnitTranscripts, transcripts_markdown, transcripts_report
from zoo.corpora.preparation import first_hours, read_cuts
from zoo.files import read_json, write_text
from zoo.ranges import Hours, PositiveInt, Probability, Seconds, Size
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.feature_store import FeatureWriter, require_encoder, write_encoder, write_features
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.transcript_labels import Characters, normalize_transcript
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer
from zoo.tokenizers.tally import Tally, write_skipped
from zoo.tokenizers.tokenization import LoadedUtterance, load_utterances

BATCH_SECONDS = 60.0


def store_features(
    out: Path,
    corpus: Path,
    encoder: SpeechEncoder,
    hours: Hours | None = None,
    max_seconds: Seconds = 30.0,
    max_bad_share: Probability = 0.05,
) -> dict[str, str]:
    """Compute the features of transcribed speech once, on a GPU where there is one, and store them.

    Args:
        out: Output folder of the features, the characters of the transcripts and the list of unreadable audio.
        corpus: Folder written by a corpus stage.
        encoder: Frozen encoder.
        hours: Hours of training speech. Defaults to all.
        max_seconds: Longest utterance that is used, in seconds; longer ones, and those without text, are left out.
        max_bad_share: Largest share of the utterances that may be unreadable.

    Raises:
        ValueError: If a larger share of the utterances is unreadable, or a split has no utterance that can be used.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(device).requires_grad_(False)
    tallies = []
    lines = {}
    for split in ("train", "dev"):
        tally = Tally()
        cuts = first_hours(read_cuts(corpus, split), hours if split == "train" else None)
        utterances = load_utterances(cuts, encoder.sample_rate, tally, f"features of {split}")
        with write_features(out, split) as writer:
            texts = _write(utterances, encoder, writer, tally, max_seconds)
            tallies.append(tally)
            write_skipped(out / "skipped.jsonl", tallies)
            tally.check(max_bad_share, out / "skipped.jsonl")
            if not texts:
                raise ValueError(f"{corpus}: no utterance of {split!r} has a text and at most {max_seconds:g} s")
        if split == "train":
            Characters.of_texts(texts).save(out)
        lines[split] = f"{len(texts)} of {tally.utterances} utterances, {writer.frames} frames"
    write_encoder(out, encoder.cpu())
    return lines


def _write(
    utterances: Iterable[LoadedUtterance],
    encoder: SpeechEncoder,
    writer: FeatureWriter,
    tally: Tally,
    max_seconds: float,
) -> list[str]:
    """Write the features of all utterances that have a text and are not too long, and return their texts."""
    first = next(chain(encoder.parameters(), encoder.buffers()), torch.zeros(()))
    texts = []
    for batch in _batches(utterances, encoder, tally, max_seconds):
        with torch.inference_mode():
            features = encoder.batch([loaded.waveform.to(first.device) for loaded in batch])
        for loaded, rows in zip(batch, features, strict=True):
            writer.append(loaded.utterance.id, loaded.utterance.text, rows)
            texts.append(loaded.utterance.text)
    return texts


def _batches(
    utterances: Iterable[LoadedUtterance], encoder: SpeechEncoder, tally: Tally, max_seconds: float
) -> Iterator[list[LoadedUtterance]]:
    """Yield the utterances that can be used in batches of up to ``BATCH_SECONDS``."""
    batch: list[LoadedUtterance] = []
    num_samples = 0
    for loaded in utterances:
        tally.utterances += 1
        seconds = len(loaded.waveform) / encoder.sample_rate
        too_short = len(loaded.waveform) < encoder.min_samples
        if too_short or seconds > max_seconds or not normalize_transcript(loaded.utterance.text):
            continue
        if batch and num_samples + len(loaded.waveform) > BATCH_SECONDS * encoder.sample_rate:
            yield batch
            batch = []
            num_samples = 0
        batch.append(loaded)
        num_samples += len(loaded.waveform)
    if batch:
        yield batch


def train_supervised_units(
    out: Path,
    model: SupervisedUnits,
    data: TranscribedFeaturesDataModule,
    encoder: SpeechEncoder,
    trainer: L.Trainer,
    checkpoint_every: PositiveInt = 100,
) -> dict[str, str]:
    """Train a bottleneck that keeps the transcript, and save the Base tokenizer with it.

    Args:
        out: Output folder of ``tokenizer/``, ``checkpoints/last.ckpt``, ``metrics.json`` and TensorBoard ``logs/``.
        model: LightningModule of the quantizer and its head.
        data: Stored features with transcripts.
        encoder: Encoder that the features were computed with.
        trainer: Lightning trainer, which sets the number of steps and the accelerator.
        checkpoint_every: Number of optimizer steps between checkpoints, from which an interrupted run resumes.

    Raises:
        ValueError: If the features were computed with another encoder, or differ in width from what the quantizer
            takes.
    """
    require_encoder(data.train_store.folder, encoder)
    if model.quantizer.dim != encoder.dim:
        raise ValueError(
            f"the quantizer takes features of width {model.quantizer.dim}, but the encoder's have {encoder.dim}: "
            f"set the width that the recipe gives its first layer, such as feature_dim, to {encoder.dim}"
        )
    PhoneticUnits(encoder, model.quantizer)  # raises before the training, rather than after it, if they do not fit
    model.train()
    metrics = fit(out, model, data, trainer, checkpoint_every)
    if trainer.is_global_zero:
        Base(PhoneticUnits(encoder, model.quantizer.cpu())).save(out / "tokenizer")
    return {
        "errors of the head": f"{metrics['val/character_error']:.1%} of characters, {metrics['val/word_error']:.1%} "
        "of words",
        "units": f"{metrics['val/codes_used']:.0%} of {model.quantizer.size} used, perplexity "
        f"{metrics['val/perplexity']:.0f}, {metrics['val/bits_per_second']:.0f} bits a second",
        **where_logged(trainer),
    }


def compare_transcripts(
    out: Path,
    corpus: Path,
    tokenizers: dict[str, Path],
    training: ProbeTraining,
    hours: Hours | None = None,
    limit: Size | None = None,
) -> dict[str, str]:
    """Compare how much of the transcript the phonetic units of tokenizers keep.

    For each tokenizer, the same small reader is trained on its units of the train split and reads those of the dev
    split.

    Args:
        out: Output folder of ``transcripts.json`` and ``transcripts.md``, which say whether the corpus was made by a
            synthesizer.
        corpus: Folder written by a corpus stage.
        tokenizers: Folders by name, the baseline first.
        training: Size and training of the reader.
        hours: Hours of training speech. Defaults to all.
        limit: Largest number of utterances of the dev split; all if None.
    """
    readings = {}
    for name, folder in tokenizers.items():
        extractor = load_tokenizer(folder).unit_extractors["Hu"]
        train = _transcribed(corpus, "train", extractor, hours, None)
        test = _transcribed(corpus, "dev", extractor, None, limit)
        reading = probe_transcripts(train, test, extractor.stream.size, training)
        readings[name] = UnitTranscripts.measure(reading, test, extractor.stream.size, extractor.stream.rate)
    synthetic = read_json(corpus / "corpus.json")["synthetic"]
    report = {"synthetic_speech": synthetic, "units": transcripts_report(readings)}
    write_text(out / "transcripts.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "transcripts.md", transcripts_markdown(readings, synthetic))
    lines = {}
    for name, measured in readings.items():
        lines[f"word errors, {name}"] = str(measured.reading.words.estimate())
    return {**lines, "transcripts": str(out / "transcripts.md")}


def _transcribed(
    corpus: Path, split: str, extractor: UnitExtractor, hours: float | None, limit: int | None
) -> TranscribedUnits:
    """Encode the utterances of a split that have a text."""
    cuts = first_hours(read_cuts(corpus, split), hours)
    units = []
    texts = []
    for loaded in load_utterances(cuts, extractor.sample_rate, Tally(), f"units of {split}"):
        if len(loaded.waveform) >= extractor.min_samples and normalize_transcript(loaded.utterance.text):
            units.append(extractor.encode(loaded.waveform))
            texts.append(loaded.utterance.text)
        if limit is not None and len(units) >= limit:
            break
    return TranscribedUnits(units, texts)
