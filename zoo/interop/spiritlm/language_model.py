"""Official Spirit LM language models: their folders, and their way of being asked."""

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList, PreTrainedModel

from zoo.files import atomic_folder
from zoo.interop.spiritlm.outputs import Output, decode_generated
from zoo.interop.spiritlm.prompts import Forbid, Hear, build_prompt, forbidden_for, modality
from zoo.tokens.contract import write_contract
from zoo.tokens.sentencepiece_tokenizer import SentencePieceText
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.vocoder import Vocoder

NAMES = ("spirit-lm-base-7b", "spirit-lm-expressive-7b")
ROOT_VARIABLE = "SPIRITLM_CHECKPOINTS_DIR"


class SpiritLM(nn.Module):
    """An official language model, asked and read as in the release.

    Args:
        network: Llama.
        text: Its tokenizer, whose last pieces are the units.
        vocoder: Speaks; only needed where speech is asked for.
        hear: Speech to a string of units, such as ``"[Hu12][Hu7]"``; only needed for speech in prompts.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        text: SentencePieceText,
        vocoder: Vocoder | None = None,
        hear: Hear | None = None,
    ) -> None:
        super().__init__()
        self.network, self.text, self.vocoder, self.hear = network.eval(), text, vocoder, hear

    @classmethod
    def load(
        cls,
        source: str | Path,
        vocoder: Vocoder | None = None,
        hear: Hear | None = None,
        dtype: torch.dtype = torch.bfloat16,
    ) -> "SpiritLM":
        """Load a folder, or one of the two official names below ``$SPIRITLM_CHECKPOINTS_DIR/spiritlm_model``.

        Raises:
            FileNotFoundError: Where a file is missing.
            ValueError: At an unknown name, or where tensors and pieces do not fit.
        """
        folder = locate(source)
        text = SentencePieceText.load(folder)
        return cls(load_network(folder, text, dtype), text, vocoder, hear)

    def prompt(self, inputs: Sequence[tuple[str, Any]], to: str) -> str:
        """The prompt string of pairs such as ``("text", "he said")`` and ``("speech", waveform)``."""
        return build_prompt(inputs, to, self.hear or _deaf)

    def generate(
        self,
        inputs: Sequence[tuple[str, Any]] | None = None,
        to: str = "ARBITRARY",
        prompt: str | None = None,
        options: Mapping[str, Any] | None = None,
        speaker: int | None = None,
        force: bool = True,
        rng: random.Random | None = None,
    ) -> list[Output]:
        """Go on after inputs or a prompt string.

        Args:
            inputs: Pairs of ``text`` or ``speech`` and their content; left aside where there is a ``prompt``.
            to: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
            prompt: The whole prompt as a string, such as few-shot examples.
            options: Of transformers' ``GenerationConfig``.
            speaker: Of the vocoder; 2 if None.
            force: Whether other tokens than those of ``to`` are forbidden.
            rng: Draws missing styles.

        Raises:
            ValueError: Without inputs and prompt; at an unknown option or modality; where speech cannot be spoken.
        """
        to = modality(to)
        if prompt is None:
            if inputs is None:
                raise ValueError("give inputs or a prompt: both are None")
            prompt = self.prompt(inputs, to)
        if to != "TEXT" and self.vocoder is None:
            raise ValueError(f"to={to}: speech may come, and this model has no vocoder: load it with one")
        generated = self.text.decode_string(
            self.continue_ids(self.text.encode_string(prompt), to, options, force, with_prompt=True)
        )
        return decode_generated(self.vocoder, prompt, generated, to, speaker, rng)

    @torch.inference_mode()
    def continue_ids(
        self,
        ids: Sequence[int],
        to: str,
        options: Mapping[str, Any] | None = None,
        force: bool = True,
        with_prompt: bool = False,
    ) -> list[int]:
        """New ids after those of a prompt; greedy unless the options say otherwise.

        Args:
            ids: Of the prompt.
            to: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
            options: Of transformers' ``GenerationConfig``.
            force: Whether other tokens than those of ``to`` are forbidden.
            with_prompt: Whether the prompt's ids come first.
        """
        known = GenerationConfig().to_dict()
        for name in options or {}:
            if name not in known:
                raise ValueError(f"generation option {name!r}: transformers' GenerationConfig has none of this name")
        config = GenerationConfig(
            **{
                "do_sample": False,
                "bos_token_id": self.text.bos,
                "eos_token_id": self.text.eos,
                "pad_token_id": self.text.eos,
                **(options or {}),
            }
        )
        forbid = Forbid(forbidden_for(self.text, to) if force else [], self.text, self.network.config.vocab_size)
        given = torch.tensor([list(ids)], device=self.network.device)
        output = self.network.generate(
            given,
            attention_mask=torch.ones_like(given),
            generation_config=config,
            logits_processor=LogitsProcessorList([forbid]),
        )[0].tolist()
        return output if with_prompt else output[len(ids) :]


def _deaf(speech: Any) -> str:
    raise ValueError("speech in the prompt, and this model has no speech tokenizer: load it with hear=")


def locate(source: str | Path) -> Path:
    """Folder of a language model, given itself or one of the official names.

    Raises:
        ValueError: At what is neither.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    if str(source) in NAMES and os.environ.get(ROOT_VARIABLE):
        return Path(os.environ[ROOT_VARIABLE]) / "spiritlm_model" / str(source)
    raise ValueError(
        f"language model {str(source)!r}: no such folder, and no name below ${ROOT_VARIABLE}: want one of {', '.join(NAMES)}"
    )


def load_network(folder: Path, text: SentencePieceText, dtype: torch.dtype) -> PreTrainedModel:
    """The Llama of an official folder, every tensor of it.

    Args:
        folder: With ``config.json`` and weights.
        text: Its tokenizer.
        dtype: The release runs in bfloat16.

    Raises:
        FileNotFoundError: Without ``config.json`` or weights.
        ValueError: Where a tensor is missing, unknown or of another size, or pieces have no row.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"no config.json in {folder}: not the folder of a Spirit LM language model")
    try:
        network, found = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except OSError as error:
        raise FileNotFoundError(f"{folder}: no weights that can be read ({' '.join(str(error).split())})") from error
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(str(name) for name in found[what])
        if names:
            raise ValueError(
                f"{folder}: {what.split('_')[0]} tensors {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            )
    if network.config.vocab_size < text.pieces.get_piece_size():
        raise ValueError(
            f"{folder}: {network.config.vocab_size} embedding rows for {text.pieces.get_piece_size()} pieces"
        )
    return network


def import_language_model(
    folder: Path, out: Path, contract: dict[str, Any], dtype: torch.dtype = torch.bfloat16
) -> Vocabulary:
    """Write an official language model as the zoo keeps its own, to be trained, asked and evaluated like them.

    Args:
        folder: Official one.
        out: Gets the network, its vocabulary and ``contract.json``; appears whole.
        contract: Of the speech tokenizer it goes with.
        dtype: Of the weights.

    Returns:
        Its vocabulary, whose ids are the official ones.

    Raises:
        ValueError: Where the speech tokenizer has other streams than the language model.
    """
    text = SentencePieceText.load(folder)
    streams = [Stream(**stream) for stream in contract["tokenizer"]["streams"]]
    sizes = {stream.prefix: stream.size for stream in streams}
    if list(sizes.items()) != list(text.units.items()):
        raise ValueError(
            f"{folder} has the units {text.units}, the speech tokenizer {sizes}: import the tokenizer that it was trained with"
        )
    network = load_network(folder, text, dtype)
    vocabulary = Vocabulary(text, streams, _multiple(text.pieces.get_piece_size(), network.config.vocab_size))
    with atomic_folder(out) as whole:
        network.save_pretrained(whole)
        vocabulary.save(whole)
        write_contract(whole, {**contract, "vocabulary": vocabulary.contract})
    return vocabulary


def _multiple(used: int, rows: int) -> int:
    """What the ids in use are padded to a multiple of, to make so many rows."""
    return next(m for m in (128, 64, 8, 1, rows) if -(-used // m) * m == rows)
