"""The command line, ``zoo``: a few verbs, each a module that is imported only when its command is called."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from zoo.error_messages import one_line


@dataclass(frozen=True)
class Command:
    """One verb of the command line.

    Args:
        purpose: What ``zoo --help`` says about it.
        module: Dotted name of the module with its ``add_arguments`` and ``main``.
    """

    purpose: str
    module: str


COMMANDS = {
    "run": Command("run a recipe: finished stages are skipped, interrupted ones resume", "recipes.commands.run"),
    "list": Command("list the bundled recipes: what each makes, needs and costs", "recipes.commands.list"),
    "show": Command("print a recipe with overrides, references and defaults resolved", "recipes.commands.show"),
    "copy": Command("copy a bundled recipe to a file of your own to edit", "recipes.commands.copy"),
    "generate": Command("continue text and speech with a run's language model", "recipes.commands.generate"),
    "vocode": Command("synthesize speech from units", "recipes.commands.vocode"),
    "resynthesize": Command("encode speech as units and synthesize it again", "recipes.commands.resynthesize"),
    "import": Command("convert the official Spirit LM checkpoints", "recipes.commands.import_checkpoints"),
    "export": Command("write a language model that plain transformers loads", "recipes.commands.export"),
    "evaluate": Command(
        "evaluate a language model: likelihood suites, few-shot tasks, sentiment, alignment, toxicity",
        "recipes.commands.evaluate",
    ),
    "compare": Command("compare tokenizers: bitrates and evaluations, as a report", "recipes.commands.compare"),
    "completion": Command(
        "print a script that completes commands and recipes in the shell", "recipes.commands.completion"
    ),
}
EXAMPLE = """
example: zoo run quickstart
zoo COMMAND --help describes one command.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command.

    An error of the user is printed without a traceback (``ZOO_DEBUG=1`` prints it) and exits with status 1, an unknown
    command with 2, an interrupt with 130.

    Args:
        argv: Command and its arguments. Defaults to those of the process.
    """
    # Threads that spin while they wait make training ten times slower as soon as anything else runs on the machine;
    # threads that sleep at once make it a third slower on an idle one. Some microseconds of spinning cost neither.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return
    name = arguments[0]
    if name not in COMMANDS:
        from zoo.suggestions import suggest

        print(f"error: zoo has no command {name!r}; {suggest(name, COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    try:
        _run_command(name, arguments[1:])
    except KeyboardInterrupt as error:
        _print_errors(str(error) or "interrupted")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except RecursionError:
        _print_errors("error: the input is nested too deeply to be read; write it again from its original")
        sys.exit(1)
    except (ValueError, OSError) as error:
        lines = getattr(error, "lines", None) or [one_line(error)]
        _print_errors(*(f"error: {line}" for line in lines))
        sys.exit(1)


def usage() -> str:
    """Return the text of ``zoo --help``."""
    width = max(map(len, COMMANDS))
    lines = ["usage: zoo COMMAND ...", "", "Interleaved speech-text language models, made by recipes.", ""]
    for name, command in COMMANDS.items():
        lines.append(f"  {name:<{width}}  {command.purpose}")
    return "\n".join(lines) + "\n" + EXAMPLE.rstrip()


def _run_command(name: str, arguments: list[str]) -> None:
    module = import_module(COMMANDS[name].module)
    parser = argparse.ArgumentParser(
        prog=f"zoo {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    module.main(parser.parse_intermixed_args(arguments))


def _print_errors(*lines: str) -> None:
    if os.environ.get("ZOO_DEBUG") == "1":
        traceback.print_exc()
    print(*lines, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
