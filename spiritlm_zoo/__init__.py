"""SpiRit-LM in the open: interleaved speech-text language models, from tokenizers to evaluations.

Importing this package makes ``zoo``, ``datamodules``, ``lightningmodules`` and ``recipes`` the packages of this
project, even where another distribution has installed a package of the same name.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from spiritlm_zoo.packages import claim

if TYPE_CHECKING:
    from zoo.language.speech_text_model import SpeechTextModel
    from zoo.tokenizers.speech_tokenizer import load_tokenizer
    from zoo.vocoder.vocoder import Vocoder

__version__ = "0.1.0"
__all__ = ["SpeechTextModel", "Vocoder", "__version__", "load_tokenizer"]

# Imported on first use: torch and transformers take seconds, which `zoo --help` must not pay.
_MODULES = {
    "SpeechTextModel": "zoo.language.speech_text_model",
    "Vocoder": "zoo.vocoder.vocoder",
    "load_tokenizer": "zoo.tokenizers.speech_tokenizer",
}

claim()


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
