"""The whole official release into folders of the zoo."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.files import atomic_folder
from zoo.interop.spiritlm.language_model import import_language_model
from zoo.interop.spiritlm.tokenizer import load_base, load_expressive
from zoo.interop.spiritlm.vocoder import load_vocoder
from zoo.tokenizers.speech_tokenizer import UnitTokenizer
from zoo.tokens.contract import read_contract, write_contract


@dataclass(frozen=True)
class Model:
    """Where one of the two official models has its parts.

    Args:
        name: Of the model and of its folder in the zoo.
        load_tokenizer: Reads its speech tokenizer.
        vocoder: Folder below ``speech_tokenizer/``.
        language_model: Folder below ``spiritlm_model/``.
    """

    name: str
    load_tokenizer: Callable[[Path], UnitTokenizer]
    vocoder: str
    language_model: str


MODELS = (
    Model("base", load_base, "hifigan_spiritlm_base", "spirit-lm-base-7b"),
    Model("expressive", load_expressive, "hifigan_spiritlm_expressive_w2v2", "spirit-lm-expressive-7b"),
)


@dataclass(frozen=True)
class Part:
    """What became of one part of a model.

    Args:
        name: Such as ``base vocoder``.
        folder: Where it is now; None where it was not imported.
        why: What was missing.
    """

    name: str
    folder: Path | None
    why: str = ""


def import_release(root: Path, out: Path) -> Iterator[Part]:
    """Write each part of both models that is there, in the layout of a run, and tell of each, imported or not.

    Args:
        root: Holds ``speech_tokenizer/`` and ``spiritlm_model/``.
        out: Gets ``base/`` and ``expressive/``, each with ``tokenizer/tokenizer``, ``vocoder/vocoder``,
            ``vocabulary/vocabulary`` and ``language_model/model``.

    Raises:
        FileNotFoundError: Where ``root`` holds neither.
        ValueError: Where a file is not what the release reads.
    """
    root, out = Path(root), Path(out)
    if not any((root / name).is_dir() for name in ("speech_tokenizer", "spiritlm_model")):
        raise FileNotFoundError(
            f"{root}: neither speech_tokenizer/ nor spiritlm_model/ in it; want the folder of the release's checkpoints"
        )
    for model in MODELS:
        yield from _import(model, root, out / model.name)


def _import(model: Model, root: Path, out: Path) -> Iterator[Part]:
    tokenizer = out / "tokenizer" / "tokenizer"
    heard = _attempt(f"{model.name} tokenizer", tokenizer, lambda: model.load_tokenizer(root).save(tokenizer))
    yield heard
    if heard.folder is None:  # the others are known by the tokens that they were made for
        yield from (
            Part(f"{model.name} {name}", None, f"there is no {model.name} tokenizer to go with it")
            for name in ("vocoder", "language model")
        )
        return
    contract, vocoder, language_model = (
        read_contract(tokenizer),
        out / "vocoder" / "vocoder",
        out / "language_model" / "model",
    )
    yield _attempt(
        f"{model.name} vocoder", vocoder, lambda: _vocoder(root / "speech_tokenizer" / model.vocoder, vocoder, contract)
    )
    yield _attempt(
        f"{model.name} language model",
        language_model,
        lambda: _language_model(
            root / "spiritlm_model" / model.language_model, language_model, out / "vocabulary" / "vocabulary", contract
        ),
    )


def _attempt(name: str, folder: Path, make: Callable[[], None]) -> Part:
    try:
        make()
    except FileNotFoundError as error:
        return Part(name, None, str(error))
    return Part(name, folder)


def _vocoder(source: Path, out: Path, contract: dict[str, Any]) -> None:
    vocoder = load_vocoder(source)
    vocoder.contract = contract
    vocoder.save(out)


def _language_model(source: Path, out: Path, vocabulary: Path, contract: dict[str, Any]) -> None:
    numbers = import_language_model(source, out, contract)
    with atomic_folder(vocabulary) as folder:
        numbers.save(folder)
        write_contract(folder, {**contract, "vocabulary": numbers.contract})
