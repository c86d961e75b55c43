"""The speakers of the demo corpus, and the voice settings by which they act styles."""

from dataclasses import replace
from itertools import cycle

from zoo.corpora.espeak import LIMITS, Voice

ACCENTS = {
    "en": ("en-us",),
    "de": ("de",),
    "es": ("es", "es-419"),
}
# (variant, pitch, words per minute). Neighbors differ, so that every split has low and high, slow and fast voices.
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
# Pitch and range are added to those of the speaker; rate and volume are factors.
ACTING = {
    "neutral": {"pitch": 0, "range": 0, "rate": 1.0, "volume": 1.0},
    "happy": {"pitch": 14, "range": 35, "rate": 1.1, "volume": 1.15},
    "sad": {"pitch": -18, "range": -35, "rate": 0.82, "volume": 0.6},
    "angry": {"pitch": 4, "range": 20, "rate": 1.2, "volume": 1.35},
}


def speakers(language: str, split: str) -> dict[str, Voice]:
    """Return the voices of one split by speaker name, such as ``en_f2``; no two splits share a speaker.

    Args:
        language: One of ``ACCENTS``.
        split: ``train``, ``dev`` or ``test``.
    """
    voices = {}
    for accent, (variant, pitch, rate) in zip(cycle(ACCENTS[language]), SPEAKERS, strict=False):
        voices[f"{language}_{variant}"] = Voice(f"{accent}+{variant}", pitch=pitch, rate=rate, volume=VOLUME)
    return dict(list(voices.items())[SPLIT_SPEAKERS[split]])


def apply_style(voice: Voice, style: str) -> Voice:
    """Return a voice that acts a style, its settings rounded and kept within the limits of espeak-ng.

    Args:
        voice: Voice of a speaker without any style.
        style: One of ``ACTING``.
    """
    acting = ACTING[style]
    return replace(
        voice,
        pitch=_within_limits("pitch", voice.pitch + acting["pitch"]),
        range=_within_limits("range", voice.range + acting["range"]),
        rate=_within_limits("rate", voice.rate * acting["rate"]),
        volume=_within_limits("volume", voice.volume * acting["volume"]),
    )


def _within_limits(setting: str, value: float) -> int:
    lowest, highest = LIMITS[setting]
    return round(min(max(value, lowest), highest))
