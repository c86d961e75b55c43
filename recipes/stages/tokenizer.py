"""Speech tokenizers and vocabularies, trained on a corpus."""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import to_utterance
from zoo.files import atomic_folder, write_text
from zoo.ranges import Hours, NonNegativeFloat, NumUnits, PositiveInt, Probability, Seed, Size, TextSize
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.frame_spool import FrameSpool
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.clustering import FeatureSampling, cluster_features, sample_features
from zoo.tokenizers.speech_tokenizer import Base, UnitTokenizer, load_tokenizer
from zoo.tokenizers.tally import Tally, write_skipped
from zoo.tokenizers.tokenization import LoadedUtterance, load_utterances
from zoo.tokens.contract import write_contract
from zoo.tokens.text_tokenizer import TextTokenizer, train_text_tokenizer
from zoo.tokens.vocabulary import Vocabulary

ADAPTATION_UTTERANCES = 200
SHUFFLE_BUFFER = 20_000  # utterances


def train_base_tokenizer(
    out: Path,
    corpus: Path,
    encoder: SpeechEncoder,
    num_clusters: NumUnits = 500,
    switch_penalty: NonNegativeFloat = 0.0,
    hours: Hours = 10.0,
    max_frames: PositiveInt = 500_000,
    passes: Size = 10,
    max_bad_share: Probability = 0.05,
    seed: Seed = 0,
) -> dict[str, str]:
    """Fit k-means to features of sampled training speech, and save the Base tokenizer.

    Args:
        out: Output folder of the tokenizer, ``kmeans.json``, TensorBoard ``logs/`` and the list of unreadable audio.
        corpus: Folder written by a corpus stage.
        encoder: Waveform to features. One that adapts to a corpus, such as by vocal tract length, does so first.
        num_clusters: Number of phonetic units.
        switch_penalty: Cost of a change of unit, in mean squared distances; above 0 for features without context.
        hours: Hours of speech, sampled from the train split, whose frames are encoded.
        max_frames: About how many frames of ``hours`` of speech are kept on disk, sampled at random; proportionally
            fewer if the split is shorter. Memory does not grow with it.
        passes: Number of passes over the kept frames.
        max_bad_share: Largest share of the sampled utterances that may be unreadable.
        seed: Seed of the sampling and the clustering.

    Raises:
        ValueError: If a larger share of the sampled utterances is unreadable.
    """
    adaptation = _shuffled_utterances(corpus, encoder, Tally(), seed, "adaptation")
    encoder.adapt(loaded.waveform for loaded in islice(adaptation, ADAPTATION_UTTERANCES))
    tally = Tally()
    with FrameSpool(out, encoder.dim) as frames, SummaryWriter(str(out / "logs")) as logs:

        def log_inertia(batch: int, inertia: float) -> None:
            logs.add_scalar("kmeans/inertia", inertia, batch)

        utterances = _shuffled_utterances(corpus, encoder, tally, seed, "features")
        sample_features(utterances, encoder, FeatureSampling(hours, max_frames, seed), frames, tally)
        write_skipped(out / "skipped.jsonl", [tally])
        tally.check(max_bad_share, out / "skipped.jsonl")
        clustering = cluster_features(frames, num_clusters, switch_penalty, passes, seed, log_inertia)
    Base(PhoneticUnits(encoder, clustering.quantizer)).save(out / "tokenizer")
    report = clustering.report
    write_text(out / "kmeans.json", json.dumps(asdict(report), indent=2) + "\n")
    return {
        "tokenizer": (
            f"{num_clusters} units, perplexity of nearest centroids {report.perplexity:.0f}, "
            f"mean squared distance {report.inertia:.2f}"
        ),
        "inertia": f"tensorboard --logdir {out / 'logs'}",
    }


def _shuffled_utterances(
    corpus: Path, encoder: SpeechEncoder, tally: Tally, seed: int, title: str
) -> Iterator[LoadedUtterance]:
    """Yield the readable utterances of the train split in a random order."""
    cuts = read_cuts(corpus, "train").shuffle(rng=random.Random(seed), buffer_size=SHUFFLE_BUFFER)
    return load_utterances(cuts, encoder.sample_rate, tally, title)


def assemble_tokenizer(out: Path, tokenizer: UnitTokenizer) -> dict[str, str]:
    """Save a tokenizer whose extractors were trained by other stages, or elsewhere, in one folder.

    Args:
        out: Output folder of the tokenizer and its contract.
        tokenizer: Base, Expressive, or any set of unit extractors.
    """
    tokenizer.save(out / "tokenizer")
    streams = []
    for stream in tokenizer.streams:
        streams.append(f"{stream.prefix} {stream.size} units, {stream.rate:g} a second")
    return {"tokenizer": f"{type(tokenizer).__name__}: {', '.join(streams)}"}


def build_vocabulary(
    out: Path, tokenizer: Path, corpus: Path, text: str | None = None, text_size: TextSize = 512, multiple: Size = 64
) -> dict[str, str]:
    """Number text pieces and speech units in one id space.

    Args:
        out: Output folder of the vocabulary and its contract.
        tokenizer: Folder of a speech tokenizer.
        corpus: Folder written by a corpus stage, on whose training texts text pieces are learned.
        text: Name or folder of a transformers checkpoint whose text tokenizer is used. By default byte-level BPE is
            learned.
        text_size: Number of text pieces to learn.
        multiple: The number of rows of an embedding is padded to a multiple of this.
    """
    speech_tokenizer = load_tokenizer(tokenizer)
    if text:
        text_tokenizer = TextTokenizer.load(text)
    else:
        texts = (to_utterance(cut).text for cut in read_cuts(corpus, "train"))
        text_tokenizer = train_text_tokenizer(texts, text_size)
    vocabulary = Vocabulary(text_tokenizer, speech_tokenizer.streams, multiple)
    with atomic_folder(out / "vocabulary") as folder:
        vocabulary.save(folder)
        write_contract(folder, {**speech_tokenizer.contract, "vocabulary": vocabulary.contract})
    return {"vocabulary": f"{vocabulary.num_text} text pieces, {len(vocabulary) - vocabulary.first_unit} units"}
