"""Evaluation of tokenizers on unseen speakers, by cross-validation over folds of the speakers."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from recipes.stages.comparison import write_measures
from recipes.stages.held_out_speech import read_speech
from zoo.comparison.unseen_speakers import STYLE, StyledUnits, contour_errors, style_hits, unseen_measures
from zoo.corpora.utterance import Utterance
from zoo.ranges import Seed
from zoo.speech.pitch_units import PitchUnits
from zoo.tokenizers.speech_tokenizer import UnitTokenizer, load_tokenizer

SAMPLE_RATE = 16000

Speech = Iterable[tuple[Utterance, Tensor]]


def measure_unseen_speakers(
    out: Path, corpora: list[Path], tokenizers: dict[str, list[Path]], seed: Seed = 0
) -> dict[str, str]:
    """Measure the style and F0 information in the units of unseen speakers, pooled over all folds.

    The style probe of a fold is fitted to its train split, like the tokenizers, and tested on its dev split.

    Args:
        out: Output folder of ``measures.json``.
        corpora: Prepared corpora, one per fold, each with other speakers in dev; see ``zoo.corpora.SpeakerFold``.
        tokenizers: Folders by name, the baseline first: one tokenizer per fold, trained on the train split of the fold.
        seed: Seed of the bootstraps.

    Raises:
        ValueError: If the number of tokenizers of a variant differs from the number of folds.
    """
    for name, folders in tokenizers.items():
        if len(folders) != len(corpora):
            raise ValueError(
                f"tokenizers.{name}: {len(folders)} for {len(corpora)} parts of the corpus; "
                "want one trained without each"
            )
    scores: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in tokenizers}
    styles: list[str] = []
    for number, corpus in enumerate(corpora):
        variants = {name: load_tokenizer(folders[number]) for name, folders in tokenizers.items()}
        pitch = _pitch_units(variants)
        min_samples = max(tokenizer.min_samples for tokenizer in variants.values())
        unseen = list(_styled(corpus, "dev", min_samples))
        styles += [utterance.style for utterance, _ in unseen if utterance.style]
        for name, tokenizer in variants.items():
            seen = _encode(tokenizer, _styled(corpus, "train", min_samples))
            of_part = {STYLE: style_hits(tokenizer.streams, seen, _encode(tokenizer, unseen))}
            if pitch is not None:
                has_pitch = pitch.stream.prefix in tokenizer.unit_extractors
                errors = [contour_errors(waveform, pitch, has_pitch) for _, waveform in unseen]
                for key in errors[0]:
                    of_part[key] = np.array([of_utterance[key] for of_utterance in errors])
            scores[name].append(of_part)
    chance = max(styles.count(style) for style in set(styles)) / len(styles)
    notes = {"parts": len(corpora), "utterances": len(styles)}
    return write_measures(out, unseen_measures(scores, chance, seed), notes)


def _pitch_units(variants: Mapping[str, UnitTokenizer]) -> PitchUnits | None:
    """Return the pitch units of the first variant that has any."""
    for tokenizer in variants.values():
        for extractor in tokenizer.unit_extractors.values():
            if isinstance(extractor, PitchUnits):
                return extractor
    return None


def _styled(corpus: Path, split: str, min_samples: int) -> Iterator[tuple[Utterance, Tensor]]:
    """Yield utterances that have a style and are long enough for every tokenizer, with their waveforms (N,)."""
    for utterance, waveform in read_speech(corpus, split, SAMPLE_RATE, f"{corpus.name}, {split}"):
        if utterance.style and len(waveform) >= min_samples:
            yield utterance, waveform


def _encode(tokenizer: UnitTokenizer, speech: Speech) -> StyledUnits:
    units = []
    styles = []
    for utterance, waveform in speech:
        units.append(tokenizer.encode(waveform))
        styles.append(utterance.style or "")
    return StyledUnits(units, styles)
