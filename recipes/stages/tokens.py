"""A corpus to tokens."""
import json
from collections.abc import Iterable
from pathlib import Path

from zoo.corpora.preparation import read_cuts
from zoo.corpora.source import SPLITS
from zoo.files import write_text
from zoo.tokens.contract import require_match, write_contract, read_contract
from zoo.tokens.store import write_tokens
from zoo.tokens.tokenise import Tally, tokenise, write_skipped
from zoo.tokens.tokenizers import load_tokenizer
from zoo.tokens.vocabulary import Vocabulary


def tokenise_corpus(out: Path, corpus: Path, tokenizer: Path, vocabulary: Path, train_speeds: list[float] = [1.0],
                    max_bad_share: float = 0.05) -> dict[str, str]:
    """Write the units, text ids and word boundaries of every split as Arrow shards.

    Args:
        out: Gets ``{split}-00000.arrow`` and so on, the contract, ``tokens.json`` and the list of unreadable audio.
        corpus: Folder filled by a corpus stage.
        tokenizer: Folder of a speech tokenizer.
        vocabulary: Built over the same tokenizer.
        train_speeds: Each training utterance is read once at each of these speeds: other voices where few are at hand.
        max_bad_share: Of a split, how many utterances may be unreadable.
    """
    require_match(tokenizer, vocabulary)
    speech, numbering = load_tokenizer(tokenizer), Vocabulary.load(vocabulary)
    tallies: dict[str, Tally] = {}
    for split in (name for name in SPLITS if (corpus / f"{name}.jsonl.gz").is_file()):
        tally = tallies[split] = Tally()
        speeds = train_speeds if split == "train" else [1.0]
        rows = tokenise(read_cuts(corpus, split), speech, numbering, tally, f"tokens {split}", speeds)
        write_tokens(out, split, rows, speech.streams)
        write_skipped(out / "skipped.jsonl", tallies.values())
        tally.check(max_bad_share, out / "skipped.jsonl")
    write_contract(out, read_contract(vocabulary))
    write_text(out / "tokens.json", json.dumps({name: _summary(tally) for name, tally in tallies.items()}, indent=2) + "\n")
    rates = ", ".join(f"{name} {tally.tokens_per_second:.1f}" for name, tally in tallies.items())
    return {"tokens": f"speech tokens per second: {rates}"}


def _summary(tally: Tally) -> dict[str, float]:
    return {"utterances": tally.utterances, "seconds": round(tally.seconds, 2), "speech_tokens": tally.speech_tokens,
            "text_tokens": tally.text_tokens, "tokens_per_second": round(tally.tokens_per_second, 3),
            "empty": tally.empty, "skipped": len(tally.skipped)}
