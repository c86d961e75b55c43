"""Find the recipes that this package contains, and read the comment at their top."""

import re
from dataclasses import dataclass
from pathlib import Path

from recipes.engine.errors import RecipeError
from zoo.suggestions import suggest

ROOT = Path(__file__).parents[1]
FIELD = re.compile(r"^(Needs|Costs|Run):\s*(.*)$")


@dataclass(frozen=True)
class Header:
    """Fields of the comment at the top of a recipe; a missing field is empty.

    Args:
        purpose: What the recipe makes.
        needs: What the recipe needs: data, earlier runs, hardware.
        costs: Measured time and memory, with the machine they were measured on.
        run: The command that runs it.
    """

    purpose: str = ""
    needs: str = ""
    costs: str = ""
    run: str = ""


def names() -> list[str]:
    """Return the names of all bundled recipes, such as ``quickstart`` or ``lm/base_full``, those in no folder first."""
    all_names = [path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.yaml")]
    return sorted(all_names, key=lambda name: (name.count("/"), name))


def find(name: str) -> Path:
    """Return the file of a recipe.

    Args:
        name: Name of a bundled recipe, or path of a file that ends in .yaml or .yml.

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
    """Read the comment at the top of a recipe file."""
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
