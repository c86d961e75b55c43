"""Codes of languages: how each is written, and how Whisper names it."""

import re

from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

# ISO 639-3 codes of the languages that Whisper knows, with their ISO 639-1 codes.
_CODES = """
    afr:af amh:am ara:ar arb:ar asm:as aze:az bak:ba bel:be ben:bn bod:bo bos:bs bre:br bul:bg cat:ca ces:cs cmn:zh
    cym:cy dan:da deu:de ell:el eng:en est:et eus:eu fao:fo fas:fa fin:fi fra:fr glg:gl guj:gu hat:ht hau:ha heb:he
    hin:hi hrv:hr hun:hu hye:hy ind:id isl:is ita:it jav:jv jpn:ja kan:kn kat:ka kaz:kk khk:mn khm:km kor:ko lao:lo
    lat:la lav:lv lin:ln lit:lt ltz:lb mal:ml mar:mr mkd:mk mlg:mg mlt:mt mon:mn mri:mi msa:ms mya:my nep:ne nld:nl
    nno:nn nob:nb nor:no oci:oc ory:or pan:pa pes:fa pol:pl por:pt pus:ps ron:ro rus:ru san:sa sin:si slk:sk slv:sl
    sna:sn snd:sd som:so spa:es sqi:sq srp:sr sun:su swa:sw swe:sv swh:sw tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th
    tuk:tk tur:tr ukr:uk urd:ur uzb:uz vie:vi yid:yi yor:yo zho:zh zsm:ms
"""
TWO_LETTERS = {pair[:3]: pair[4:] for pair in _CODES.split()}
# Written without spaces between words.
UNSPACED = ("zh", "yue", "wuu", "nan", "ja", "th", "lo", "my", "km")
# Languages that Whisper names by another code.
WHISPER_CODES = {"nb": "no", "jv": "jw", "fil": "tl"}


def language_code(tag: str | None) -> str:
    """Return the language of a tag in lower case, without script and region; empty if there is none.

    Args:
        tag: BCP-47 tag or ISO 639-3 code, such as ``en``, ``pt-BR`` or ``deu``. Where a language has a code of two
            letters, that is returned.
    """
    code = re.split("[-_]", tag or "")[0].lower()
    return TWO_LETTERS.get(code, code)


def is_unspaced(tag: str | None) -> bool:
    """Return whether a language is written without spaces between words."""
    return language_code(tag) in UNSPACED


def whisper_code(tag: str) -> str:
    """Return Whisper's code of a language.

    Args:
        tag: BCP-47 tag, ISO 639-3 code or English name of the language.
    """
    code = language_code(tag)
    code = WHISPER_CODES.get(code, code)
    return TO_LANGUAGE_CODE.get(code, code)
