"""Where the labels of a cut were read, kept with the cut until its corpus is prepared."""

from dataclasses import asdict, dataclass

from lhotse.cut import Cut

KEY = "origin"


@dataclass(frozen=True)
class Origin:
    """Place of the labels of an utterance.

    Args:
        file: Name of the file.
        line: Number of the line in the file, from 1; None if the file holds one utterance.
        times_problem: Why the word or phoneme times could not be read; None if they could, or there are none.
    """

    file: str = ""
    line: int | None = None
    times_problem: str | None = None


def set_origin(cut: Cut, origin: Origin) -> Cut:
    """Keep an origin in the first supervision of a cut, in place."""
    segment = cut.supervisions[0]
    segment.custom = {**(segment.custom or {}), KEY: asdict(origin)}
    return cut


def pop_origin(cut: Cut) -> Origin:
    """Remove the origin from a cut, in place, and return it; an empty one if there is none."""
    segment = cut.supervisions[0]
    custom = dict(segment.custom or {})
    origin = custom.pop(KEY, None)
    segment.custom = custom or None
    return Origin(**origin) if isinstance(origin, dict) else Origin()
