"""Comparison of tokenizers with their vocoders on any corpus: resynthesis, judged beside the recordings."""

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.stages.comparison import write_measures
from recipes.stages.held_out_speech import read_speech
from recipes.stages.vocoder_utterances import with_other_recordings
from zoo.comparison.resynthesis_examples import write_examples
from zoo.comparison.resynthesis_measures import (
    VariantResynthesis,
    join_examples,
    judge_anchors,
    resynthesis_measures,
    resynthesize_variant,
)
from zoo.comparison.vocoders import griffin_lim_synthesizer
from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import UNKNOWN_SPEAKER, Utterance
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.resynthesis import BLOCK, ResynthesisItem, ResynthesisMetrics, Synthesizer
from zoo.evaluation.statistics import ItemScores
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.ranges import OptionalSize, Seed, Size
from zoo.speech.f0 import F0Extractor
from zoo.speech.f0_normalization import CenteredF0
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer, load_tokenizer
from zoo.tokens.contract import require_match
from zoo.vocoder.vocoder import Vocoder

MAX_UTTERANCES = 200
MIN_SECONDS = 0.5  # of an utterance; shorter ones say little, and may have no units
TABLE_UTTERANCES = 300  # training utterances that the spectra of Griffin-Lim are averaged over


def compare_vocoders(
    out: Path,
    corpus: Path,
    tokenizers: dict[str, Path],
    vocoders: dict[str, Path],
    f0: F0Extractor,
    judges: SpeechJudges | None = None,
    split: str = "dev",
    limit: Size | None = MAX_UTTERANCES,
    num_examples: OptionalSize = 3,
    seed: Seed = 0,
) -> dict[str, str]:
    """Encode the utterances of a split, resynthesize them, and compare them with the recordings.

    Args:
        out: Output folder of ``measures.json`` and of examples: audio, F0 contours and tokens.
        corpus: Folder written by a corpus stage. Griffin-Lim uses spectra of its train split, and is left out if there
            is none.
        tokenizers: Folders by name; the baseline is the first that has a vocoder.
        vocoders: Folders of the vocoders by name, each of a tokenizer of that name.
        f0: F0 extractor for the F0 errors. If a speaker is not among those of a vocoder, whose default voice then
            speaks, all F0 contours are scaled to a common geometric mean.
        judges: Judges of the recordings, the resynthesis and Griffin-Lim on the units of the baseline. None leaves
            their measures out.
        split: Split of the corpus; no vocoder should have been trained on it.
        limit: Largest number of utterances, which are held in memory; all if None.
        num_examples: Number of utterances that are written as examples.
        seed: Seed of the bootstraps.

    Raises:
        ValueError: If a vocoder has no tokenizer of its name or is of another one, or the split has no utterance.
    """
    loaded = _load_vocoders(tokenizers, vocoders)
    speakers = set.intersection(*(set(vocoder.speakers) for vocoder in loaded.values()))
    unseen = any(cut.supervisions[0].speaker not in speakers for cut in islice(read_cuts(corpus, split), limit))
    results: dict[str, VariantResynthesis] = {}
    anchors: dict[str, dict[str, ItemScores]] = {}
    for name, vocoder in loaded.items():
        tokenizer = load_tokenizer(tokenizers[name])
        utterances = encode_speech(corpus, split, tokenizer, limit)
        metrics = ResynthesisMetrics(tokenizer, {"f0": F0Errors(CenteredF0(f0) if unseen else f0)})
        blocks = [utterances[start : start + BLOCK] for start in range(0, len(utterances), BLOCK)]
        results[name] = resynthesize_variant(name, blocks, vocoder, metrics, f0, num_examples, judges)
        if not anchors and judges is not None:
            anchors = judge_anchors(blocks, judges, _griffin_lim(corpus, tokenizer), tokenizer.sample_rate)
    write_examples(out, join_examples(list(results.values())))
    scores = {name: result.scores for name, result in results.items()} | anchors
    notes: dict[str, Any] = {
        "splits": split,
        "speakers": "not all of the vocoders; others in the default voice" if unseen else "of the vocoders",
    }
    if judges is not None and judges.absent():
        notes["not_measured"] = judges.absent()
    return write_measures(out, resynthesis_measures(scores, seed, unseen), notes)


def _load_vocoders(tokenizers: dict[str, Path], vocoders: dict[str, Path]) -> dict[str, Vocoder]:
    """Load vocoders, each of which must be of the tokenizer of its name."""
    for name, folder in vocoders.items():
        if name not in tokenizers:
            raise ValueError(f"vocoder {name}={folder}: no tokenizer has this name; they are {', '.join(tokenizers)}")
        require_match(tokenizers[name], folder)
    return {name: Vocoder.load(vocoders[name]) for name in tokenizers if name in vocoders}


def encode_speech(corpus: Path, split: str, tokenizer: SpeechTokenizer, limit: int | None) -> list[ResynthesisItem]:
    """Return the first utterances of a split with their units, each with another recording of its speaker."""
    utterances = []
    for utterance, waveform in islice(read_speech(corpus, split, tokenizer.sample_rate, f"speech of {split}"), limit):
        if len(waveform) >= MIN_SECONDS * tokenizer.sample_rate:
            utterances.append(_encoded(utterance, waveform, tokenizer))
    if not utterances:
        raise ValueError(f"{corpus}: no utterance of {split!r} can be read")
    return with_other_recordings(utterances)


@torch.inference_mode()
def _encoded(utterance: Utterance, waveform: Tensor, tokenizer: SpeechTokenizer) -> ResynthesisItem:
    return ResynthesisItem(
        utterance.id,
        waveform,
        tokenizer.encode(waveform),
        None if utterance.speaker == UNKNOWN_SPEAKER else utterance.speaker,
        utterance.style,
        utterance.text,
        language=utterance.language,
    )


def _griffin_lim(corpus: Path, tokenizer: SpeechTokenizer) -> Synthesizer | None:
    """Return Griffin-Lim with the mean spectra of units in the train split; None if there is none."""
    if not (corpus / "train.jsonl.gz").is_file():
        return None
    training = encode_speech(corpus, "train", tokenizer, TABLE_UTTERANCES)
    return griffin_lim_synthesizer(training, tokenizer.streams[0], tokenizer.sample_rate)
