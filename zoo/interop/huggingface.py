"""Export of language models to folders that transformers loads without this package."""

import json
import shutil
from pathlib import Path

from peft import PeftModel
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from zoo.files import atomic_folder
from zoo.interop import exported_modality
from zoo.interop.export_architecture import save_network
from zoo.interop.export_checks import mixed_logits, require_equal_ids, require_equal_logits, speech_symbols
from zoo.language.adapters import merged, save_adapter
from zoo.language.speech_text_model import load_language_model
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.text_tokenizer import TextTokenizer, literal_backend
from zoo.tokens.vocabulary import Vocabulary

WHITE_SPACE = r"[\s\x1c-\x1f]+"  # what str.split() splits at


def export_language_model(folder: Path, out: Path, merge: bool = False) -> None:
    """Write a language model for transformers: weights, a tokenizer with the speech tokens, and the modality mask.

    Args:
        folder: ``model`` folder of a language model or of an adapter.
        out: New or empty folder for the model; it is written completely or not at all. An adapter that is not merged
            is written to its subfolder ``adapter/``, beside the base model.
        merge: Whether to merge an adapter into the weights of its base.

    Raises:
        FileExistsError: ``out`` is not empty.
        ValueError: The text tokenizer has no equivalent among the fast tokenizers of transformers, or the exported
            folder, loaded again, gives other ids or logits.
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
        save_network(network, temporary)
        tokenizer.save_pretrained(temporary)
        read_again = AutoTokenizer.from_pretrained(temporary, trust_remote_code=False)
        assert isinstance(read_again, PreTrainedTokenizerBase)
        require_equal_ids(read_again, vocabulary)
        expected = mixed_logits(network, vocabulary)
        dtype = network.dtype
        del network  # one copy in memory at a time
        exported = AutoModelForCausalLM.from_pretrained(temporary, dtype=dtype, trust_remote_code=False)
        require_equal_logits(mixed_logits(exported, vocabulary), expected)
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
    Special tokens in a text, such as "</s>", are encoded as text.

    Raises:
        ValueError: The text tokenizer of the vocabulary is not a fast one, or does not produce its ids within a prompt.
    """
    if not isinstance(vocabulary.text, TextTokenizer) or not vocabulary.text.tokenizer.is_fast:
        raise ValueError(
            f"the text tokenizer is a {type(vocabulary.text).__name__}, which has no equivalent in transformers: "
            "use its SentencePiece model itself"
        )
    text = vocabulary.text.tokenizer
    assert isinstance(text, PreTrainedTokenizerFast)
    backend = literal_backend(text)
    symbols = speech_symbols(vocabulary)
    backend.add_tokens([AddedToken(symbol, normalized=False, special=False) for symbol in symbols])
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(WHITE_SPACE), " "), normalizers.Strip()]
    if vocabulary.text.space:
        steps.append(normalizers.Prepend(vocabulary.text.space))
    if backend.normalizer:
        steps.append(backend.normalizer)
    backend.normalizer = normalizers.Sequence(steps)
    if isinstance(backend.pre_tokenizer, pre_tokenizers.Metaspace) and not vocabulary.text.space:
        # The scheme "first" adds no space after a marker.
        backend.pre_tokenizer.prepend_scheme = "always"
    begin = text.convert_ids_to_tokens(vocabulary.bos)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, vocabulary.bos)]
    )
    # The class of the text tokenizer would build its own normalizer when it is loaded, in place of this one.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=begin,
        eos_token=text.convert_ids_to_tokens(vocabulary.eos),
        unk_token=text.unk_token,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
    )
    require_equal_ids(tokenizer, vocabulary)
    return tokenizer
