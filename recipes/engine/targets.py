"""Dotted names to callables, in the packages that a recipe may name.

A recipe from a stranger must not run arbitrary code. Classes and functions of this project may be named; of the
libraries below, public classes and their class methods, and few functions. ``--trust`` adds packages, modules or single
names.
"""

import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from recipes.engine.errors import RecipeError
from recipes.engine.renamed import renamed_target
from zoo.suggestions import nearest_name, suggest

PROJECT = ("zoo", "datamodules", "lightningmodules", "recipes")
LIBRARIES = (
    "lightning",
    "torch",
    "torchaudio",
    "torchmetrics",
    "transformers",
    "peft",
    "lhotse",
    "tokenizers",
    "pathlib",
)
LIBRARY_FUNCTIONS = (
    "peft.mapping_func.get_peft_model",
    "transformers.optimization",
    "torchmetrics.functional",
    "torchaudio.functional",
)
REFUSED = (
    "recipes.engine",
    "recipes.commands",
    "torch.hub",
    "torch.package",
    "torch.jit",
    "torch.serialization",
    "torch.multiprocessing",
    "torch.testing",
    "torch.fx",
    "torch.onnx",
    "torch.utils.cpp_extension",
    "torch.utils.benchmark",
    "torch.utils.collect_env",
    "torch.utils.bottleneck",
    "torch.utils.model_zoo",
    "torch.distributed.elastic",
    "torch.distributed.launcher",
    "torch.distributed.run",
    "torch.distributed.launch",
    "torch.distributed.rpc",
    "lightning.fabric.cli",
    "lightning.pytorch.cli",
    "lightning.fabric.strategies.launchers",
    "lightning.pytorch.strategies.launchers",
    "lightning.fabric.utilities.cloud_io",
    "transformers.dynamic_module_utils",
    "transformers.testing_utils",
    "transformers.cli",
    "transformers.commands",
    "lhotse.bin",
    "lhotse.tools",
    "lhotse.caching",
)
REFUSED_METHODS = ("load_from_checkpoint",)
REFUSED_ARGUMENTS = ("trust_remote_code", "code_revision")


class Targets:
    """Finds the callables that a recipe names.

    Args:
        trust: Dotted names allowed beside the project's and the libraries', with everything below them.
    """

    def __init__(self, trust: Sequence[str] = ()) -> None:
        self.trust = tuple(trust)
        self.located: dict[str, Callable] = {}

    def locate(self, path: Any) -> Callable:
        """Return the class or function at ``path``, such as ``zoo.module.Class`` or ``zoo.module.Class.from_folder``.

        Raises:
            RecipeError: It does not exist, or a recipe may not name it.
        """
        if not isinstance(path, str) or not all(part.isidentifier() for part in path.split(".")) or "." not in path:
            raise RecipeError(f"want a dotted name such as zoo.module.Class, got {path!r}")
        if path not in self.located:
            self._permit(path, path)
            found, owner = _find_or_rename(path)
            self._admit(path, found, owner)
            self.located[path] = found
        return self.located[path]

    def trusts(self, name: str) -> bool:
        return _within(name, self.trust)

    def _permit(self, path: str, name: str) -> None:
        """Refuse ``path`` if what it leads to, ``name``, is outside what recipes may use."""
        if self.trusts(path) or self.trusts(name):
            return
        top = name.split(".")[0]
        if top not in PROJECT + LIBRARIES:
            if path != name:
                raise RecipeError(
                    f"{path} is {name}, which is outside the packages recipes may use; "
                    f"if you trust this recipe: --trust {path}"
                )
            nearest = nearest_name(top, PROJECT + LIBRARIES)
            remedy = f"did you mean {nearest!r}? Or," if nearest else f"those are {', '.join(PROJECT + LIBRARIES)};"
            raise RecipeError(
                f"{path} is outside the packages recipes may use; {remedy} if you trust it: --trust {top}"
            )
        private = top in LIBRARIES and any(part.startswith("_") for part in path.split("."))
        if private or _within(name, REFUSED) or name.split(".")[-1] in REFUSED_METHODS:
            raise RecipeError(
                f"{path} can run arbitrary code and is refused in recipes; if you trust this recipe: --trust {path}"
            )

    def _admit(self, path: str, found: Any, owner: Any) -> None:
        """Refuse what is no callable, or whose own home recipes may not use."""
        if isinstance(found, ModuleType):
            raise RecipeError(f"{path} is a module: name a class or function in it")
        is_class_method = inspect.ismethod(found) and inspect.isclass(found.__self__)
        has_home = callable(found) and hasattr(found, "__qualname__") and getattr(found, "__module__", None)
        if not has_home or (inspect.ismethod(found) and not is_class_method):
            raise RecipeError(f"{path} is a {type(found).__name__}, not a class or function")
        if inspect.isclass(owner) and not inspect.isclass(found):
            method = inspect.getattr_static(owner, path.split(".")[-1])
            if not isinstance(method, (classmethod, staticmethod)):
                named_class = path.rpartition(".")[0]
                raise RecipeError(
                    f"{path} is a method of objects: name the class {named_class} or one of its class methods"
                )
        home = f"{found.__module__}.{found.__qualname__}"
        self._permit(path, home)
        is_function = not (inspect.isclass(found) or is_class_method)
        is_of_library = is_function and home.split(".")[0] in LIBRARIES and not _within(home, LIBRARY_FUNCTIONS)
        if is_of_library and not (self.trusts(path) or self.trusts(home)):
            raise RecipeError(
                f"{path} is a library's function; recipes may name libraries' classes only "
                f"(if you trust this recipe: --trust {path})"
            )


def _within(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def _find_or_rename(path: str) -> tuple[Any, Any]:
    """Return the object at ``path`` and what holds it.

    Raises:
        RecipeError: It does not exist; with its new name, where it is known to have been renamed.
    """
    try:
        return _find(path)
    except RecipeError as error:
        renamed = renamed_target(path)
        if renamed is None or not _exists(renamed):
            raise
        raise RecipeError(f"{path} is called {renamed} now") from error


def _exists(path: str) -> bool:
    try:
        return bool(_find(path))
    except RecipeError:
        return False


def _find(path: str) -> tuple[Any, Any]:
    """Return the object at ``path`` and the module or class that holds it."""
    parts = path.split(".")
    owner: Any = None
    found = _import(parts[0], path)
    for depth, part in enumerate(parts[1:], 1):
        owner = found
        try:
            found = getattr(owner, part)
        except AttributeError:
            found = _import(".".join(parts[: depth + 1]), path, owner)
        except ImportError as error:
            raise RecipeError(f"cannot import {path}: {error}") from error
    return found, owner


def _import(name: str, path: str, owner: Any = None) -> Any:
    try:
        if owner is None or isinstance(owner, ModuleType):
            return import_module(name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name is not None and _within(name, [error.name])
        if not missing:
            raise RecipeError(f"cannot import {path}: {error}") from error
    parent, _, last = name.rpartition(".")
    if not parent:
        raise RecipeError(f"there is no package {name!r} here")
    modules = pkgutil.iter_modules(getattr(sys.modules.get(parent), "__path__", []))
    names = {name for name in dir(owner) if not name.startswith("_")}
    names |= {module.name for module in modules}
    raise RecipeError(f"{parent} has no {last!r}; {suggest(last, sorted(names, key=str.lower))}")
