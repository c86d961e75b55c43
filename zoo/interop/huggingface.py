"""Export of language models to folders that transformers loads without this package."""

import copy
import json
import shutil
from pathlib import Path

from peft import PeftModel
from tokenizers import AddedToken, Regex, normalizers, processors
from transformers import GenerationConfig, PreTrainedTokenizerBase

from zoo.files import atomic_folder
from zoo.interop import exported_modality
from zoo.language.adapters import merged, save_adapter
from zoo.language.speech_text_model import load_language_model
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.vocabulary import SPEECH, TEXT, Vocabulary

# Texts on which the exported tokenizer is compared with the vocabulary.
SAMPLES = ("he said", " it's  2.5%, isn't it? ", "zażółć 🙂 日本", "A")


def export_language_model(folder: Path, out: Path, merge: bool = False) -> None:
    """Write a language model for transformers: weights, a tokenizer with the speech tokens, and the modality mask.

    Args:
        folder: ``model`` folder of a language model or of an adapter.
        out: New or empty folder for the model; it is written completely or not at all. An adapter that is not merged
            is written to its subfolder ``adapter/``, beside the base model.
        merge: Whether to merge an adapter into the weights of its base.

    Raises:
        FileExistsError: ``out`` is not empty.
        ValueError: The text tokenizer has no equivalent among the fast tokenizers of transformers.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: name a new folder")
    network, vocabulary = load_language_model(folder)
    tokenizer = speech_text_tokenizer(vocabulary)
    contract = read_contract(folder)
    with atomic_folder(out) as temporary:
        if isinstance(network, PeftModel):
            if merge:
                network = merged(network)
            else:
                save_adapter(network, temporary / "adapter", vocabulary, contract)
                network = network.unload()
        network.generation_config = GenerationConfig(
            bos_token_id=vocabulary.bos, eos_token_id=vocabulary.eos, pad_token_id=vocabulary.eos
        )
        network.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        _write_modality(temporary, vocabulary)
        write_contract(temporary, contract)


def _write_modality(folder: Path, vocabulary: Vocabulary) -> None:
    """Write ``modality.py``, which restricts generation to a modality, and the ids that it needs."""
    tokens = {
        "text": vocabulary.num_text,
        "first_unit": vocabulary.first_unit,
        "used": len(vocabulary),
        "bos": vocabulary.bos,
        "eos": vocabulary.eos,
    }
    (folder / exported_modality.TOKENS.name).write_text(json.dumps(tokens, indent=2) + "\n")
    shutil.copy(Path(exported_modality.__file__), folder / "modality.py")


def speech_text_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerBase:
    """Return a transformers tokenizer with markers and units as added tokens, with the ids of the vocabulary.

    It puts the begin token first and, as the vocabulary does, one space before every word, whatever the white space.

    Raises:
        ValueError: The text tokenizer of the vocabulary is not a fast one, or does not produce its ids within a prompt.
    """
    if not isinstance(vocabulary.text, TextTokenizer) or not vocabulary.text.tokenizer.is_fast:
        raise ValueError(
            f"the text tokenizer is a {type(vocabulary.text).__name__}, which has no equivalent in transformers: "
            "use its SentencePiece model itself"
        )
    tokenizer = copy.deepcopy(vocabulary.text.tokenizer)
    tokenizer.add_tokens([AddedToken(symbol, normalized=False, special=False) for symbol in _symbols(vocabulary)])
    backend = tokenizer.backend_tokenizer
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if vocabulary.text.space:
        steps.append(normalizers.Prepend(vocabulary.text.space))
    if backend.normalizer:
        steps.append(backend.normalizer)
    backend.normalizer = normalizers.Sequence(steps)
    begin = tokenizer.convert_ids_to_tokens(vocabulary.bos)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, vocabulary.bos)]
    )
    _require_equal_ids(tokenizer, vocabulary)
    return tokenizer


def _symbols(vocabulary: Vocabulary) -> list[str]:
    """Return the markers and units of a vocabulary as strings, in the order of their ids."""
    symbols = [TEXT, SPEECH]
    for stream in vocabulary.streams:
        for unit in range(stream.size):
            symbols.append(f"[{stream.prefix}{unit}]")
    return symbols


def _require_equal_ids(tokenizer: PreTrainedTokenizerBase, vocabulary: Vocabulary) -> None:
    """Raise ValueError unless a tokenizer encodes prompts as the vocabulary does.

    Args:
        tokenizer: Tokenizer with the symbols of the vocabulary.
        vocabulary: Vocabulary over a ``TextTokenizer``.
    """
    last_unit = _symbols(vocabulary)[-1]
    for sample in SAMPLES:
        ids = tokenizer(f"{TEXT}{sample}{last_unit}")["input_ids"]
        expected = [vocabulary.bos, vocabulary.text_marker, *vocabulary.text.encode(sample), len(vocabulary) - 1]
        if ids != expected:
            raise ValueError(
                f"the text tokenizer {tokenizer.name_or_path!r} encodes {sample!r} differently within a prompt "
                f"({ids}, not {expected}): this model cannot be exported with its tokenizer"
            )
