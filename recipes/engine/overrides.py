"""``key=value`` from the command line into a recipe."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import OmegaConf, errors

from recipes.engine.check import TARGET
from recipes.engine.errors import shown
from zoo.suggestions import suggest


def override(content: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Apply ``overrides`` to a recipe's content in place; return what is wrong with them, a line each."""
    problems = []
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals or not key:
            problems.append(f"{item!r}: want key=value, such as out=runs/mine or stages.lm.trainer.max_steps=100")
            continue
        text = os.path.expanduser(text) if text.startswith("~/") else text
        try:
            value = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))["value"]
            _set(content, key.split("."), value)
        except (yaml.YAMLError, errors.OmegaConfBaseException) as error:
            problems.append(f"{key}={text}: the value is not valid YAML: {' '.join(str(error).split())[:120]}")
        except KeyError as error:
            problems.append(f"{key}={text}: {error.args[0]}")
    return problems


def assign(content: dict[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Put values at dotted paths of a recipe's content in place; return what is wrong with them, a line each."""
    problems = []
    for key, value in changes.items():
        try:
            _set(content, str(key).split("."), value)
        except KeyError as error:
            problems.append(f"set.{key}: {error.args[0]}")
    return problems


def _set(content: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set the value at the path ``keys``; only arguments of nodes may be new.

    Raises:
        KeyError: There is no such place, with a message for the user.
    """
    here: Any = content
    for depth, key in enumerate(keys):
        at = ".".join(keys[:depth]) or "the recipe"
        if isinstance(here, str) and here.startswith("${") and here.endswith("}"):
            raise KeyError(f"{at} is {here}, shared with others: override {'.'.join([here[2:-1], *keys[depth:]])}")
        if isinstance(here, list):
            if not key.lstrip("-").isdigit() or not -len(here) <= int(key) < len(here):
                raise KeyError(
                    f"{at} is a list of {len(here)}: want a number up to {len(here) - 1} in place of {key!r}"
                )
            key = int(key)
        elif not isinstance(here, dict):
            raise KeyError(f"{at} is {shown(here)}, which has no {key!r}")
        else:
            key = next((k for k in here if str(k) == key), key)
            is_new_argument = TARGET in here and depth == len(keys) - 1
            if key not in here and not is_new_argument:
                raise KeyError(f"{at} has no {key!r}; {suggest(key, here)}")
        if depth == len(keys) - 1:
            here[key] = value
        else:
            here = here[key]
