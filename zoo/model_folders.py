"""Checks of model folders before transformers and PEFT read them, so that they bring no code and no endless search."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from zoo.files import read_json

# Keys of a configuration that may name code of the Hugging Face hub, as owner/name, and keys that always load it.
IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")
KERNELS = ("kernel_config", "use_kernels")
# Keys of an adapter's configuration that PEFT matches as regular expressions with the names of all modules.
PATTERN_KEYS = (
    "target_modules",
    "exclude_modules",
    "layers_pattern",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
)
MAX_PATTERN_LENGTH = 500
MAX_REPETITIONS = 3
REPETITION = re.compile(r"(?<!\\)(?:[*+]|\{\d*,\d*\})")
REPEATED_GROUP = re.compile(r"(?<!\\)\)\s*[*+{]|\\[1-9]|\(\?P?[=(]")


def check_model(source: str | Path) -> None:
    """Raise an error if a checkpoint's configuration would load code of the hub.

    Args:
        source: Folder of a checkpoint, or its name on the hub.

    Raises:
        ValueError: The configuration names code; the message names the file, the key and the remedy.
    """
    path = Path(source) / "config.json"
    if path.is_file():
        content = read_json(path)
    elif Path(source).exists():
        return
    else:
        try:
            content = AutoConfig.from_pretrained(str(source), trust_remote_code=False).to_dict()
        except (OSError, ValueError, KeyError):
            return  # reported by the loader of the checkpoint itself
    for key, value in _kernels(content):
        raise ValueError(
            f"{path}: {key}={str(value)[:80]!r} would load code from the Hugging Face hub; remove the key from the file"
        )


def check_adapter(path: Path) -> None:
    """Raise an error if an adapter's configuration has a regular expression whose search may take forever.

    Args:
        path: The file ``adapter_config.json``.

    Raises:
        ValueError: An expression is too long, repeats a group, has too many repetitions or is not valid.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: want a mapping of names to values; write the file again from its original")
    for key in PATTERN_KEYS:
        for pattern in _patterns(content.get(key)):
            problem = _pattern_problem(pattern)
            if problem:
                raise ValueError(f"{path}: {key}={pattern[:80]!r} {problem}; list the names of the modules instead")


def _kernels(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield each key of a configuration, nested ones included, whose value may name code."""
    if isinstance(content, list):
        for value in content:
            yield from _kernels(value)
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        is_implementation = str(key).lstrip("_").startswith(IMPLEMENTATIONS)
        if (is_implementation and "/" in str(value)) or (str(key) in KERNELS and value):
            yield key, value
        else:
            yield from _kernels(value)


def _patterns(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, dict)):
        return []
    return [str(pattern) for pattern in value]  # names in a list, or the keys of a mapping


def _pattern_problem(pattern: str) -> str | None:
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"has {len(pattern)} characters; want at most {MAX_PATTERN_LENGTH}"
    if REPEATED_GROUP.search(pattern) or len(REPETITION.findall(pattern)) > MAX_REPETITIONS:
        return f"is a regular expression that repeats a group, or has more than {MAX_REPETITIONS} repetitions"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a valid regular expression ({error})"
    return None
