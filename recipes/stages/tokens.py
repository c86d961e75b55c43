"""Tokenization of a corpus."""

import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from tqdm import tqdm

from zoo.corpora.preparation import read_cuts
from zoo.corpora.split_names import SPLITS
from zoo.files import read_json, write_text
from zoo.ranges import NONEMPTY, Probability, Seconds, Speed
from zoo.tokenizers.engines import Engine, LocalProcesses
from zoo.tokenizers.jobs import TokenizationJob, TokenizationSettings, split_into_jobs
from zoo.tokenizers.resumable_shards import ShardWriter, remove_progress
from zoo.tokenizers.tally import Tally, write_skipped
from zoo.tokenizers.tokenization import BATCH_SECONDS
from zoo.tokens.contract import checksum, read_contract, require_match, write_contract

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.2f}/{total:.2f} h [{elapsed}<{remaining}{postfix}]"
log = logging.getLogger(__name__)


def tokenize_corpus(
    out: Path,
    corpus: Path,
    tokenizer: Path,
    vocabulary: Path,
    train_speeds: Annotated[Sequence[Speed], NONEMPTY] = (1.0,),
    max_bad_share: Probability = 0.05,
    engine: Engine | None = None,
    batch_seconds: Seconds = BATCH_SECONDS,
    precision: str = "32-true",
) -> dict[str, str]:
    """Write the units, text ids and word boundaries of every split as Arrow shards.

    Args:
        out: Output folder of ``{split}-00000.arrow`` and so on, the contract, ``tokens.json`` and the list of
            unreadable audio.
        corpus: Folder written by a corpus stage.
        tokenizer: Folder of a speech tokenizer.
        vocabulary: Folder of a vocabulary over the same tokenizer.
        train_speeds: Speeds at which each training utterance is tokenized. Speeds other than 1 add voices to a corpus
            with few speakers.
        max_bad_share: Largest share of a split's utterances that may be unreadable.
        engine: Engine that runs the jobs. Defaults to processes on this machine. The tokens do not depend on it.
        batch_seconds: Seconds of speech that one process encodes at once.
        precision: Precision of the encoder: ``32-true``, or ``bf16-mixed``, faster where the hardware multiplies
            bfloat16.

    Raises:
        ContractError: If the vocabulary was built for another tokenizer.
        ValueError: If a larger share of a split's utterances is unreadable.
    """
    require_match(tokenizer, vocabulary)
    engine = engine or LocalProcesses()
    tallies: dict[str, Tally] = {}
    for split in SPLITS:
        if not (corpus / f"{split}.jsonl.gz").is_file():
            continue
        speeds = tuple(train_speeds) if split == "train" else (1.0,)
        settings = TokenizationSettings(tokenizer, vocabulary, speeds, batch_seconds, precision, out)
        tallies[split] = _tokenize_split(out, corpus, split, settings, engine)
        write_skipped(out / "skipped.jsonl", tallies.values())
        tallies[split].check(max_bad_share, out / "skipped.jsonl")
    write_contract(out, read_contract(vocabulary))
    summaries = {split: _summary(tally) for split, tally in tallies.items()}
    write_text(out / "tokens.json", json.dumps(summaries, indent=2) + "\n")
    remove_progress(out)
    rates = ", ".join(f"{split} {tally.tokens_per_second:.1f}" for split, tally in tallies.items())
    return {"tokens": f"speech tokens per second: {rates}"}


def _tokenize_split(out: Path, corpus: Path, split: str, settings: TokenizationSettings, engine: Engine) -> Tally:
    """Run the remaining jobs of a split, with a progress bar in hours of audio."""
    manifest = (corpus / f"{split}.jsonl.gz").read_bytes()
    writer = ShardWriter(out, split, checksum([settings.key, manifest]))
    hours = read_json(corpus / "corpus.json")["splits"][split]["hours"]
    seconds = 0.0
    start = time.monotonic()
    with tqdm(desc=f"tokens {split}", total=hours, bar_format=BAR, mininterval=1.0, disable=None) as bar:
        jobs = _missing_jobs(split_into_jobs(read_cuts(corpus, split)), writer, bar)
        for result in engine.run(settings, jobs):
            writer.add(result)
            seconds += result.seconds
            bar.set_postfix_str(f"{_speed(seconds, start):.0f} hours/hour", refresh=False)
            bar.update(result.seconds / 3600)
    if seconds:
        log.info("tokens %s: %.2f h of audio, %.0f hours/hour", split, seconds / 3600, _speed(seconds, start))
    return writer.finish()


def _speed(seconds: float, start: float) -> float:
    """Return the hours of audio per hour since ``start``."""
    return seconds / max(time.monotonic() - start, 1e-9)


def _missing_jobs(jobs: Iterable[TokenizationJob], writer: ShardWriter, bar: tqdm) -> Iterator[TokenizationJob]:
    """Yield the remaining jobs, and advance the progress bar by the finished ones."""
    for job in jobs:
        if job.number in writer:
            bar.update(job.seconds / 3600)
        else:
            yield job


def _summary(tally: Tally) -> dict[str, float]:
    return {
        "utterances": tally.utterances,
        "seconds": round(tally.seconds, 2),
        "speech_tokens": tally.speech_tokens,
        "text_tokens": tally.text_tokens,
        "tokens_per_second": round(tally.tokens_per_second, 3),
        "empty": tally.empty,
        "skipped": len(tally.skipped),
    }
