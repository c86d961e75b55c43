"""Tokenizers trained without one part of the speakers after another, measured on those speakers."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from recipes.stages.comparison import write_rows
from zoo.comparison.unseen_speakers import STYLE, Heard, melody_errors, style_hits, unseen_rows
from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import Utterance
from zoo.speech.pitch_units import PitchUnits
from zoo.tokenizers.speech_tokenizer import UnitTokenizer, load_tokenizer
from zoo.tokenizers.tally import Tally
from zoo.tokenizers.tokenization import load_utterances


def measure_unseen_speakers(
    out: Path, corpora: list[Path], tokenizers: dict[str, list[Path]], seed: int = 0
) -> dict[str, str]:
    """Measure what the units tell of the style and the melody of speakers that nothing was trained on, and pool all parts.

    The probe is fitted to the train split of a part, which its tokenizers were trained on, and tested on its dev split.

    Args:
        out: Gets ``rows.json``.
        corpora: Folders of the parts, each with other speakers in dev; ``zoo.corpora.SpeakerFold`` makes them.
        tokenizers: Folders by name, the baseline first; for each part the one that was trained on its train split.
        seed: Of the bootstraps.

    Raises:
        ValueError: Where a variant has not as many tokenizers as there are parts.
    """
    values: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in tokenizers}
    styles: list[str] = []
    for number, corpus in enumerate(corpora):
        variants = {
            name: load_tokenizer(_of(folders, number, name, len(corpora))) for name, folders in tokenizers.items()
        }
        pitch = next(
            (part for one in variants.values() for part in one.extractors.values() if isinstance(part, PitchUnits)),
            None,
        )
        shortest = max(one.min_samples for one in variants.values())
        unseen = list(_styled(corpus, "dev", shortest))
        styles += [spoken.style for spoken, _ in unseen]
        for name, tokenizer in variants.items():
            found = {
                STYLE: style_hits(
                    tokenizer, _heard(tokenizer, _styled(corpus, "train", shortest)), _heard(tokenizer, unseen)
                )
            }
            if pitch is not None:
                melody = [melody_errors(wave, pitch, pitch.stream.prefix in tokenizer.extractors) for _, wave in unseen]
                found |= {key: np.array([one[key] for one in melody]) for key in melody[0]}
            values[name].append(found)
    chance = max(styles.count(style) for style in set(styles)) / len(styles)
    return write_rows(out, unseen_rows(values, chance, seed), {"parts": len(corpora), "utterances": len(styles)})


def _of(folders: list[Path], number: int, name: str, parts: int) -> Path:
    if len(folders) != parts:
        raise ValueError(
            f"tokenizers.{name}: {len(folders)} for {parts} parts of the corpus; want one trained without each"
        )
    return folders[number]


def _styled(corpus: Path, split: str, min_samples: int) -> Iterator[tuple[Utterance, Tensor]]:
    """Utterances that have a style and are long enough for every tokenizer, with their waveforms at 16 kHz."""
    for loaded in load_utterances(read_cuts(corpus, split), 16000, Tally(), f"{corpus.name}, {split}"):
        if loaded.utterance.style and len(loaded.waveform) >= min_samples:
            yield loaded.utterance, loaded.waveform


def _heard(tokenizer: UnitTokenizer, spoken: Iterable[tuple[Utterance, Tensor]]) -> Heard:
    units, styles = zip(*((tokenizer.encode(wave), one.style) for one, wave in spoken))
    return Heard(units, styles)
