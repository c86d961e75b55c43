"""Import of the whole official release into folders in the layout of a run."""

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
class OfficialModel:
    """Where the release has the parts of one of its two models.

    Args:
        name: Name of the model, and of its folder after the import.
        load_tokenizer: Loads its speech tokenizer from the folder of the release.
        vocoder: Folder of its vocoder below ``speech_tokenizer/``.
        language_model: Folder of its language model below ``spiritlm_model/``.
    """

    name: str
    load_tokenizer: Callable[[Path], UnitTokenizer]
    vocoder: str
    language_model: str


MODELS = (
    OfficialModel("base", load_base, "hifigan_spiritlm_base", "spirit-lm-base-7b"),
    OfficialModel("expressive", load_expressive, "hifigan_spiritlm_expressive_w2v2", "spirit-lm-expressive-7b"),
)


@dataclass(frozen=True)
class ImportedPart:
    """The result of importing a part of a model.

    Args:
        name: Name of the part, such as ``base vocoder``.
        folder: Folder that it was written to; None if it was not imported.
        reason: Why it was not imported.
    """

    name: str
    folder: Path | None
    reason: str = ""


def import_release(root: Path, out: Path) -> Iterator[ImportedPart]:
    """Import the parts of both models that are present, and yield the result of each, imported or not.

    Args:
        root: Folder that contains ``speech_tokenizer/`` and ``spiritlm_model/``.
        out: Folder for ``base/`` and ``expressive/``, each with ``tokenizer/tokenizer``, ``vocoder/vocoder``,
            ``vocabulary/vocabulary`` and ``language_model/model``.

    Raises:
        FileNotFoundError: ``root`` contains neither folder.
        ValueError: A file is not what the release reads.
    """
    root = Path(root)
    out = Path(out)
    if not any((root / name).is_dir() for name in ("speech_tokenizer", "spiritlm_model")):
        raise FileNotFoundError(
            f"{root}: neither speech_tokenizer/ nor spiritlm_model/ in it; want the folder of the release's checkpoints"
        )
    for model in MODELS:
        yield from _import_model(model, root, out / model.name)


def _import_model(model: OfficialModel, root: Path, out: Path) -> Iterator[ImportedPart]:
    """Import the parts of a model; ``root`` is the folder of the release, ``out`` that of the imported model."""
    tokenizer = out / "tokenizer" / "tokenizer"
    vocoder = out / "vocoder" / "vocoder"
    language_model = out / "language_model" / "model"
    tokenizer_part = _import_part(
        f"{model.name} tokenizer", tokenizer, lambda: model.load_tokenizer(root).save(tokenizer)
    )
    yield tokenizer_part
    if tokenizer_part.folder is None:  # the contract of the other parts is that of the tokenizer
        for name in ("vocoder", "language model"):
            yield ImportedPart(f"{model.name} {name}", None, f"there is no {model.name} tokenizer to go with it")
        return
    contract = read_contract(tokenizer)
    yield _import_part(
        f"{model.name} vocoder",
        vocoder,
        lambda: _import_vocoder(root / "speech_tokenizer" / model.vocoder, vocoder, contract),
    )
    source = root / "spiritlm_model" / model.language_model
    vocabulary = out / "vocabulary" / "vocabulary"
    yield _import_part(
        f"{model.name} language model",
        language_model,
        lambda: _import_language_model(source, language_model, vocabulary, contract),
    )


def _import_part(name: str, folder: Path, write: Callable[[], None]) -> ImportedPart:
    """Run the import of a part, and return its result; a missing file is a reason, any other error is raised."""
    try:
        write()
    except FileNotFoundError as error:
        return ImportedPart(name, None, str(error))
    return ImportedPart(name, folder)


def _import_vocoder(source: Path, out: Path, contract: dict[str, Any]) -> None:
    vocoder = load_vocoder(source)
    vocoder.contract = contract
    vocoder.save(out)


def _import_language_model(source: Path, out: Path, vocabulary_folder: Path, contract: dict[str, Any]) -> None:
    vocabulary = import_language_model(source, out, contract)
    with atomic_folder(vocabulary_folder) as temporary:
        vocabulary.save(temporary)
        write_contract(temporary, {**contract, "vocabulary": vocabulary.contract})
