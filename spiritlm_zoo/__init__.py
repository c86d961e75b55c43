"""SpiRit-LM in the open: interleaved speech-text language models, from tokenizers to evaluations.

Importing this package makes ``zoo``, ``datamodules``, ``lightningmodules`` and ``recipes`` the packages of this
project, even where another distribution has installed a package of the same name.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from spiritlm_zoo.packages import claim

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.language.generation import Sampling
    from zoo.language.speech_text_model import SpeechTextModel
    from zoo.tokenizers.speech_tokenizer import load_tokenizer
    from zoo.vocoder.vocoder import Vocoder

__version__ = "0.1.0"
__all__ = ["Sampling", "SpeechTextModel", "Vocoder", "__version__", "load", "load_tokenizer"]

# Imported on first use: torch and transformers take seconds, which `zoo --help` must not pay.
_MODULES = {
    "Sampling": "zoo.language.generation",
    "SpeechTextModel": "zoo.language.speech_text_model",
    "Vocoder": "zoo.vocoder.vocoder",
    "load_tokenizer": "zoo.tokenizers.speech_tokenizer",
}

claim()


def load(
    run: "Path | str",
    language_model: "Path | str | None" = None,
    tokenizer: "Path | str | None" = None,
    vocoder: "Path | str | None" = None,
    adapter: "Path | str | None" = None,
) -> "SpeechTextModel":
    """Load the language model, the tokenizer and the vocoder of a run; the arguments are those of
    ``SpeechTextModel.load``.

    Args:
        run: Folder of a run, such as ``runs/quickstart``.
        language_model: Folder of a language model, instead of the run's.
        tokenizer: Folder of a tokenizer, instead of the run's.
        vocoder: Folder of a vocoder, instead of the run's.
        adapter: Folder of an adapter to add to the language model. Defaults to none.

    Raises:
        FileNotFoundError: If a part is missing.
        ContractError: If two parts were made for different tokens.
    """
    from zoo.language.speech_text_model import SpeechTextModel

    return SpeechTextModel.load(run, language_model, tokenizer, vocoder, adapter)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
