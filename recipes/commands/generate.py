"""Go on with text and speech from a run's language model.

examples:
  zoo generate --run runs/quickstart --text "anna went to the farm" --to speech --out farm.wav
  zoo generate --run runs/quickstart --speech farm.wav --to text
  zoo generate --run runs/quickstart --text "he said" --speech a.wav --text "and then" --to any --out b.wav
"""
import argparse
from pathlib import Path


class _Piece(argparse.Action):
    """Keeps --text and --speech in the order they were given."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: str, option_string: str | None = None) -> None:
        namespace.prompt = [*(namespace.prompt or []), (self.metavar, values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a run, such as runs/quickstart")
    parser.add_argument("--text", dest="prompt", metavar="TEXT", action=_Piece, help="a piece of the prompt; may be repeated")
    parser.add_argument("--speech", dest="prompt", metavar="AUDIO", action=_Piece, help="an audio file as a piece of the prompt; may be repeated")
    parser.add_argument("--to", choices=("text", "speech", "any"), default="any", help="what to go on with (default: any)")
    parser.add_argument("--out", type=Path, help="audio file for the speech (.wav, .flac, .ogg, .mp3)")
    parser.add_argument("--speaker", help="of the vocoder")
    parser.add_argument("--max-new-tokens", type=int, default=200)
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    for part in ("language-model", "tokenizer", "vocoder"):
        parser.add_argument(f"--{part}", type=Path, help=f"folder of another {part.replace('-', ' ')} than the run's")


def main(args: argparse.Namespace) -> None:
    if args.out is None and args.to == "speech":
        raise ValueError("--to speech needs --out FILE, where the speech is written")
    from zoo import audio
    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel

    if not args.run.is_dir():
        raise FileNotFoundError(f"--run {args.run}: no such folder; `zoo run quickstart` makes runs/quickstart")
    sampling = Sampling(args.max_new_tokens, args.temperature, args.top_p, args.seed)
    model = SpeechTextModel.load(args.run, args.language_model, args.tokenizer, args.vocoder)
    prompt = [content if kind == "TEXT" else audio.read(Path(content), model.tokenizer.sample_rate) for kind, content in args.prompt or []]
    answer = model.generate(prompt, args.to, sampling, args.speaker)
    for piece in answer.pieces:
        print(piece)
    if not answer.ended:
        print(f"(stopped at {args.max_new_tokens} tokens: --max-new-tokens allows more)")
    if args.out and answer.waveform is None:
        raise ValueError(f"nothing was spoken, so {args.out} is not written" + ("" if model.vocoder else ": the run has no vocoder"))
    if args.out:
        audio.write(args.out, answer.waveform, answer.sample_rate)
        print(f"{args.out}: {len(answer.waveform) / answer.sample_rate:.1f} s of speech")
