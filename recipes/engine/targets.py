"""Find the class or function that a dotted name in a recipe refers to, if recipes may name it.

A downloaded recipe must not run arbitrary code or write outside its own folder. It may therefore name only the parts
listed in ``public_parts``: classes and functions of this project, and classes in some modules of the libraries.
``--trust`` adds packages, modules or single names.
"""

import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from recipes.engine.errors import RecipeError, shown
from recipes.engine.old_names import renamed_target
from recipes.engine.public_parts import (
    LIBRARIES,
    LIBRARY_CLASSES,
    LIBRARY_FUNCTIONS,
    PROJECT,
    is_public_part,
    public_names,
)
from zoo.error_messages import one_line
from zoo.suggestions import nearest_name, suggest

REFUSED_ARGUMENTS = ("trust_remote_code", "code_revision", "use_kernels", "kernel_config")
# Arguments that are refused where they name code of the Hugging Face hub, as owner/name.
IMPLEMENTATIONS = ("attn_implementation", "experts_implementation", "attention")
MAX_NAME_CHARACTERS = 200


class Targets:
    """Finds the callables that a recipe names.

    Args:
        trust: Dotted names allowed beside the public parts, with everything below them.
    """

    def __init__(self, trust: Sequence[str] = ()) -> None:
        self.trust = tuple(trust)
        self.located: dict[str, Callable] = {}

    def locate(self, path: Any) -> Callable:
        """Return the class or function at ``path``, such as ``zoo.module.Class`` or ``zoo.module.Class.from_folder``.

        Raises:
            RecipeError: The name does not exist, or recipes may not name it.
        """
        if not isinstance(path, str) or not all(part.isidentifier() for part in path.split(".")) or "." not in path:
            raise RecipeError(f"want a dotted name such as zoo.module.Class, got {shown(path)}")
        if len(path) > MAX_NAME_CHARACTERS:
            raise RecipeError(f"want a dotted name of at most {MAX_NAME_CHARACTERS} characters, got {shown(path)}")
        if path not in self.located:
            self._permit_package(path)
            found, owner = _find_or_rename(path)
            self._admit(path, found, owner)
            self.located[path] = found
        return self.located[path]

    def trusts(self, name: str) -> bool:
        return _within(name, self.trust)

    def _permit_package(self, path: str) -> None:
        """Refuse private names, and those outside of the packages that recipes may use, before anything is imported."""
        top = path.split(".")[0]
        if self.trusts(path):
            return
        if any(part.startswith("_") for part in path.split(".")):
            raise RecipeError(f"{path} is private; if you trust this recipe: --trust {path}")
        if top in PROJECT + LIBRARIES:
            return
        nearest = nearest_name(top, PROJECT + LIBRARIES)
        remedy = f"did you mean {nearest!r}? Or," if nearest else f"those are {', '.join(PROJECT + LIBRARIES)};"
        raise RecipeError(f"{path} is outside the packages recipes may use; {remedy} if you trust it: --trust {top}")

    def _admit(self, path: str, found: Any, owner: Any) -> None:
        """Raise an error unless an object is a class, function or class method that recipes may name.

        Args:
            path: Dotted name by which the recipe names the object.
            found: The object.
            owner: Module or class that the object was found in.
        """
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
        home = home_name(found)
        if self.trusts(path) or self.trusts(home):
            return
        if home.split(".")[0] in PROJECT:
            if not is_public_part(home):
                remedy = suggest(path.split(".")[-1], public_names())
                raise RecipeError(
                    f"{path} is not a part that recipes may name; {remedy} If you trust this recipe: --trust {path}"
                )
        elif not _is_library_part(path, home, found):
            raise RecipeError(
                f"{path} is {home}, which recipes may not name: it could run code or write files; "
                f"if you trust this recipe: --trust {path}"
            )


def home_name(found: Callable) -> str:
    """Return the module and qualified name of a callable; a class method is named in the class it was taken from."""
    owner = getattr(found, "__self__", None)
    if inspect.isclass(owner):
        return f"{owner.__module__}.{owner.__qualname__}.{found.__name__}"
    return f"{found.__module__}.{found.__qualname__}"


def _is_library_part(path: str, home: str, found: Callable) -> bool:
    """Return whether a recipe may name this callable of a library."""
    if any(part.startswith("_") for part in path.split(".")):
        return False
    if inspect.isclass(found):
        return _within(home, LIBRARY_CLASSES)
    return _within(home, LIBRARY_FUNCTIONS)


def _within(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def _find_or_rename(path: str) -> tuple[Any, Any]:
    """Return the object at ``path`` and the module or class that holds it.

    Raises:
        RecipeError: The object does not exist; the message has its new name if it is known to have been renamed.
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
        except (Exception, SystemExit) as error:  # a lazy module may raise whatever its import raises
            raise RecipeError(f"cannot import {path}: {one_line(error)}") from error
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
