"""The shape of the source tree: direction of imports, size of files and functions, typed arguments, density of the code."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("spiritlm_zoo", "zoo", "datamodules", "lightningmodules", "recipes")
MAY_IMPORT = {
    "spiritlm_zoo": {"spiritlm_zoo", "recipes", "zoo"},
    "zoo": {"zoo"},
    "datamodules": {"datamodules", "zoo"},
    "lightningmodules": {"lightningmodules", "zoo"},
    "recipes": {"recipes", "datamodules", "lightningmodules", "zoo"},
}
# Each layer of zoo may import itself and those before it. The first holds single modules that everything may use.
ZOO_LAYERS = (
    (
        "files",
        "languages",
        "audio",
        "audio_files",
        "audio_decoders",
        "resampling",
        "seeds",
        "processes",
        "peak_memory",
        "hardware",
        "suggestions",
        "error_messages",
        "reports",
        "optional_packages",
        "model_folders",
        "weights",
        "pretrained_networks",
        "ranges",
    ),
    ("tokens",),
    ("corpora",),
    ("speech",),
    ("forced_alignment",),
    ("tokenizers",),
    ("vocoder",),
    ("language",),
    ("metrics",),
    ("evaluation",),
    ("comparison",),
    ("interop",),
)
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
MAX_ARGUMENTS = 12
MAX_LINE_LENGTH = 120
MAX_COMPREHENSIONS_PER_100_LINES = 4.0
MAX_SYNTAX_NODES_PER_LINE = 11.0

FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def for_each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[str(path.relative_to(ROOT)) for path in paths])


every_file = for_each(FILES)
every_zoo_file = for_each([path for path in FILES if path.is_relative_to(ROOT / "zoo")])


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """The arguments of a function, ``self`` and ``cls`` left out."""
    declared = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [argument for argument in declared if argument.arg not in ("self", "cls")]


def docstring_lines(tree: ast.AST) -> set[int]:
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node, clean=False
        ):
            lines.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def num_code_lines(source: str) -> int:
    """Number of lines that hold part of a token which is neither a comment nor a docstring."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstring_lines(ast.parse(source)))


def zoo_layer(module: str) -> int | None:
    """Position of a module's layer in ``ZOO_LAYERS``; None for a module outside ``zoo``."""
    parts = module.split(".")
    if parts[0] != "zoo" or len(parts) < 2:
        return None
    for position, names in enumerate(ZOO_LAYERS):
        if parts[1] in names:
            return position
    raise AssertionError(f"zoo.{parts[1]} has no place in ZOO_LAYERS")


@every_file
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    for line, name in imported_modules(ast.parse(path.read_text())):
        top = name.split(".")[0]
        if top in MAY_IMPORT or top == "tests":
            assert top in MAY_IMPORT[package], f"line {line} of {package} imports {name}"
        if package == "zoo":
            assert top not in ("lightning", "pytorch_lightning", "omegaconf"), f"line {line}: zoo is plain PyTorch"


@every_zoo_file
def test_layers_of_zoo_import_only_those_below(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if module == "zoo.__init__":
        assert not list(imported_modules(ast.parse(path.read_text())))
        return
    layer = zoo_layer(module)
    for line, name in imported_modules(ast.parse(path.read_text())):
        imported = zoo_layer(name)
        assert imported is None or imported <= layer, f"line {line}: {module} imports {name}, which lies above it"


@every_file
def test_files_functions_and_lines_stay_small(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_FILE_LINES
    assert [number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE_LENGTH] == []
    too_long = {}
    too_many_arguments = {}
    for function in functions(ast.parse(path.read_text())):
        num_lines = function.end_lineno - function.lineno + 1
        if num_lines > MAX_FUNCTION_LINES:
            too_long[function.name] = num_lines
        if len(arguments(function)) > MAX_ARGUMENTS:
            too_many_arguments[function.name] = len(arguments(function))
    assert too_long == {}
    assert too_many_arguments == {}


@every_file
def test_every_argument_is_typed(path):
    for function in functions(ast.parse(path.read_text())):
        untyped = [argument.arg for argument in arguments(function) if argument.annotation is None]
        assert not untyped, f"{function.name}, line {function.lineno}: {untyped}"


def test_code_is_not_dense():
    """A limit on how much syntax a line of code carries, on average over the packages."""
    num_lines = 0
    num_nodes = 0
    num_comprehensions = 0
    for path in FILES:
        source = path.read_text()
        num_lines += num_code_lines(source)
        for node in ast.walk(ast.parse(source)):
            num_nodes += 1
            num_comprehensions += isinstance(node, COMPREHENSIONS)
    assert num_nodes / num_lines <= MAX_SYNTAX_NODES_PER_LINE
    assert 100 * num_comprehensions / num_lines <= MAX_COMPREHENSIONS_PER_100_LINES
