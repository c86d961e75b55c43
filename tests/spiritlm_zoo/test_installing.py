"""The wheel beside another distribution whose package is also named ``recipes`` and refuses to be imported."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED_NAMES = ("zoo", "datamodules", "lightningmodules", "recipes")
REFUSAL = "you should not import anything from here"
BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"


def build_source(folder):
    """Copy what the wheel is built from, so that building leaves nothing in the checkout."""
    for package in ("spiritlm_zoo", *SHARED_NAMES):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "setup.py", "LICENSE", "README.md"):
        shutil.copy(ROOT / file, folder)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if not importlib.util.find_spec("setuptools") or int(metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("no setuptools here that can build the wheel: install the extra `test`")
    folder = tmp_path_factory.mktemp("wheel")
    build_source(folder / "source")
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder / "source", check=True, capture_output=True)
    return next(folder.glob("spiritlm_zoo-*.whl"))


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """A wheel of a distribution ``tuner`` with packages ``tuner`` and ``recipes``, as torchtune's."""
    path = tmp_path_factory.mktemp("stub") / "tuner-1.0-py3-none-any.whl"
    files = {
        "tuner/__init__.py": "name = 'tuner'\n",
        "recipes/__init__.py": f"raise ModuleNotFoundError({REFUSAL!r})\n",
        "recipes/generate.py": "print('recipe of tuner')\n",
        "tuner-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tuner\nVersion: 1.0\n",
        "tuner-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tuner-1.0.dist-info/top_level.txt": "recipes\ntuner\n",
    }
    files["tuner-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "tuner-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_the_wheel_carries_every_package_and_recipe(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = set()
    for package in ("spiritlm_zoo", *SHARED_NAMES):
        prefix = "spiritlm_zoo/bundled/" if package in SHARED_NAMES else ""
        for pattern in ("*.py", "*.yaml", "py.typed"):
            wanted.update(prefix + path.relative_to(ROOT).as_posix() for path in (ROOT / package).rglob(pattern))
    assert len(wanted) > 100 and wanted <= inside
    assert not [name for name in inside if name.startswith(("tests", *(f"{package}/" for package in SHARED_NAMES)))]


class Environment:
    """A virtual environment that borrows this one's libraries, but not this checkout."""

    def __init__(self, folder):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.bin = folder / "bin"
        self.packages = next((folder / "lib").glob("python3*")) / "site-packages"
        (self.packages / "zzz_libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, *wheels):
        for wheel in wheels:
            pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "-q"]
            subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, capture_output=True)

    def run(self, program, *arguments):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [self.bin / program, *arguments]
        return subprocess.run(command, cwd=self.bin.parent, env=environment, capture_output=True, text=True)

    def python(self, code):
        return self.run("python", "-c", code)


@pytest.fixture(scope="module", params=["installed first", "installed last"])
def environment(request, tmp_path_factory, wheel, stub):
    environment = Environment(tmp_path_factory.mktemp("environment") / "venv")
    environment.install(*((wheel, stub) if request.param == "installed first" else (stub, wheel)))
    return environment


def test_the_command_runs(environment):
    result = environment.run("zoo", "list", "--names")
    assert result.returncode == 0, result.stderr
    assert "quickstart" in result.stdout.splitlines()


def test_the_four_names_are_ours_after_an_import_of_spiritlm_zoo(environment):
    result = environment.python(
        "import spiritlm_zoo\nfrom importlib.util import find_spec\n"
        f"for name in {SHARED_NAMES}: print(find_spec(name).origin)\n"
        "import recipes.commands.cli"
    )
    assert result.returncode == 0, result.stderr
    bundled = environment.packages / "spiritlm_zoo" / "bundled"
    assert result.stdout.splitlines() == [str(bundled / name / "__init__.py") for name in SHARED_NAMES]


def test_a_module_of_the_library_is_found_without_spiritlm_zoo(environment):
    """Workers that another program starts, such as Ray's, import ``zoo`` alone."""
    assert environment.python("import zoo.tokens.units").returncode == 0


def test_the_other_distribution_stays_as_it_was(environment):
    assert environment.python("import tuner; print(tuner.name)").stdout == "tuner\n"
    assert REFUSAL in environment.python("import recipes").stderr
    script = environment.packages / "recipes" / "generate.py"
    assert environment.run("python", str(script)).stdout == "recipe of tuner\n"
    assert sorted(path.name for path in script.parent.glob("*.*")) == ["__init__.py", "generate.py"]


def test_a_name_that_is_already_taken_is_an_error_of_one_line_with_its_owner(environment):
    (environment.packages / "recipes" / "__init__.py").write_text("")
    result = environment.python("import recipes, spiritlm_zoo")
    (environment.packages / "recipes" / "__init__.py").write_text(f"raise ModuleNotFoundError({REFUSAL!r})\n")
    error = result.stderr.splitlines()[-1]
    assert f"'recipes' is already imported from {environment.packages / 'recipes'} (of tuner)" in error
    assert "import spiritlm_zoo first" in error
