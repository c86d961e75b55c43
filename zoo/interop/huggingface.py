"""Language models out: folders that plain transformers loads."""

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

SAMPLES = ("he said", " it's  2.5%, isn't it? ", "zażółć 🙂 日本", "A")


def export_language_model(folder: Path, out: Path, merge: bool = False) -> None:
    """Write a language model for plain transformers: weights, a tokenizer that knows the speech tokens, and the modality mask.

    Args:
        folder: ``model`` folder of a language model, or of an adapter.
        out: Gets the model; appears whole. An adapter that is not merged lies in ``adapter/`` beside its base.
        merge: Write an adapter into the weights.

    Raises:
        FileExistsError: Where ``out`` holds something.
        ValueError: Where the text tokenizer cannot be expressed as one of transformers' fast ones.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: name a new folder")
    network, vocabulary = load_language_model(folder)
    tokenizer = speech_text_tokenizer(vocabulary)
    contract = read_contract(folder)
    with atomic_folder(out) as whole:
        if isinstance(network, PeftModel):
            if merge:
                network = merged(network)
            else:
                save_adapter(network, whole / "adapter", vocabulary, contract)
                network = network.unload()
        network.generation_config = GenerationConfig(
            bos_token_id=vocabulary.bos, eos_token_id=vocabulary.eos, pad_token_id=vocabulary.eos
        )
        network.save_pretrained(whole)
        tokenizer.save_pretrained(whole)
        tokens = {
            "text": vocabulary.num_text,
            "first_unit": vocabulary.first_unit,
            "used": len(vocabulary),
            "bos": vocabulary.bos,
            "eos": vocabulary.eos,
        }
        (whole / exported_modality.TOKENS.name).write_text(json.dumps(tokens, indent=2) + "\n")
        shutil.copy(Path(exported_modality.__file__), whole / "modality.py")
        write_contract(whole, contract)


def speech_text_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerBase:
    """A transformers tokenizer with markers and units as added tokens, whose ids are those of the vocabulary.

    It puts the begin token first and, as the vocabulary does, a space before every word, whatever white space is there.

    Raises:
        ValueError: Where the vocabulary is not over a fast tokenizer, or its ids cannot be had from one.
    """
    if not isinstance(vocabulary.text, TextTokenizer) or not vocabulary.text.tokenizer.is_fast:
        raise ValueError(
            f"the text tokenizer is a {type(vocabulary.text).__name__}, which transformers has no equal of: use its SentencePiece model itself"
        )
    tokenizer = copy.deepcopy(vocabulary.text.tokenizer)
    symbols = [
        TEXT,
        SPEECH,
        *(f"[{stream.prefix}{unit}]" for stream in vocabulary.streams for unit in range(stream.size)),
    ]
    tokenizer.add_tokens([AddedToken(symbol, normalized=False, special=False) for symbol in symbols])
    backend = tokenizer.backend_tokenizer
    spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if vocabulary.text.space:
        spaces.append(normalizers.Prepend(vocabulary.text.space))
    backend.normalizer = normalizers.Sequence([*spaces, *([backend.normalizer] if backend.normalizer else [])])
    begin = tokenizer.convert_ids_to_tokens(vocabulary.bos)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A $B", special_tokens=[(begin, vocabulary.bos)]
    )
    for sample in SAMPLES:
        found = tokenizer(f"{TEXT}{sample}{symbols[-1]}")["input_ids"]
        want = [vocabulary.bos, vocabulary.text_marker, *vocabulary.text.encode(sample), len(vocabulary) - 1]
        if found != want:
            raise ValueError(
                f"the text tokenizer {vocabulary.text.tokenizer.name_or_path!r} gives other ids to {sample!r} within a prompt "
                f"({found} for {want}): this model cannot be exported with its tokenizer"
            )
    return tokenizer
