"""Pages of the documentation site that are made from the project: home, recipes, parts, contributing, changes.

MkDocs calls ``on_files`` before it builds (``make docs``).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from recipes.engine import bundled
from recipes.engine.public_parts import PARTS, STAGES

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
COPIED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
PACKAGES = {
    "recipes.stages": "Stages",
    "datamodules": "DataModules",
    "lightningmodules": "LightningModules",
    "zoo.corpora": "Corpora",
    "zoo.forced_alignment": "Aligners",
    "zoo.speech": "Speech encoders and units",
    "zoo.tokenizers": "Tokenizers",
    "zoo.tokens": "Tokens",
    "zoo.language": "Language models",
    "zoo.vocoder": "Vocoders",
    "zoo.metrics": "Metrics",
    "zoo.evaluation": "Evaluation",
    "zoo.comparison": "Comparison",
    "zoo.interop": "Official checkpoints",
    "zoo": "Others",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    pages = {target: _copied(ROOT / source) for target, source in COPIED.items()}
    pages["reference/recipes.md"] = _recipe_list(bundled.names())
    for name in bundled.names():
        pages[f"reference/recipes/{name}.md"] = _recipe_page(name)
    pages["reference/parts.md"] = _part_list()
    for package, title in PACKAGES.items():
        pages[f"reference/parts/{package}.md"] = _package_page(package, title)
    for target, text in pages.items():
        files.append(File.generated(config, target, content=text))
    return files


def _copied(path: Path) -> str:
    """Return a file at the top of the project, with its links as they are on the site."""

    def on_site(match: re.Match[str]) -> str:
        target = match[1].removeprefix("docs/")
        pages = {source: page for page, source in COPIED.items()}
        target = pages.get(target, target)
        return f"]({target})" if target.split("#")[0].endswith(".md") else "]"

    return re.sub(r"\[([^\]]+)\]", r"[\1]", LINK.sub(on_site, path.read_text()))


def _recipe_list(names: Iterable[str]) -> str:
    rows = []
    for name in names:
        header = bundled.header(bundled.find(name))
        rows.append(f"| [`{name}`](recipes/{name}.md) | {header.purpose} |")
    table = "\n".join(["| recipe | makes |", "|-|-|", *rows])
    return f"# Recipes\n\n`zoo show RECIPE` writes a recipe out with all defaults.\n\n{table}\n"


def _recipe_page(name: str) -> str:
    """Return the page of a recipe: what it makes, needs and costs, and the file."""
    path = bundled.find(name)
    header = bundled.header(path)
    facts = f"{header.purpose}\n\n**Needs**: {header.needs}\n\n**Costs**: {header.costs}"
    body = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("# "))
    return f"# {name}\n\n{facts}\n\n```bash\n{header.run}\n```\n\n```yaml\n{body.strip()}\n```\n"


def _parts_of(package: str) -> list[str]:
    """Return the full names of the public parts in a package, without those of packages that have their own page."""
    names = []
    others = [other for other in PACKAGES if other.startswith(f"{package}.")]
    for listed in (STAGES, PARTS):
        for module, parts in listed.items():
            is_of_other = any(_is_within(module, other) for other in others)
            if _is_within(module, package) and not is_of_other:
                names += [f"{module}.{part}" for part in parts]
    return sorted(names)


def _is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _part_list() -> str:
    rows = []
    for package, title in PACKAGES.items():
        names = ", ".join(f"`{name.split('.')[-1]}`" for name in _parts_of(package))
        rows.append(f"| [{title}](parts/{package}.md) | {names} |")
    table = "\n".join(["| part | names |", "|-|-|", *rows])
    return f"# Parts\n\nEverything that a recipe may name as `_target_`.\n\n{table}\n"


def _package_page(package: str, title: str) -> str:
    blocks = [f"::: {name}" for name in _parts_of(package)]
    return f"# {title}\n\n" + "\n\n".join(blocks) + "\n"
