"""A corpus to tokens."""

import json
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from zoo.corpora.preparation import read_cuts
from zoo.corpora.source import SPLITS
from zoo.files import write_text
from zoo.tokenizers.engines import Engine, LocalProcesses
from zoo.tokenizers.jobs import Job, Work, jobs
from zoo.tokenizers.shards import Parts, remove_parts
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
    train_speeds: list[float] = [1.0],
    max_bad_share: float = 0.05,
    engine: Engine | None = None,
    batch_seconds: float = BATCH_SECONDS,
    precision: str = "32-true",
) -> dict[str, str]:
    """Write the units, text ids and word boundaries of every split as Arrow shards.

    Args:
        out: Gets ``{split}-00000.arrow`` and so on, the contract, ``tokens.json`` and the list of unreadable audio.
        corpus: Folder filled by a corpus stage.
        tokenizer: Folder of a speech tokenizer.
        vocabulary: Built over the same tokenizer.
        train_speeds: Each training utterance is read once at each of these speeds: other voices where few are at hand.
        max_bad_share: Of a split, how many utterances may be unreadable.
        engine: Does the work; the processes of this machine if None. The tokens do not depend on it.
        batch_seconds: Of speech that is encoded at once by one process.
        precision: Of the encoder: ``32-true``, or ``bf16-mixed``, faster where the hardware multiplies bfloat16.
    """
    require_match(tokenizer, vocabulary)
    engine, tallies = engine or LocalProcesses(), {}
    for split in (name for name in SPLITS if (corpus / f"{name}.jsonl.gz").is_file()):
        speeds = tuple(train_speeds) if split == "train" else (1.0,)
        tallies[split] = _tokenize_split(
            out, corpus, split, Work(tokenizer, vocabulary, speeds, batch_seconds, precision), engine
        )
        write_skipped(out / "skipped.jsonl", tallies.values())
        tallies[split].check(max_bad_share, out / "skipped.jsonl")
    write_contract(out, read_contract(vocabulary))
    write_text(
        out / "tokens.json", json.dumps({name: _summary(tally) for name, tally in tallies.items()}, indent=2) + "\n"
    )
    remove_parts(out)
    rates = ", ".join(f"{name} {tally.tokens_per_second:.1f}" for name, tally in tallies.items())
    return {"tokens": f"speech tokens per second: {rates}"}


def _tokenize_split(out: Path, corpus: Path, split: str, work: Work, engine: Engine) -> Tally:
    """Do the jobs that are not done yet, with a bar that counts hours of audio."""
    manifest = (corpus / f"{split}.jsonl.gz").read_bytes()
    parts = Parts(out, split, checksum([work.key, manifest]))
    hours = json.loads((corpus / "corpus.json").read_text())["splits"][split]["hours"]
    with tqdm(desc=f"tokens {split}", total=hours, bar_format=BAR, mininterval=1.0, disable=None) as bar:
        started, heard = time.monotonic(), 0.0
        for part in engine.run(work, _missing(jobs(read_cuts(corpus, split)), parts, bar)):
            parts.add(part)
            heard += part.seconds
            bar.set_postfix_str(f"{heard / max(time.monotonic() - started, 1e-9):.0f} hours/hour", refresh=False)
            bar.update(part.seconds / 3600)
    if heard:
        log.info(
            "tokens %s: %.2f h of audio, %.0f hours/hour", split, heard / 3600, heard / (time.monotonic() - started)
        )
    return parts.finish()


def _missing(all_jobs: Iterable[Job], parts: Parts, bar: tqdm) -> Iterator[Job]:
    for job in all_jobs:
        if job.number in parts:
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
