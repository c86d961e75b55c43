"""The recipes inside this package: their names, files and headers."""

import re
from dataclasses import dataclass
from pathlib import Path

from recipes.engine.errors import RecipeError
from zoo.suggestions import suggest

ROOT = Path(__file__).parents[1]
FIELD = re.compile(r"^(Needs|Costs|Run):\s*(.*)$")


@dataclass(frozen=True)
class Header:
    """The comment at the top of a recipe; a field that it does not have is empty.

    Args:
        purpose: What the recipe makes.
        needs: What must be there before.
        costs: Time and memory, measured, with the machine.
        run: The command that runs it.
    """

    purpose: str = ""
    needs: str = ""
    costs: str = ""
    run: str = ""


def names() -> list[str]:
    """Return the name of every recipe, such as ``quickstart`` or ``lm/base_full``, those in no folder first."""
    every = [path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.yaml")]
    return sorted(every, key=lambda name: (name.count("/"), name))


def find(name: str) -> Path:
    """Return the file of a bundled recipe's name, or of a path that ends in .yaml.

    Raises:
        RecipeError: There is no such recipe.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if path.is_file():
            return path
        stem = name.removesuffix(".yaml")
        other = f"; the bundled recipe is named {stem!r}" if stem in names() else ""
        raise RecipeError(f"{name}: there is no such file{other}; `zoo list` shows the bundled recipes")
    if name in names():
        return ROOT / f"{name}.yaml"
    raise RecipeError(
        f"{name}: no bundled recipe has this name; {suggest(name, names())} "
        "(`zoo list` shows all; a file's path ends in .yaml)"
    )


def header(path: Path) -> Header:
    """Read the comment that a recipe starts with."""
    fields = {"purpose": ""}
    field = "purpose"
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.lstrip("#").strip()
        match = FIELD.match(text)
        if match:
            field = match[1].lower()
            text = match[2]
        elif field == "purpose" and fields["purpose"]:
            continue
        fields[field] = f"{fields.get(field, '')} {text}".strip()
    return Header(**fields)
