"""Check the transforms and lengths of a cut, so that no manifest can exhaust time or memory when it is read."""

import math
from collections.abc import Iterator
from typing import Any

from lhotse.cut import Cut

from zoo.audio_decoders import MAX_HOURS, MAX_RATE, MIN_RATE
from zoo.resampling import MAX_FILTER_WEIGHTS, num_filter_weights

MAX_TRANSFORMS = 20
MAX_ITERATIONS = 100
ITERATIONS = ("taps", "delay", "iterations")  # arguments of transforms that are repeated so many times


class UnsafeSourceError(ValueError):
    """An audio source that must not be read; the message names the source, the reason and the remedy on one line."""


def check_transforms(cut: Cut) -> None:
    """Raise an error if reading a cut would take a filter or a length that no real recording needs.

    Raises:
        UnsafeSourceError: The cut is longer than 24 hours or has an impossible sample rate, or it has more than 20
            transforms, or one with arguments out of range.
    """
    start = getattr(cut, "start", 0.0)
    if not isinstance(start, (int, float)) or not 0 <= start <= MAX_HOURS * 3600:
        raise UnsafeSourceError(
            f"cut {cut.id}: starts at {str(start)[:20]}; want seconds from the start of its recording"
        )
    if not (0 <= cut.duration <= MAX_HOURS * 3600):
        raise UnsafeSourceError(f"cut {cut.id}: lasts {cut.duration:g} s; want at most {MAX_HOURS} hours, so split it")
    recording = getattr(cut, "recording", None)
    if recording is not None and not recording.transforms:
        # Shortcut for the common case: converting the cut to a dictionary is slow.
        problem = _rate_problem(recording.sampling_rate)
    else:
        problem = next(_problems(cut.to_dict()), None)
    if problem:
        raise UnsafeSourceError(f"cut {cut.id}: {problem}; save the audio to files first, with CutSet.save_audios")


def _problems(value: Any) -> Iterator[str]:
    """Yield what is wrong with each recording in a serialized cut; impulse responses of transforms are recordings."""
    if isinstance(value, dict):
        if "sampling_rate" in value and "num_samples" in value:
            yield from _recording_problems(value)
        for inner in value.values():
            yield from _problems(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _problems(inner)
    elif hasattr(value, "to_dict"):
        yield from _problems(value.to_dict())


def _recording_problems(recording: dict[str, Any]) -> Iterator[str]:
    rate = recording["sampling_rate"]
    problem = _rate_problem(rate)
    if problem:
        yield problem
        return
    transforms = recording.get("transforms") or []
    if len(transforms) > MAX_TRANSFORMS:
        yield f"has {len(transforms)} transforms; want at most {MAX_TRANSFORMS}"
        return
    for transform in transforms:
        content = transform if isinstance(transform, dict) else transform.to_dict()
        problem = _transform_problem(str(content.get("name")), content.get("kwargs") or {}, rate)
        if problem:
            yield f"its transform {content.get('name')} {problem}"


def _transform_problem(name: str, arguments: Any, rate: int) -> str | None:
    if not isinstance(arguments, dict):
        return "has no arguments by name"
    for key, value in arguments.items():
        limit = MAX_ITERATIONS if key in ITERATIONS else MAX_RATE
        if isinstance(value, (int, float)) and not abs(value) <= limit:
            return f"has {key}={value:g}; want at most {limit:g}"
    if name == "Speed":
        rates = (_rounded(rate, arguments.get("factor")), rate)
    elif "source_sampling_rate" in arguments:
        rates = (arguments["source_sampling_rate"], arguments.get("target_sampling_rate", rate))
    else:
        return None
    problem = _rate_problem(rates[0]) or _rate_problem(rates[1])
    if problem:
        return problem
    if num_filter_weights(*rates) > MAX_FILTER_WEIGHTS:
        return f"resamples from {rates[0]} to {rates[1]} Hz, whose filter is too large"
    return None


def _rounded(rate: int, factor: Any) -> Any:
    """Return the sample rate that Lhotse resamples from to change the speed; None for a factor that is no number."""
    return round(rate * factor) if isinstance(factor, (int, float)) and math.isfinite(factor) else None


def _rate_problem(rate: Any) -> str | None:
    if isinstance(rate, int) and MIN_RATE <= rate <= MAX_RATE:
        return None
    return f"has a sample rate of {str(rate)[:20]} Hz; want {MIN_RATE} to {MAX_RATE}"
