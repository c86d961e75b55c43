"""README and documentation hold: examples run, commands and recipes exist, names and files and links lead somewhere."""

import argparse
import inspect
import json
import re
import tempfile
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from recipes.commands.cli import COMMANDS
from recipes.engine import bundled
from recipes.engine.old_names import ARGUMENTS, MODULES, NAMES, PATHS
from recipes.engine.recipe import load
from recipes.engine.repeated_stages import REPETITION
from recipes.engine.targets import Targets
from tests.documents import DOCUMENTS, ROOT, Block, blocks, commands, inline_code, links
from tests.dry_runs import dry_run, write_placeholders
from tests.toy_run import write_documented_folders

PACKAGES = ("spiritlm_zoo", "zoo", "datamodules", "lightningmodules", "recipes")
FOLDERS = (*PACKAGES, "tests", "benchmarks", "docs")
DOTTED_NAME = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
SOURCE_PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w/.*-]*")
OTHER_PROGRAMS = ("apt-get", "pip", ".", "tensorboard")

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=[path.name for path in DOCUMENTS])


def every_block(language: str) -> pytest.MarkDecorator:
    found = []
    for path in DOCUMENTS:
        found += blocks(path, language)
    return pytest.mark.parametrize("block", found, ids=map(str, found))


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """A working folder with everything that the examples read."""
    root = tmp_path_factory.mktemp("documented")
    write_documented_folders(root)
    return root


@every_document
def test_python_examples_run(path, documented, monkeypatch):
    """The Python blocks of a document share their names, as a reader would run them one after another."""
    monkeypatch.chdir(documented)
    monkeypatch.syspath_prepend(str(documented))
    names: dict[str, object] = {}
    for block in blocks(path, "python"):
        modules = re.findall(r"^(?:from|import) (\w+)", block.text, re.MULTILINE)
        own = [name for name in modules if not (documented / "exported" / f"{name}.py").is_file()]
        if all(find_spec(name) for name in own):
            exec(compile(block.text, str(block), "exec"), names)


@cache
def placeholders() -> Path:
    """A folder with a small corpus in place of FOLDER."""
    return write_placeholders(Path(tempfile.mkdtemp(prefix="placeholders")))


@cache
def check_run(recipe: str, overrides: tuple[str, ...], stage: str | None) -> None:
    """Do a dry run of a command."""
    dry_run(recipe, overrides, placeholders(), stage)


def check_zoo(words: list[str]) -> None:
    """Parse the arguments of a ``zoo`` command, and check the whole recipe that it names; nothing runs."""
    name, arguments = words[0], words[1:]
    assert name in COMMANDS, f"zoo has no command {name}"
    module = import_module(COMMANDS[name].module)
    parser = argparse.ArgumentParser(prog=f"zoo {name}", exit_on_error=False)
    module.add_arguments(parser)
    parsed = parser.parse_intermixed_args(arguments)
    if name == "run":
        check_run(parsed.recipe, tuple(parsed.overrides), parsed.stage)
    elif name == "show":
        check_run(parsed.recipe, tuple(parsed.overrides), None)
    elif name == "copy":
        assert bundled.find(parsed.recipe).is_file()


def check_command(words: list[str]) -> None:
    program = words[0].split("/")[-1]
    if "&&" in words:
        split = words.index("&&")
        check_command(words[:split])
        check_command(words[split + 1 :])
    elif program == "zoo":
        check_zoo(words[1:])
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets)
    elif program == "python":
        for word in words[1:]:
            assert not word.endswith(".py") or (ROOT / word).is_file(), f"{word} does not exist"
    else:
        assert program in OTHER_PROGRAMS, f"{program}: add a check of its arguments"


@every_block("bash")
def test_commands_exist_with_their_arguments(block: Block):
    for words in commands(block):
        check_command(words)


@every_document
def test_recipes_in_the_text_pass_their_check(path):
    for span in inline_code(path):
        words = span.split()
        if words[:1] != ["zoo"] or len(words) < 3 or words[1] not in ("run", "show", "copy"):
            continue
        if not any(word.isupper() or "/NAME" in word for word in words[2:3]):
            check_command(commands(Block(path.name, 0, "bash", span))[0])


def check_targets(node: object) -> None:
    """Check that every ``_target_`` below a node exists and takes the arguments that stand beside it."""
    if isinstance(node, list):
        for item in node:
            check_targets(item)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        parameters = inspect.signature(Targets().locate(node["_target_"])).parameters
        unknown = node.keys() - parameters.keys() - {"_target_", *REPETITION}
        assert not unknown, f"{node['_target_']} has no arguments {unknown}"
    for value in node.values():
        check_targets(value)


@every_block("yaml")
def test_recipe_fragments_name_what_exists(block: Block, tmp_path):
    fragment = yaml.safe_load(block.text)
    check_targets(fragment)
    if "base" in fragment:
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(block.text)
        needs = [word for word in bundled.header(bundled.find(fragment["base"])).run.split() if "=" in word]
        load(str(recipe), needs)


@every_block("json")
def test_tables_are_json(block: Block):
    decoder = json.JSONDecoder()
    text = block.text.strip()
    while text:
        _, end = decoder.raw_decode(text)
        text = text[end:].lstrip()


@every_document
def test_names_and_files_in_the_text_exist(path):
    missing = []
    for span in inline_code(path):
        if DOTTED_NAME.fullmatch(span) and not resolves(span):
            missing.append(span)
        if SOURCE_PATH.fullmatch(span) and "NAME" not in span and "SUBJECT" not in span and not list(ROOT.glob(span)):
            missing.append(span)
    assert not missing


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one, however deep."""
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:depth]))
        except ModuleNotFoundError:
            continue
        for part in parts[depth:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@every_document
def test_links_lead_to_files(path):
    targets = [link.partition("#")[0] for link in links(path) if "://" not in link]
    assert [target for target in targets if target and not (path.parent / target).exists()] == []


def test_every_page_is_linked_from_another():
    linked = set()
    for path in DOCUMENTS:
        for link in links(path):
            linked.add((path.parent / link.partition("#")[0]).resolve())
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.resolve() not in linked] == []


def test_changelog_has_every_renamed_name():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    for old, new in (ARGUMENTS | MODULES | NAMES | PATHS).items():
        assert f"| `{old}` | `{new}` |" in changelog
    assert [new for new in MODULES.values() if not resolves(new)] == []
