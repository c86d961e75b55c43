"""Print a script that completes commands and recipe names in bash (zsh: run `autoload bashcompinit; bashcompinit` before).

example:
  eval "$(zoo completion bash)"        put this line into ~/.bashrc
"""

import argparse

SCRIPT = """_zoo() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    elif [[ "$word" == -* ]]; then
        COMPREPLY=($(compgen -W "--help --stage --again --dry-run --trust" -- "$word"))
    elif [[ " run show copy " == *" ${{COMP_WORDS[1]}} "* ]]; then
        COMPREPLY=($(compgen -W "{recipes}" -- "$word") $(compgen -f -X '!*.yaml' -- "$word") $(compgen -d -S / -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o nospace -F _zoo zoo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash"], help="the shell to complete in")


def main(args: argparse.Namespace) -> None:
    from recipes.commands.cli import COMMANDS
    from recipes.engine import bundled as shipped

    print(SCRIPT.format(commands=" ".join(COMMANDS), recipes=" ".join(shipped.names())))
