"""The speakers of the demo corpus, and how they act."""
from dataclasses import replace
from itertools import cycle

from zoo.corpora.espeak import LIMITS, Voice

ACCENTS = {
    "en": ("en-us", "en", "en-gb-scotland", "en-us-nyc", "en-gb-x-rp", "en-029"),
    "de": ("de",),
    "es": ("es", "es-419"),
}
# (variant, pitch, rate in words a minute); the order is that of SPEAKERS, so that every split has low and high voices.
SPEAKERS = (
    ("f2", 45, 165), ("m3", 50, 175), ("f4", 60, 180), ("m7", 35, 160), ("f1", 30, 170), ("m1", 65, 185),
    ("f5", 55, 175), ("m8", 45, 155), ("f3", 50, 170), ("m2", 40, 165), ("belinda", 50, 160), ("m4", 55, 180),
)
SPLIT_SPEAKERS = {"train": slice(0, 8), "dev": slice(8, 10), "test": slice(10, 12)}
VOLUME = 65
# Added to the speaker's own pitch and range; rate and volume are factors.
ACTING = {
    "neutral": {"pitch": 0, "range": 0, "rate": 1.0, "volume": 1.0},
    "happy": {"pitch": 14, "range": 35, "rate": 1.1, "volume": 1.15},
    "sad": {"pitch": -18, "range": -35, "rate": 0.82, "volume": 0.6},
    "angry": {"pitch": 4, "range": 20, "rate": 1.2, "volume": 1.35},
}


def speakers(language: str, split: str) -> dict[str, Voice]:
    """Return the voices of one split by speaker name, such as ``en_f2``; no two splits share one.

    Args:
        language: One of ``ACCENTS``.
        split: ``train``, ``dev`` or ``test``.
    """
    voices = {
        f"{language}_{variant}": Voice(f"{accent}+{variant}", pitch=pitch, rate=rate, volume=VOLUME)
        for accent, (variant, pitch, rate) in zip(cycle(ACCENTS[language]), SPEAKERS)
    }
    return dict(list(voices.items())[SPLIT_SPEAKERS[split]])


def act(voice: Voice, style: str) -> Voice:
    """Return the same voice in a mood.

    Args:
        voice: As it speaks without any.
        style: One of ``ACTING``.
    """
    how = ACTING[style]
    wanted = {
        "pitch": voice.pitch + how["pitch"], "range": voice.range + how["range"],
        "rate": voice.rate * how["rate"], "volume": voice.volume * how["volume"],
    }
    return replace(voice, **{name: round(min(max(value, LIMITS[name][0]), LIMITS[name][1])) for name, value in wanted.items()})
