"""Members of a ``ModuleList`` with their type, which the list itself does not keep."""

from collections.abc import Iterable
from typing import TypeVar

from torch import nn

Member = TypeVar("Member", bound=nn.Module)


def typed(modules: Iterable[nn.Module], kind: type[Member]) -> list[Member]:
    """Return the modules, each of which is a ``kind``."""
    members = []
    for module in modules:
        assert isinstance(module, kind), f"{type(module).__name__} is no {kind.__name__}"
        members.append(module)
    return members
