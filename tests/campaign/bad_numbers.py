"""Every numeric key of four recipes at eight values that are zero, negative, huge, not finite or no number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.engine.nodes import TARGET, content_of, is_node, leaves
from recipes.engine.recipe import Recipe, load
from recipes.engine.resolve import value_at
from tests.campaign.outcomes import Case

RECIPES = ("quickstart", "adapt/demo", "vocoder/expressive_demo", "units/ctc_quantizer_demo")
VALUES = ("0", "-1", "0.5", "1e9", ".nan", ".inf", "abc", "''")
# Arguments for which a value means something, by the value. A whole number is meant by most others.
MAY_BE_ZERO = (
    *("seed", "warmup_steps", "num_cloze", "num_suite", "num_speakers", "num_styles", "harmonics", "switch_penalty"),
    *("num_workers", "num_sanity_val_steps", "log_every_n_steps", "adversarial_from_step", "weight_decay", "dropout"),
    *("label_smoothing", "final_learning_rate", "weights", "max_bad_share", "gradient_clip_val", "aligned_steps"),
    *("aligned_weight", "consistency_weight", "balance_weight", "decay", "mel_weight", "f0_weight", "feature_weight"),
    *("duration_weight", "commitment_weight", "variance_normalization", "delta_weight", "min_usage", "num_examples"),
    *("min_seconds", "ema_decay", "max_semitones", "min_slope", "max_slope", "min_snr_db", "max_snr_db", "head_steps"),
)
MAY_BE_NEGATIVE = (
    *("max_steps", "num_sanity_val_steps", "min_slope", "max_slope", "min_snr_db", "max_snr_db", "devices"),
    *("min_direct_db", "max_direct_db"),
)
MAY_BE_HALF = (
    *("hours", "rope_theta", "learning_rate", "final_learning_rate", "learning_rate_decay", "clip_norm", "weights"),
    *("unit_rate", "rates", "switch_penalty", "train_speeds", "val_check_interval", "weight_decay", "dropout", "alpha"),
    *("label_smoothing", "initializer_range", "scale_hz", "crop_seconds", "decay", "gain_jitter_db", "gradient_clip"),
    *("pitch_jitter_octaves", "max_bad_share", "batch_seconds", "max_seconds", "min_seconds", "temperature"),
    *("aligned_weight", "consistency_weight", "balance_weight", "mel_weight", "f0_weight", "duration_weight"),
    *("feature_weight", "weight", "prompt_seconds", "variance_normalization", "ema_decay", "commitment_weight"),
    *("max_semitones", "min_slope", "max_slope", "min_snr_db", "max_snr_db", "min_rate", "max_rate", "ratio", "f0_min"),
)
MAY_BE_HUGE = (
    *("seed", "warmup_steps", "max_steps", "val_check_interval", "num_sanity_val_steps", "log_every_n_steps"),
    *("checkpoint_every", "decay_every_steps", "adversarial_from_step", "rope_theta", "aligned_steps", "head_steps"),
    *("max_frames", "dev_every", "max_tokens", "clip_norm", "alpha", "gradient_clip", "initial_frames"),
)
LEGAL = {"0": MAY_BE_ZERO, "-1": MAY_BE_NEGATIVE, "0.5": MAY_BE_HALF, "1e9": MAY_BE_HUGE}


def dry_runs() -> Iterator[Case]:
    """Each number of each recipe, once for an argument of a part, at each value."""
    seen: set[tuple[str, str]] = set()
    for name in RECIPES:
        recipe = load(name)
        for key, part, argument in numeric_keys(recipe):
            if (part, argument) in seen:
                continue
            seen.add((part, argument))
            for value in VALUES:
                yield Case(
                    "numbers",
                    f"{name} {key}={value}",
                    ("run", name, f"{key}={value}", "--dry-run"),
                    (key, key.rpartition(".")[0]),
                    is_legal=argument in LEGAL.get(value, ()),
                )


def numeric_keys(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Yield the path of each number in a recipe, the part that takes it, and the name of its argument."""
    content = content_of(recipe.config)
    readers = dict(_readers(content))
    for key, value in leaves(content):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        part, argument = _owner(content, key)
        if not part:  # a number at the top of the recipe, which nodes refer to
            part, argument = readers.get(key, ("", key))
        yield key, part, argument


def _readers(content: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the path of each value that an argument refers to, and that argument."""
    for key, value in leaves(content):
        if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
            owner = _owner(content, key)
            if owner[0]:
                yield value[2:-1], owner


def _owner(content: dict[str, Any], key: str) -> tuple[str, str]:
    """Return the target of the innermost node above a path, and the argument that leads to the path."""
    keys = key.split(".")
    for depth in range(len(keys) - 1, 0, -1):
        node = value_at(content, ".".join(keys[:depth]))
        if is_node(node):
            return node[TARGET], keys[depth]
    return "", keys[-1]


def real_starts(legal: list[Case], tiny: tuple[str, ...], run: Path) -> Iterator[Case]:
    """Yield real starts of the quickstart with values that its dry run accepts; stages before the value are done.

    Args:
        legal: Dry runs of the quickstart that were accepted.
        tiny: Overrides of a run that takes seconds.
        run: A finished run of these.
    """
    for case in legal:
        override = case.arguments[2]
        yield Case(
            "numbers, started",
            override,
            ("run", "quickstart", *tiny, override, "out=runs/tiny", "--again"),
            (*case.mentions, override.partition("=")[0].rpartition(".")[2]),
            lambda folder: copy_run(run, folder / "runs" / "tiny"),
            is_legal=True,
        )


def copy_run(run: Path, to: Path) -> None:
    """Copy a finished run, so that a case may change it."""
    import shutil

    shutil.copytree(run, to)
