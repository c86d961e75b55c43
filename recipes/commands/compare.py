"""Compare tokenizers on a prepared corpus, and write a page.

example: zoo compare Base=runs/a/tokenizer/tokenizer Mine=runs/b/tokenizer/tokenizer --corpus runs/a/corpus
To train and compare vocoders and language models for each, run a recipe: zoo run compare/base_vs_expressive
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tokenizers",
        nargs="+",
        metavar="NAME=FOLDER",
        help="tokenizers, the baseline first; a repeated name is another seed of the same tokenizer",
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        required=True,
        help="folder of recorded speech, as a recipe's corpus= takes it, or folder filled by a corpus stage",
    )
    parser.add_argument("--split", default="dev", help="split of the corpus (default: dev)")
    parser.add_argument("--limit", type=int, help="largest number of utterances (default: all)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/compare"),
        help="folder of report.html and report.json (default: runs/compare)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of draws and intervals (default: 0)")


def main(args: argparse.Namespace) -> None:
    folders: dict[str, list[Path]] = {}
    for argument in args.tokenizers:
        name, _, folder = argument.rpartition("=")
        folders.setdefault(name, []).append(Path(folder))
    if "" in folders:
        raise ValueError(
            f"{' '.join(args.tokenizers)}: want NAME=FOLDER, such as Base=runs/a/tokenizer/tokenizer; repeat a name "
            "for another seed of the same tokenizer"
        )
    from recipes.stages.comparison import measure_tokenizers
    from recipes.stages.comparison_report import write_comparison
    from zoo.speech.augmentation import Augmentation, ColoredNoise, Noise, PitchShift, TimeStretch

    corpus = _prepared(args.corpus, args.out / "corpus")
    units = args.out / "units"
    units.mkdir(parents=True, exist_ok=True)
    augmentations: dict[str, Augmentation] = {
        "noise": Noise(ColoredNoise()),
        "pitch shift": PitchShift(),
        "time stretch": TimeStretch(),
    }
    lines = measure_tokenizers(units, corpus, folders, augmentations, (args.split,), args.limit, args.seed)
    lines |= write_comparison(units, args.out, corpus, " and ".join(folders), {"units": units})
    for name, line in lines.items():
        print(f"{name}: {line}")


def _prepared(corpus: Path, out: Path) -> Path:
    """Return the folder of a prepared corpus: ``corpus`` itself, or ``out``, which gets the manifests of its speech."""
    from recipes.stages.corpus import prepare_corpus
    from zoo.corpora import open_corpus

    if (corpus / "corpus.json").is_file():
        return corpus
    if not corpus.exists():
        raise FileNotFoundError(
            f"--corpus {corpus}: there is no such folder, and no corpus.json there; "
            "name a folder of recorded speech, or one that a corpus stage filled"
        )
    prepare_corpus(out, open_corpus(corpus))
    return out
