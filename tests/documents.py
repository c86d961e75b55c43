"""README and documentation, taken apart: fenced blocks, inline code, links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    Args:
        document: Name of the file.
        line: Of the first line of ``text`` in the file.
        language: Info string of the fence, such as ``python``; empty where there is none.
        text: Without the fences.
    """

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(path: Path, language: str) -> list[Block]:
    """The blocks of one language in a document, in order."""
    text = path.read_text()
    found = []
    for match in FENCE.finditer(text):
        if match[1] == language:
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(path.name, line, language, match[2]))
    return found


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return FENCE.sub("", path.read_text())


def inline_code(path: Path) -> list[str]:
    """The code spans of a document's prose, with line breaks as spaces."""
    return [" ".join(span.split()) for span in INLINE.findall(prose(path))]


def links(path: Path) -> list[str]:
    return LINK.findall(prose(path))


def commands(block: Block) -> list[list[str]]:
    """The words of each command in a ``bash`` block, comments left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]
