"""Text normalization before texts are compared, by language: that of Whisper (Radford et al. 2023, appendix C)."""

import re
import unicodedata
from functools import cache

from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from zoo.languages import is_unspaced, language_code

# Languages whose vowel signs are combining marks, which Whisper's basic normalizer would delete.
WITH_MARKS = (
    *("hi", "mr", "ne", "sa", "bn", "as", "pa", "gu", "or", "ta", "te", "kn", "ml", "si", "bo"),
    *("th", "lo", "my", "km"),
)
BETWEEN_DIGITS = re.compile(r"(?<=\d)(?=\d)")
LONE_ONE = re.compile(r"\bone\b")  # Whisper's normalizer leaves a 1 between other words as a word


class TextNormalizer:
    """Normalizes texts of one language, so that spelling and punctuation are no errors.

    English: Whisper's English normalizer, without its table of British spellings. It expands contractions, removes
    hesitations, and writes numbers as digits; here each digit is then a word, so that "four seven" equals "47".
    Other languages: Whisper's basic normalizer, which lowercases and removes punctuation and symbols; combining marks
    are kept in scripts that write vowels with them. In languages written without spaces each character is a word.

    Args:
        language: BCP-47 tag or ISO 639-3 code of the language, such as ``en``, ``pt-BR`` or ``cmn``; that of an
            unknown language if None.
    """

    def __init__(self, language: str | None = None) -> None:
        code = language_code(language)
        self.is_english = code == "en"
        self.is_unspaced = is_unspaced(language)
        self.keeps_marks = code in WITH_MARKS
        self._normalize = EnglishTextNormalizer({}) if self.is_english else BasicTextNormalizer()

    def __call__(self, text: str) -> str:
        """Return the words of a text, separated by single spaces."""
        if self.keeps_marks:
            text = _remove_symbols(text)
        else:
            text = self._normalize(text)
        if self.is_english:
            text = LONE_ONE.sub("1", BETWEEN_DIGITS.sub(" ", text))
        if self.is_unspaced:
            text = " ".join(_letters(text))
        return " ".join(text.split())

    def characters(self, text: str) -> str:
        """Return the characters of a text that are compared, without spaces where the language has none."""
        text = self(text)
        return text.replace(" ", "") if self.is_unspaced else text


@cache
def normalizer_of(language: str | None) -> TextNormalizer:
    """Return the normalizer of a language."""
    return TextNormalizer(language)


def _remove_symbols(text: str) -> str:
    kept = []
    for character in unicodedata.normalize("NFKC", text).lower():
        kept.append(" " if unicodedata.category(character)[0] in "PSZC" else character)
    return "".join(kept)


def _letters(text: str) -> list[str]:
    """Return the characters of a text, each with its combining marks."""
    letters: list[str] = []
    for character in "".join(text.split()):
        if letters and unicodedata.category(character).startswith("M"):
            letters[-1] += character
        else:
            letters.append(character)
    return letters
