"""Imports point one way, recipes -> {lightningmodules, datamodules} -> zoo; files and functions stay small; arguments are typed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "zoo": {"zoo"},
    "datamodules": {"datamodules", "zoo"},
    "lightningmodules": {"lightningmodules", "zoo"},
    "recipes": {"recipes", "datamodules", "lightningmodules", "zoo"},
}
FILES = [(package, path) for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 60

each_file = pytest.mark.parametrize("package, path", FILES, ids=[str(path.relative_to(ROOT)) for _, path in FILES])


def functions(path):
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


@each_file
def test_imports_point_one_way(package, path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        tops = {name.split(".")[0] for name in names}
        ours = tops & {*MAY_IMPORT, "tests"}
        assert ours <= MAY_IMPORT[package], f"line {node.lineno} imports {ours}"
        if package == "zoo":
            assert not {"lightning", "pytorch_lightning", "omegaconf"} & tops, (
                f"line {node.lineno}: zoo is plain PyTorch"
            )


@each_file
def test_files_and_functions_stay_small(package, path):
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions(path)}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


@each_file
def test_every_argument_is_typed(package, path):
    for node in functions(path):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        assert not untyped, f"{node.name}, line {node.lineno}: {untyped}"
