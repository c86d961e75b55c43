"""Speech tokenizers and vocabularies, trained on a corpus."""

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from lhotse.cut import Cut
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import Utterance, to_utterance
from zoo.files import atomic_folder, write_text
from zoo.speech.encoders import SpeechEncoder
from zoo.speech.frame_spool import FrameSpool
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base, UnitTokenizer, load_tokenizer
from zoo.tokenizers.tally import Tally, write_skipped
from zoo.tokenizers.tokenization import readable
from zoo.tokens.contract import write_contract
from zoo.tokens.text_tokenizer import TextTokenizer, train_text_tokenizer
from zoo.tokens.vocabulary import Vocabulary

ADAPTED_TO = 200  # utterances


def train_base_tokenizer(
    out: Path,
    corpus: Path,
    encoder: SpeechEncoder,
    num_clusters: int = 500,
    switch_penalty: float = 0.0,
    hours: float = 10.0,
    max_frames: int = 500_000,
    passes: int = 10,
    max_bad_share: float = 0.05,
    seed: int = 0,
) -> dict[str, str]:
    """Coverage k-means on features of sampled training speech, and save the Base tokenizer.

    Args:
        out: Gets the tokenizer, ``kmeans.json``, TensorBoard ``logs/`` and the list of unreadable audio.
        corpus: Folder filled by a corpus stage.
        encoder: Waveform to features.
        num_clusters: Phonetic units.
        switch_penalty: Of a change of unit, in mean squared distances; above 0 for features without context.
        hours: Of speech that is listened to, drawn from the train split.
        max_frames: Of features that are kept on disk, drawn from those hours; memory does not grow with them.
        passes: Over the kept frames.
        max_bad_share: Of the drawn utterances, how many may be unreadable.
        seed: Of the draws and the clustering.
    """
    tally = Tally()
    encoder.adapt(samples for _, _, samples in islice(_drawn(corpus, encoder, Tally(), seed, "voices"), ADAPTED_TO))
    with FrameSpool(out, encoder.dim) as frames, SummaryWriter(str(out / "logs")) as logs:
        _listen(corpus, encoder, hours, max_frames, tally, seed, frames)
        write_skipped(out / "skipped.jsonl", [tally])
        tally.check(max_bad_share, out / "skipped.jsonl")
        fit = fit_kmeans(
            frames.batches(8192, passes, seed),
            num_clusters,
            seed,
            switch_penalty=switch_penalty,
            on_batch=lambda number, inertia: logs.add_scalar("kmeans/inertia", inertia, number),
        )
        found = sum(
            torch.bincount(fit.quantizer.nearest(batch), minlength=num_clusters) for batch in frames.batches(8192)
        )
    used = found / found.sum()
    perplexity = torch.exp(-(used * used.clamp(min=1e-12).log()).sum()).item()
    tokenizer = Base(PhoneticUnits(encoder, fit.quantizer))
    tokenizer.save(out / "tokenizer")
    last = fit.inertia[-max(1, len(fit.inertia) // passes) :]
    report = {
        "frames": int(found.sum()),
        "inertia_first": fit.inertia[0],
        "inertia": sum(last) / len(last),
        "perplexity": perplexity,
        "reseeded": fit.reseeded,
        "unused": int((found == 0).sum()),
    }
    write_text(out / "kmeans.json", json.dumps(report, indent=2) + "\n")
    return {
        "tokenizer": f"{num_clusters} units, perplexity {perplexity:.0f}, mean squared distance {report['inertia']:.2f}",
        "inertia": f"tensorboard --logdir {out / 'logs'}",
    }


@torch.no_grad()  # weights that are moved in inference mode could never be trained again
def _listen(
    corpus: Path, encoder: SpeechEncoder, hours: float, max_frames: int, tally: Tally, seed: int, frames: FrameSpool
) -> None:
    """Append features of utterances drawn from the train split, in a random order."""
    draw, seconds = random.Random(seed), 0.0
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(device)
    share = max_frames / (hours * 3600 * encoder.frame_rate)
    for spoken, _, samples in _drawn(corpus, encoder, tally, seed, "features"):
        if len(samples) >= encoder.min_samples:
            features = encoder(samples.to(device)).cpu()
            keep = torch.rand(len(features), generator=torch.Generator().manual_seed(draw.getrandbits(31))) < share
            frames.append(features[keep])
        tally.utterances += 1
        seconds += spoken.duration
        if seconds > hours * 3600:
            break
    encoder.cpu()


def _drawn(
    corpus: Path, encoder: SpeechEncoder, tally: Tally, seed: int, title: str
) -> Iterator[tuple[Utterance, Cut, Tensor]]:
    """Readable utterances of the train split in a random order."""
    return readable(
        read_cuts(corpus, "train").shuffle(rng=random.Random(seed), buffer_size=20_000),
        encoder.sample_rate,
        tally,
        title,
    )


def assemble_tokenizer(out: Path, tokenizer: UnitTokenizer) -> dict[str, str]:
    """Save a tokenizer whose parts were trained by other stages, or elsewhere, in one folder.

    Args:
        out: Gets the tokenizer and its contract.
        tokenizer: Base, Expressive, or any set of unit extractors.
    """
    tokenizer.save(out / "tokenizer")
    streams = ", ".join(
        f"{stream.prefix} {stream.size} units, {stream.rate:g} a second" for stream in tokenizer.streams
    )
    return {"tokenizer": f"{type(tokenizer).__name__}: {streams}"}


def build_vocabulary(
    out: Path, tokenizer: Path, corpus: Path, text: str | None = None, text_size: int = 512, multiple: int = 64
) -> dict[str, str]:
    """Number text pieces and speech units in one id space.

    Args:
        out: Gets the vocabulary and its contract.
        tokenizer: Folder of a speech tokenizer.
        corpus: Its training texts make the text pieces, if they are to be learned.
        text: Name or folder of a transformers checkpoint whose text tokenizer is taken; None learns byte-level BPE.
        text_size: Pieces to learn.
        multiple: The rows of an embedding are padded to a multiple of this.
    """
    speech = load_tokenizer(tokenizer)
    pieces = (
        TextTokenizer.load(text)
        if text
        else train_text_tokenizer((to_utterance(cut).text for cut in read_cuts(corpus, "train")), text_size)
    )
    vocabulary = Vocabulary(pieces, speech.streams, multiple)
    with atomic_folder(out / "vocabulary") as folder:
        vocabulary.save(folder)
        write_contract(folder, {**speech.contract, "vocabulary": vocabulary.contract})
    return {"vocabulary": f"{vocabulary.num_text} text pieces, {len(vocabulary) - vocabulary.first_unit} units"}
