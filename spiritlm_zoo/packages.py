"""Which ``zoo``, ``datamodules``, ``lightningmodules`` and ``recipes`` an import finds.

The names are short, and other distributions use them too: torchtune installs a ``recipes`` that refuses to be imported.
A wheel therefore carries the four packages inside ``spiritlm_zoo/bundled``, where no other distribution writes, and a
finder ahead of all others resolves their names there. In a checkout they lie beside ``spiritlm_zoo``.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("zoo", "datamodules", "lightningmodules", "recipes")
HERE = Path(__file__).resolve().parent
ROOT = HERE / "bundled" if (HERE / "bundled").is_dir() else HERE.parent


class OwnPackages:
    """A finder of ``sys.meta_path`` that resolves the four names to this project's packages.

    Modules inside the packages are found as usual. It has no base class because importing ``importlib.abc`` would take
    a third of the time that `zoo --help` takes.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in PACKAGES:
            return None
        return PathFinder.find_spec(fullname, [str(ROOT)], target)


def claim() -> None:
    """Let the four names mean this project's packages in this process.

    Raises:
        ImportError: Another distribution's package of one of these names is already imported.
    """
    for name in PACKAGES:
        module = sys.modules.get(name)
        if module is not None and not _is_own(module):
            raise ImportError(
                f"package {name!r} is already imported from {_location(module)}{_owner(module)}, but spiritlm_zoo "
                f"needs its own {name!r}: import spiritlm_zoo first, or use the two in separate processes",
                name=name,
            )
    if not any(isinstance(finder, OwnPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, OwnPackages())


def _is_own(module: ModuleType) -> bool:
    folders = [Path(folder).resolve() for folder in getattr(module, "__path__", [])]
    return ROOT / module.__name__ in folders


def _location(module: ModuleType) -> str:
    folders = list(getattr(module, "__path__", []))
    return folders[0] if folders else str(module.__file__)


def _owner(module: ModuleType) -> str:
    """Name the distributions that installed a package of this name, such as `` (of torchtune)``."""
    from importlib.metadata import packages_distributions  # slow, and needed for the error message only

    owners = sorted(set(packages_distributions().get(module.__name__, [])) - {"spiritlm-zoo"})
    return f" (of {', '.join(owners)})" if owners else ""
