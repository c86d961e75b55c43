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
    parser.add_argument("--corpus", type=Path, required=True, help="folder filled by a corpus stage")
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
    if not (args.corpus / "corpus.json").is_file():
        raise FileNotFoundError(
            f"--corpus {args.corpus}: no corpus.json there; name the folder that a corpus stage filled"
        )
    from recipes.stages.comparison import measure_tokenizers
    from recipes.stages.comparison_report import write_comparison
    from zoo.speech.augmentation import Augmentation, ColoredNoise, Noise, PitchShift, TimeStretch

    units = args.out / "units"
    units.mkdir(parents=True, exist_ok=True)
    augmentations: dict[str, Augmentation] = {
        "noise": Noise(ColoredNoise()),
        "pitch shift": PitchShift(),
        "time stretch": TimeStretch(),
    }
    lines = measure_tokenizers(units, args.corpus, folders, augmentations, (args.split,), args.limit, args.seed)
    lines |= write_comparison(units, args.out, args.corpus, " and ".join(folders), {"units": units})
    for name, line in lines.items():
        print(f"{name}: {line}")
