"""Encode speech into the units of a tokenizer and resynthesize it; the language model gets no more than these units.

examples:
  zoo resynthesize a.wav --run runs/quickstart --out b.wav
  zoo resynthesize a.wav --run runs/quickstart --speaker en_m3 --predict-durations --out b.wav
  zoo resynthesize a.wav --tokenizer runs/tokenizer_base/tokenizer/tokenizer \\
      --vocoder runs/vocoder_base/vocoder/vocoder --out b.wav
"""

import argparse
from pathlib import Path

from recipes.commands.options import audio_file

CHUNK_UNITS = 1000  # synthesized at once: 20 s or more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("speech", type=Path, help="audio file")
    parser.add_argument("--run", type=Path, help="folder of a run, such as runs/quickstart")
    for name in ("tokenizer", "vocoder"):
        parser.add_argument(f"--{name}", type=Path, help=f"folder of another {name} than the run's")
    parser.add_argument(
        "--predict-durations",
        action="store_true",
        help="synthesize from the deduplicated tokens, with predicted durations (default: the timing of the speech)",
    )
    parser.add_argument("--speaker", help="name or number of a speaker of the vocoder")
    parser.add_argument("--style", help="name or number of a style of the whole utterance, if the vocoder has styles")
    parser.add_argument("--out", type=audio_file, required=True, help="audio file to write (.wav, .flac, .ogg, .mp3)")


def main(args: argparse.Namespace) -> None:
    from recipes.commands.artifacts import find_artifact
    from recipes.commands.vocode import named_or_numbered
    from zoo import audio
    from zoo.corpora.source import read_recording
    from zoo.interop.vocoder_checkpoints import open_vocoder
    from zoo.tokenizers.speech_tokenizer import load_tokenizer
    from zoo.tokenizers.tokenization import encode_recording
    from zoo.tokens.contract import FILE, require_match
    from zoo.tokens.merged_streams import merge

    tokenizer_folder = find_artifact(args.run, args.tokenizer, "tokenizer", "tokenizer.json")
    vocoder_folder = find_artifact(args.run, args.vocoder, "vocoder", "vocoder.json")
    tokenizer = load_tokenizer(tokenizer_folder)
    vocoder = open_vocoder(vocoder_folder)
    if (vocoder_folder / FILE).is_file() and vocoder.contract:
        require_match(tokenizer_folder, vocoder_folder)
    try:
        speech = read_recording(args.speech).to_cut()
    except ValueError as error:
        raise ValueError(f"{args.speech}: {error}") from error
    units = encode_recording(speech, tokenizer)
    if not all(len(row) for row in units.values()):
        raise ValueError(f"{args.speech}: {speech.duration:.2f} s is too short for a single unit")
    tokens = merge(units, tokenizer.streams)
    resynthesis = vocoder.stream(
        tokens if args.predict_durations else units,
        named_or_numbered(args.speaker, vocoder.speakers),
        named_or_numbered(args.style, vocoder.styles),
        args.predict_durations,
        CHUNK_UNITS,
    )
    num_samples = audio.write_chunks(args.out, resynthesis, vocoder.sample_rate)
    print(tokens)
    print(f"{args.out}: {num_samples / vocoder.sample_rate:.2f} s of speech, from {len(tokens)} tokens")
