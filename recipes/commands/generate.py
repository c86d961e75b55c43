"""Continue a prompt of text and speech with a run's language model.

examples:
  zoo generate --run runs/quickstart --text "anna went to the farm" --to speech --out farm.wav
  zoo generate --run runs/quickstart --speech farm.wav --to text
  zoo generate --run runs/quickstart --text "he said" --speech a.wav --text "and then" --to any --out b.wav
  zoo generate --run runs/digits --adapter runs/new_language_lora/lora/model --text "..." --to speech --out c.wav
  zoo generate --run runs/quickstart --text "anna went" --stream --out - | aplay -f S16_LE -r 16000
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.commands.options import audio_file, device, number
from zoo.ranges import PositiveShare, SamplingTemperature, Seconds, Seed, Size

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel

ENDED_AT_ONCE = "(the model ended at once, with no continuation: try another --seed, or a higher --temperature)"


class _AppendToPrompt(argparse.Action):
    """Collects the values of --text and --speech in one list, in the order in which they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str,
        option_string: str | None = None,
    ) -> None:
        namespace.prompt = [*(namespace.prompt or []), (self.metavar, values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_prompt_and_output(parser)
    parser.add_argument("--speaker", help="speaker of the vocoder. Defaults to its default speaker")
    parser.add_argument("--max-new-tokens", type=number(Size), default=200)
    parser.add_argument("--seconds", type=number(Seconds), help="stop after this much speech")
    parser.add_argument(
        "--temperature", type=number(SamplingTemperature), default=0.8, help="0 selects the most likely token (greedy)"
    )
    parser.add_argument("--top-p", type=number(PositiveShare), default=0.95)
    parser.add_argument("--seed", type=number(Seed), default=0)
    parser.add_argument(
        "--device", type=device, default="cpu", help="torch device, such as cuda (default: %(default)s)"
    )
    parser.add_argument(
        "--adapter",
        help="add an adapter to the language model: its `model` folder, or the name of the run's stage that trained it",
    )
    parser.add_argument("--language-model", type=Path, help="folder of a language model, instead of the run's")
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer, instead of the run's")
    parser.add_argument("--vocoder", type=Path, help="folder of a vocoder, instead of the run's")


def _add_prompt_and_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a run, such as runs/quickstart")
    parser.add_argument(
        "--text",
        dest="prompt",
        metavar="TEXT",
        action=_AppendToPrompt,
        help="text of the prompt; may be repeated, and mixed with --speech",
    )
    parser.add_argument(
        "--speech",
        dest="prompt",
        metavar="AUDIO",
        action=_AppendToPrompt,
        help="audio file of the prompt; may be repeated, and mixed with --text",
    )
    parser.add_argument(
        "--to", choices=("text", "speech", "any"), default="any", help="modality of the continuation (default: any)"
    )
    parser.add_argument(
        "--out",
        type=audio_file,
        help="audio file for the speech (.wav, .flac, .ogg, .mp3); - with --stream writes 16-bit samples to stdout",
    )
    parser.add_argument("--stream", action="store_true", help="output text and speech while they are generated")


def main(args: argparse.Namespace) -> None:
    to_stdout = args.out is not None and str(args.out) == "-"
    if args.out is None and args.to == "speech":
        raise ValueError("--to speech needs --out FILE, where the speech is written")
    if to_stdout and not args.stream:
        raise ValueError("--out - writes samples while they are generated: add --stream")
    from zoo import audio
    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel

    if not args.run.is_dir():
        raise FileNotFoundError(f"--run {args.run}: no such folder; `zoo run quickstart` makes runs/quickstart")
    sampling = Sampling(args.max_new_tokens, args.temperature, args.top_p, args.seed, args.seconds)
    model = SpeechTextModel.load(
        args.run, args.language_model, args.tokenizer, args.vocoder, _find_adapter(args.run, args.adapter)
    ).to(args.device)
    prompt: list[str | Tensor] = []
    for kind, value in args.prompt or []:
        prompt.append(value if kind == "TEXT" else audio.read(Path(value), model.tokenizer.sample_rate))
    if args.out and model.vocoder is None and args.to != "text":
        raise ValueError(f"{args.out} is not written: the run has no vocoder to synthesize speech")
    output = _stream if args.stream else _generate
    waveform = output(model, prompt, args, sampling)
    if args.out and not to_stdout:
        if waveform is None or model.vocoder is None:
            raise ValueError(f"{args.out} is not written: the model generated no speech")
        sample_rate = model.vocoder.sample_rate
        audio.write(args.out, waveform, sample_rate)
        print(f"{args.out}: {len(waveform) / sample_rate:.1f} s of speech")


def _find_adapter(run: Path, name: str | None) -> Path | None:
    if name is None:
        return None
    for folder in (Path(name), run / name / "model", Path(name) / "model"):
        if (folder / "adapter_config.json").is_file():
            return folder
    raise FileNotFoundError(
        f"--adapter {name}: no adapter there, nor in {run / name / 'model'}; "
        "name the `model` folder of the stage that trained it"
    )


def _generate(
    model: "SpeechTextModel", prompt: Sequence["str | Tensor"], args: argparse.Namespace, sampling: "Sampling"
) -> "Tensor | None":
    """Generate the whole continuation, print its parts and return its speech."""
    answer = model.generate(prompt, args.to, sampling, args.speaker)
    for segment in answer.segments:
        print(segment)
    if not answer.segments:
        print(ENDED_AT_ONCE)
    if not answer.ended:
        if args.seconds is None:
            print(f"(stopped at {args.max_new_tokens} tokens: --max-new-tokens allows more)")
        else:
            limits = f"{args.seconds:g} s or {args.max_new_tokens} tokens"
            print(f"(stopped at {limits}: --seconds and --max-new-tokens allow more)")
    return answer.waveform


def _stream(
    model: "SpeechTextModel", prompt: Sequence["str | Tensor"], args: argparse.Namespace, sampling: "Sampling"
) -> "Tensor | None":
    """Print text and write samples while they are generated; text goes to stderr if the samples go to stdout."""
    import torch

    to_stdout = args.out is not None and str(args.out) == "-"
    text_file = sys.stderr if to_stdout else sys.stdout
    waveforms: list[Tensor] = []
    is_empty = True
    for part in model.stream(prompt, args.to, sampling, args.speaker):
        is_empty = False
        if isinstance(part, torch.Tensor):
            waveforms.append(part.cpu())
            if to_stdout:
                sys.stdout.buffer.write((waveforms[-1].clamp(-1, 1) * 32767).to(torch.int16).numpy().tobytes())
                sys.stdout.buffer.flush()
        else:
            print(part, end="", flush=True, file=text_file)
    if is_empty:
        print(ENDED_AT_ONCE, end="", file=text_file)
    print(file=text_file)
    return torch.cat(waveforms) if waveforms else None
