"""Synthesize units with the vocoder of a run, or with one of the official Spirit LM release.

examples:
  zoo vocode --run runs/quickstart --units "[Hu12][Hu7][Hu90]" --out out.wav
  zoo vocode --run runs/quickstart --units "[Hu12][Hu12][Hu7]" --raw --speaker en_f2 --out out.wav
  zoo vocode --vocoder hifigan_spiritlm_base --units - --out out.wav < units.txt
"""

import argparse
import sys
from pathlib import Path

from recipes.commands.options import audio_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, help="folder of a run, such as runs/quickstart")
    parser.add_argument(
        "--vocoder", type=Path, help="folder of another vocoder than the run's, trained here or of the official release"
    )
    parser.add_argument(
        "--units", required=True, help='such as "[St5][Pi3][Hu12][Hu7]"; - to read them from standard input'
    )
    parser.add_argument(
        "--raw", action="store_true", help="take every phonetic unit as one frame, instead of predicting durations"
    )
    parser.add_argument("--speaker", help="name or number of a speaker")
    parser.add_argument(
        "--style", help="name or number of a style of the whole utterance, where the vocoder has styles"
    )
    parser.add_argument("--out", type=audio_file, required=True, help="audio file to write (.wav, .flac, .ogg, .mp3)")


def main(args: argparse.Namespace) -> None:
    from recipes.commands.artifacts import find_artifact
    from zoo import audio
    from zoo.interop.vocoder_checkpoints import open_vocoder

    vocoder = open_vocoder(find_artifact(args.run, args.vocoder, "vocoder", "vocoder.json"))
    units = sys.stdin.read().strip() if args.units == "-" else args.units
    waveform = vocoder(
        units,
        named_or_numbered(args.speaker, vocoder.speakers),
        named_or_numbered(args.style, vocoder.styles),
        not args.raw,
    )
    audio.write(args.out, waveform, vocoder.sample_rate)
    print(f"{args.out}: {len(waveform) / vocoder.sample_rate:.2f} s of speech")


def named_or_numbered(choice: str | None, names: list[str]) -> str | int | None:
    """Return a name as it is, and a number that is no name as an index."""
    if choice is None or choice in names or not choice.lstrip("-").isdigit():
        return choice
    return int(choice)
