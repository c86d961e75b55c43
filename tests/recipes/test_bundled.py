"""Every recipe that is shipped: its header, its check, its way into the wheel."""

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from recipes.engine import bundled as shipped
from recipes.engine.recipe import load

ROOT = Path(__file__).parents[2]
PACKAGES = ("zoo", "datamodules", "lightningmodules", "recipes")


@pytest.mark.parametrize("name", shipped.names())
def test_header_says_what_it_makes_needs_and_costs_and_how_to_run_it(name):
    header = shipped.header(shipped.find(name))
    assert header.purpose and header.needs and header.costs and header.run.startswith(f"zoo run {name}"), header


@pytest.mark.parametrize("name", shipped.names())
def test_recipe_passes_its_check_with_the_command_in_its_header(name):
    command = shipped.header(shipped.find(name)).run.split()
    recipe = load(name, [word for word in command if "=" in word and not word.startswith("-")])
    assert recipe.stages


def test_the_wheel_carries_every_package_and_recipe(tmp_path):
    if not importlib.util.find_spec("setuptools") or int(metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("no setuptools here that can build the wheel: install the extra `test`")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / file, tmp_path / "source")
    build = [sys.executable, "-c", "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"]
    subprocess.run(build, cwd=tmp_path / "source", check=True, capture_output=True)
    wheel = next(tmp_path.glob("spiritlm_zoo-*.whl"))
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for kind in ("*.py", "*.yaml")
        for path in (ROOT / package).rglob(kind)
    }
    assert wanted and wanted <= inside
    assert not [name for name in inside if name.startswith("tests")]
