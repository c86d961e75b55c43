"""Go on with text and speech from a run's language model.

examples:
  zoo generate --run runs/quickstart --text "anna went to the farm" --to speech --out farm.wav
  zoo generate --run runs/quickstart --speech farm.wav --to text
  zoo generate --run runs/quickstart --text "he said" --speech a.wav --text "and then" --to any --out b.wav
  zoo generate --run runs/digits --adapter runs/new_language_lora/lora/model --text "..." --to speech --seconds 5 --out c.wav
  zoo generate --run runs/quickstart --text "anna went" --stream --out - | aplay -f S16_LE -r 16000
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel


class _Piece(argparse.Action):
    """Keeps --text and --speech in the order they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str,
        option_string: str | None = None,
    ) -> None:
        namespace.prompt = [*(namespace.prompt or []), (self.metavar, values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a run, such as runs/quickstart")
    parser.add_argument(
        "--text", dest="prompt", metavar="TEXT", action=_Piece, help="a piece of the prompt; may be repeated"
    )
    parser.add_argument(
        "--speech",
        dest="prompt",
        metavar="AUDIO",
        action=_Piece,
        help="an audio file as a piece of the prompt; may be repeated",
    )
    parser.add_argument(
        "--to", choices=("text", "speech", "any"), default="any", help="what to go on with (default: any)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="audio file for the speech (.wav, .flac, .ogg, .mp3); with --stream, - writes raw 16-bit samples to stdout",
    )
    parser.add_argument("--stream", action="store_true", help="give text and speech as they come")
    parser.add_argument("--speaker", help="of the vocoder")
    parser.add_argument("--max-new-tokens", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="stop after so much speech")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="where it computes, such as cuda (default: %(default)s)")
    parser.add_argument(
        "--adapter",
        help="put an adapter on the language model: its `model` folder, or the name of the run's stage that trained it",
    )
    for part in ("language-model", "tokenizer", "vocoder"):
        parser.add_argument(f"--{part}", type=Path, help=f"folder of another {part.replace('-', ' ')} than the run's")


def main(args: argparse.Namespace) -> None:
    if args.out is None and args.to == "speech":
        raise ValueError("--to speech needs --out FILE, where the speech is written")
    if args.out is not None and str(args.out) == "-" and not args.stream:
        raise ValueError("--out - writes samples as they come: add --stream")
    from zoo import audio
    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel

    if not args.run.is_dir():
        raise FileNotFoundError(f"--run {args.run}: no such folder; `zoo run quickstart` makes runs/quickstart")
    sampling = Sampling(args.max_new_tokens, args.temperature, args.top_p, args.seed, args.seconds)
    model = SpeechTextModel.load(
        args.run, args.language_model, args.tokenizer, args.vocoder, _adapter(args.run, args.adapter)
    ).to(args.device)
    prompt = [
        content if kind == "TEXT" else audio.read(Path(content), model.tokenizer.sample_rate)
        for kind, content in args.prompt or []
    ]
    if args.out and model.vocoder is None and args.to != "text":
        raise ValueError(f"nothing was spoken, so {args.out} is not written: the run has no vocoder")
    waveform = (_streamed if args.stream else _whole)(model, prompt, args, sampling)
    if args.out and str(args.out) != "-":
        if waveform is None:
            raise ValueError(f"nothing was spoken, so {args.out} is not written")
        audio.write(args.out, waveform, model.vocoder.sample_rate)
        print(f"{args.out}: {len(waveform) / model.vocoder.sample_rate:.1f} s of speech")


def _adapter(run: Path, name: str | None) -> Path | None:
    if name is None:
        return None
    for folder in (Path(name), run / name / "model", Path(name) / "model"):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise FileNotFoundError(
        f"--adapter {name}: no adapter there, nor in {run / name / 'model'}; a stage that trains one leaves it in its `model` folder"
    )


def _whole(
    model: "SpeechTextModel", prompt: Sequence["str | Tensor"], args: argparse.Namespace, sampling: "Sampling"
) -> "Tensor | None":
    answer = model.generate(prompt, args.to, sampling, args.speaker)
    for piece in answer.pieces:
        print(piece)
    if not answer.ended:
        print(
            f"(stopped at {args.max_new_tokens} tokens: --max-new-tokens allows more)"
            if args.seconds is None
            else f"(stopped at {args.seconds:g} s or {args.max_new_tokens} tokens: --seconds and --max-new-tokens allow more)"
        )
    return answer.waveform


def _streamed(
    model: "SpeechTextModel", prompt: Sequence["str | Tensor"], args: argparse.Namespace, sampling: "Sampling"
) -> "Tensor | None":
    """Print text and write samples as they come; text goes to stderr where the samples go to stdout."""
    import torch

    raw = args.out is not None and str(args.out) == "-"
    words, waveforms = sys.stderr if raw else sys.stdout, []
    for piece in model.stream(prompt, args.to, sampling, args.speaker):
        if isinstance(piece, torch.Tensor):
            waveforms.append(piece.cpu())
            if raw:
                sys.stdout.buffer.write((waveforms[-1].clamp(-1, 1) * 32767).to(torch.int16).numpy().tobytes())
                sys.stdout.buffer.flush()
        else:
            print(piece, end="", flush=True, file=words)
    print(file=words)
    return torch.cat(waveforms) if waveforms else None
