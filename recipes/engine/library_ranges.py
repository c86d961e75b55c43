"""Ranges of numbers that arguments of the libraries' classes may have, whose own signatures state only their types."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from recipes.engine.signatures import Signature, signature
from recipes.engine.targets import home_name
from zoo.ranges import LearningRate, NonNegativeFloat, NonNegativeInt, NumProcesses, PositiveInt, PositiveShare, Share

Unlimited = Literal[-1]
Batches = NonNegativeInt | PositiveShare | None  # a number of batches, or a share of an epoch

RANGES: Mapping[str, Mapping[str, Any]] = {
    "lightning.pytorch.trainer.trainer.Trainer": {
        "devices": NumProcesses | Unlimited | list[NonNegativeInt] | str,
        "num_nodes": NumProcesses,
        "max_epochs": PositiveInt | Unlimited | None,
        "min_epochs": NonNegativeInt | None,
        "max_steps": PositiveInt | Unlimited,
        "min_steps": NonNegativeInt | None,
        "limit_train_batches": Batches,
        "limit_val_batches": Batches,
        "limit_test_batches": Batches,
        "limit_predict_batches": Batches,
        "val_check_interval": PositiveInt | PositiveShare | str | dict[str, int] | None,
        "check_val_every_n_epoch": PositiveInt | None,
        "num_sanity_val_steps": NonNegativeInt | Unlimited | None,
        "log_every_n_steps": NonNegativeInt | None,
        "accumulate_grad_batches": PositiveInt,
        "gradient_clip_val": NonNegativeFloat | None,
        "reload_dataloaders_every_n_epochs": NonNegativeInt,
    },
    "torch.optim": {
        "lr": LearningRate,
        "betas": tuple[Share, Share],
        "eps": NonNegativeFloat,
        "weight_decay": NonNegativeFloat,
        "momentum": Share,
    },
}


def with_library_ranges(function: Callable) -> Signature:
    """Return the signature of a callable, with the ranges of numbers where it belongs to a library listed here."""
    known = signature(function)
    home = home_name(function)
    for prefix, ranges in RANGES.items():
        if home == prefix or home.startswith(prefix + "."):
            arguments = {}
            for name, argument in known.arguments.items():
                arguments[name] = replace(argument, hint=ranges.get(name, argument.hint))
            return replace(known, arguments=arguments)
    return known
