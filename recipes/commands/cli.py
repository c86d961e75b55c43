"""The command line, ``zoo``: a few verbs, each a module that is imported when it is asked for."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "run": ("run a recipe: what is done is skipped, what was interrupted goes on", "recipes.commands.run"),
    "list": ("the shipped recipes: what each makes and needs", "recipes.commands.list"),
    "show": ("a recipe with overrides, references and defaults written out", "recipes.commands.show"),
    "copy": ("a shipped recipe into a file of your own to edit", "recipes.commands.copy"),
    "generate": ("go on with text and speech from a run's language model", "recipes.commands.generate"),
    "vocode": ("speak units", "recipes.commands.vocode"),
    "resynthesize": ("speech to units and back to speech", "recipes.commands.resynthesize"),
    "import": ("official Spirit LM checkpoints into folders of the zoo", "recipes.commands.import_checkpoints"),
    "export": ("a language model as a folder that plain transformers loads", "recipes.commands.export"),
    "evaluate": (
        "likelihood suites, few-shot tasks, sentiment, alignment and toxicity of a language model",
        "recipes.commands.evaluate",
    ),
    "compare": ("tokenizers side by side: what their units cost and keep, as a page", "recipes.commands.compare"),
    "completion": ("a script that completes commands and recipes in the shell", "recipes.commands.completion"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; errors of the user's are one line each and status 1, an interrupt is status 130."""
    # Threads that spin while they wait make training ten times slower as soon as anything else runs on the machine; threads
    # that sleep at once make it a third slower on an idle one. Some microseconds of spinning cost neither.
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
        _command(name, arguments[1:])
    except KeyboardInterrupt as error:
        _tell(f"{error or 'interrupted'}")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        lines = getattr(error, "lines", None) or [" ".join(str(error).split())]
        _tell(*(f"error: {line}" for line in lines))
        sys.exit(1)


def usage() -> str:
    """What ``zoo --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {purpose}" for name, (purpose, _) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: zoo COMMAND ...",
            "",
            "Interleaved speech-text language models, made by recipes.",
            "",
            *lines,
            "",
            "example: zoo run quickstart",
            "zoo COMMAND --help tells more about one.",
        ]
    )


def _command(name: str, arguments: list[str]) -> None:
    purpose, path = COMMANDS[name]
    module = import_module(path)
    parser = argparse.ArgumentParser(
        prog=f"zoo {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    module.main(parser.parse_intermixed_args(arguments))


def _tell(*lines: str) -> None:
    if os.environ.get("ZOO_DEBUG") == "1":
        traceback.print_exc()
    print(*lines, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
