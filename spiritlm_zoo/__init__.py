"""SpiRit-LM in the open: interleaved speech-text language models, from tokenizers to evaluations.

Importing this package makes ``zoo``, ``datamodules``, ``lightningmodules`` and ``recipes`` the packages of this
project, even where another distribution has installed a package of the same name.
"""

from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING

from spiritlm_zoo.packages import claim

if TYPE_CHECKING:
    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel
    from zoo.tokenizers.speech_tokenizer import load_tokenizer
    from zoo.vocoder.vocoder import Vocoder

    load = SpeechTextModel.load

__version__ = "0.1.0"
__all__ = ["Sampling", "SpeechTextModel", "Vocoder", "__version__", "load", "load_tokenizer"]

# Module and name in it, imported on first use: torch and transformers take seconds, which `zoo --help` must not pay.
_PLACES = {
    "Sampling": ("zoo.language.generation", "Sampling"),
    "SpeechTextModel": ("zoo.language.speech_text_model", "SpeechTextModel"),
    "Vocoder": ("zoo.vocoder.vocoder", "Vocoder"),
    "load": ("zoo.language.speech_text_model", "SpeechTextModel.load"),
    "load_tokenizer": ("zoo.tokenizers.speech_tokenizer", "load_tokenizer"),
}

claim()


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, path = _PLACES[name]
    value = attrgetter(path)(import_module(module))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
