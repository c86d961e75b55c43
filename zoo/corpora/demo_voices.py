"""The speakers of the demo corpus, and how they act."""

from dataclasses import replace
from itertools import cycle

from zoo.corpora.espeak import LIMITS, Voice

ACCENTS = {
    "en": ("en-us",),
    "de": ("de",),
    "es": ("es", "es-419"),
}
# (variant, pitch, rate in words a minute); neighbors differ, so that every split has low and high voices of every pace.
SPEAKERS = (
    ("f2", 45, 185),
    ("m3", 50, 195),
    ("f4", 60, 200),
    ("m7", 35, 180),
    ("f1", 30, 190),
    ("m1", 65, 205),
    ("f5", 55, 195),
    ("m8", 45, 175),
    ("Annie", 50, 190),
    ("adam", 45, 185),
    ("Alicia", 55, 180),
    ("david", 40, 195),
    ("anika", 45, 190),
    ("Andy", 55, 185),
    ("steph", 50, 200),
    ("edward", 50, 190),
    ("Andrea", 40, 195),
    ("john", 60, 180),
    ("steph2", 60, 185),
    ("max", 35, 200),
    ("linda", 45, 180),
    ("Mario", 55, 190),
    ("grandma", 65, 200),
    ("robert", 40, 185),
    ("f3", 50, 190),
    ("m2", 40, 185),
    ("aunty", 50, 195),
    ("benjamin", 55, 190),
    ("belinda", 50, 180),
    ("m4", 55, 200),
    ("steph3", 45, 190),
    ("paul", 45, 185),
)
SPLIT_SPEAKERS = {"train": slice(0, 24), "dev": slice(24, 28), "test": slice(28, 32)}
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
        "pitch": voice.pitch + how["pitch"],
        "range": voice.range + how["range"],
        "rate": voice.rate * how["rate"],
        "volume": voice.volume * how["volume"],
    }
    return replace(
        voice, **{name: round(min(max(value, LIMITS[name][0]), LIMITS[name][1])) for name, value in wanted.items()}
    )
