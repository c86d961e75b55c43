"""Compare tokenizers, and their vocoders if they are named, on recorded speech, and write a page.

examples:
  zoo compare Base=runs/a/tokenizer/tokenizer Mine=runs/b/tokenizer/tokenizer --corpus runs/a/corpus
  zoo compare Base=runs/a/tokenizer/tokenizer Mine=runs/b/tokenizer/tokenizer --corpus runs/a/corpus \\
    --vocoder Base=runs/a/vocoder/vocoder --vocoder Mine=runs/b/vocoder/vocoder --asr openai/whisper-base
To train and compare vocoders and language models for each, run a recipe: zoo run compare/base_vs_expressive
"""

import argparse
from pathlib import Path

from recipes.commands.options import number
from zoo.ranges import Seed, Size


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
    parser.add_argument(
        "--vocoder",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="vocoder of the tokenizer NAME: its resynthesis, the recordings and Griffin-Lim are judged by word errors "
        "(--asr), speaker similarity and DNSMOS, where installed; can be repeated",
    )
    parser.add_argument("--asr", metavar="CHECKPOINT", help="speech recognizer that transcribes the resynthesis")
    parser.add_argument(
        "--language", metavar="TAG", help="language of the speech, such as en, for a multilingual Whisper"
    )
    parser.add_argument("--speaker-encoder", metavar="CHECKPOINT", help="x-vector checkpoint instead of Resemblyzer")
    parser.add_argument("--limit", type=number(Size), help="largest number of utterances (default: all)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/compare"),
        help="folder of report.html and report.json (default: runs/compare)",
    )
    parser.add_argument("--seed", type=number(Seed), default=0, help="seed of draws and intervals (default: 0)")


def main(args: argparse.Namespace) -> None:
    folders = _named_folders(args.tokenizers, "Base=runs/a/tokenizer/tokenizer; repeat a name for another seed of it")
    vocoders = {}
    for name, named in _named_folders(args.vocoder, "--vocoder Base=runs/a/vocoder/vocoder").items():
        if len(named) > 1:
            raise ValueError(f"--vocoder {name}: named twice; name one vocoder for each tokenizer")
        vocoders[name] = named[0]
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
    measured = {"units": units}
    if vocoders:
        measured["resynthesis"] = args.out / "resynthesis"
        lines |= _compare_vocoders(args, measured["resynthesis"], corpus, folders, vocoders)
    lines |= write_comparison(units, args.out, corpus, " and ".join(folders), measured)
    for name, line in lines.items():
        print(f"{name}: {line}")


def _named_folders(arguments: list[str], example: str) -> dict[str, list[Path]]:
    """Return the folders of arguments NAME=FOLDER, by name."""
    folders: dict[str, list[Path]] = {}
    for argument in arguments:
        name, _, folder = argument.rpartition("=")
        folders.setdefault(name, []).append(Path(folder))
    if "" in folders:
        raise ValueError(f"{' '.join(arguments)}: want NAME=FOLDER, such as {example}")
    return folders


def _compare_vocoders(
    args: argparse.Namespace, out: Path, corpus: Path, tokenizers: dict[str, list[Path]], vocoders: dict[str, Path]
) -> dict[str, str]:
    """Judge the resynthesis of the vocoders, of the first tokenizer of each name."""
    from recipes.stages.vocoder_comparison import MAX_UTTERANCES, compare_vocoders
    from zoo.evaluation.judges.speech_judges import installed_judges
    from zoo.speech.f0_autocorrelation import Autocorrelation

    out.mkdir(parents=True, exist_ok=True)
    judges = installed_judges(args.asr, args.language, speaker_encoder=args.speaker_encoder)
    first = {name: folders[0] for name, folders in tokenizers.items()}
    limit = args.limit or MAX_UTTERANCES
    return compare_vocoders(out, corpus, first, vocoders, Autocorrelation(), judges, args.split, limit, seed=args.seed)


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
