"""Typed access to the members of a ``ModuleList``, which does not keep their type."""

from collections.abc import Iterable
from typing import TypeVar

from torch import nn

Member = TypeVar("Member", bound=nn.Module)


def typed(modules: Iterable[nn.Module], kind: type[Member]) -> list[Member]:
    """Return the modules as a list of ``kind``, after checking that each of them is one."""
    members = []
    for module in modules:
        assert isinstance(module, kind), f"{type(module).__name__} is no {kind.__name__}"
        members.append(module)
    return members
