"""Optional packages: an error that names the extra to install where one is missing."""

from importlib.util import find_spec


def require_package(module: str, user: str, extra: str, alternative: str | None = None) -> None:
    """Raise an error unless an optional package is installed; the package is not imported.

    Args:
        module: Name under which the package is imported, without dots.
        user: What needs the package, in the singular, for the error message.
        extra: Extra of this project that installs the package.
        alternative: What works without the package, for the error message, such as ``name LocalProcesses``.

    Raises:
        ValueError: The package is not installed.
    """
    if find_spec(module) is None:
        remedy = f"pip install 'spiritlm-zoo[{extra}]'"
        if alternative is not None:
            remedy += f", or {alternative}"
        raise ValueError(f"{user} needs the package {module}, which is not installed: {remedy}")
