"""Official Spirit LM language models: loaded from their folders, prompted as in the release, and imported."""

import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList, PreTrainedModel

from zoo.files import atomic_folder
from zoo.interop.spiritlm.outputs import Output, decode_generated
from zoo.interop.spiritlm.prompts import ForbiddenTokens, SpeechToString, build_prompt, forbidden_for, parse_modality
from zoo.tokens.contract import write_contract
from zoo.tokens.sentencepiece_tokenizer import SentencePieceText
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.vocoder import Vocoder

NAMES = ("spirit-lm-base-7b", "spirit-lm-expressive-7b")
ROOT_VARIABLE = "SPIRITLM_CHECKPOINTS_DIR"
# What transformers reports of a checkpoint whose tensors are not exactly those of the network.
MISFIT_REPORTS = ("missing_keys", "unexpected_keys", "mismatched_keys")
MAX_SHOWN_NAMES = 3


class SpiritLM(nn.Module):
    """An official language model with the prompts and outputs of the release.

    Args:
        network: Llama network of the language model.
        text: Tokenizer of the network, whose last pieces are the units.
        vocoder: Vocoder of the model; only needed to generate speech.
        encode_speech: Encodes speech as a string of units, such as ``"[Hu12][Hu7]"``; only needed for speech in
            prompts.
    """

    network: PreTrainedModel
    vocoder: Vocoder | None

    def __init__(
        self,
        network: PreTrainedModel,
        text: SentencePieceText,
        vocoder: Vocoder | None = None,
        encode_speech: SpeechToString | None = None,
    ) -> None:
        super().__init__()
        self.network = network.eval()
        self.text = text
        self.vocoder = vocoder
        self.encode_speech = encode_speech

    @classmethod
    def load(
        cls,
        source: str | Path,
        vocoder: Vocoder | None = None,
        encode_speech: SpeechToString | None = None,
        dtype: torch.dtype = torch.bfloat16,
    ) -> "SpiritLM":
        """Load a language model.

        Args:
            source: Folder, or one of the two official names below ``$SPIRITLM_CHECKPOINTS_DIR/spiritlm_model``.
            vocoder: Vocoder of the model; only needed to generate speech.
            encode_speech: Encodes speech as a string of units; only needed for speech in prompts.
            dtype: Data type of the weights; the release uses bfloat16.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: The name is unknown, or the tensors are not those of the network.
        """
        folder = locate(source)
        text = SentencePieceText.load(folder)
        return cls(load_network(folder, text, dtype), text, vocoder, encode_speech)

    def prompt(self, inputs: Sequence[tuple[str, Any]], to: str) -> str:
        """Return the prompt string of pairs such as ``("text", "he said")`` and ``("speech", waveform)``."""
        return build_prompt(inputs, to, self.encode_speech or _without_speech_tokenizer)

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
        """Continue inputs or a prompt string.

        Args:
            inputs: Pairs of ``text`` or ``speech`` and their content; ignored if there is a ``prompt``.
            to: Modality of the continuation: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
            prompt: Complete prompt as a string, such as few-shot examples.
            options: Fields of transformers' ``GenerationConfig``.
            speaker: Index of a speaker of the vocoder. Defaults to 2.
            force: Whether tokens that ``to`` does not allow are forbidden.
            rng: Draws missing styles.

        Raises:
            ValueError: There are neither inputs nor a prompt, an option or modality is unknown, or speech cannot be
                synthesized.
        """
        to = parse_modality(to)
        if prompt is None:
            if inputs is None:
                raise ValueError("give inputs or a prompt: both are None")
            prompt = self.prompt(inputs, to)
        if to != "TEXT" and self.vocoder is None:
            raise ValueError(f"to={to}: speech may be generated, and this model has no vocoder: load it with one")
        ids = self.continue_ids(self.text.encode_string(prompt), to, options, force, with_prompt=True)
        return decode_generated(self.vocoder, prompt, self.text.decode_string(ids), to, speaker, rng)

    @torch.inference_mode()
    def continue_ids(
        self,
        ids: Sequence[int],
        to: str,
        options: Mapping[str, Any] | None = None,
        force: bool = True,
        with_prompt: bool = False,
    ) -> list[int]:
        """Return the ids that continue a prompt, by greedy decoding unless the options say otherwise.

        Args:
            ids: Ids of the prompt.
            to: Modality of the continuation: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
            options: Fields of transformers' ``GenerationConfig``.
            force: Whether tokens that ``to`` does not allow are forbidden.
            with_prompt: Whether the ids of the prompt are returned, too, before the new ones.

        Raises:
            ValueError: An option or the modality is unknown.
        """
        forbidden = forbidden_for(self.text, to) if force else []
        processor = ForbiddenTokens(forbidden, self.text, self.network.config.vocab_size)
        prompt_ids = torch.tensor([list(ids)], device=self.network.device)  # (1, T)
        output = self.network.generate(  # pyrefly: ignore[not-callable]  # declared by a mixin of the causal models
            prompt_ids,
            attention_mask=torch.ones_like(prompt_ids),
            generation_config=self._generation_config(options or {}),
            logits_processor=LogitsProcessorList([processor]),
        )
        all_ids = output[0].tolist()
        return all_ids if with_prompt else all_ids[len(ids) :]

    def _generation_config(self, options: Mapping[str, Any]) -> GenerationConfig:
        """Return the configuration of greedy decoding with some fields changed.

        Raises:
            ValueError: ``GenerationConfig`` has no field of the name of an option.
        """
        known = GenerationConfig().to_dict()
        for name in options:
            if name not in known:
                raise ValueError(f"generation option {name!r}: transformers' GenerationConfig has none of this name")
        defaults = {
            "do_sample": False,
            "bos_token_id": self.text.bos,
            "eos_token_id": self.text.eos,
            "pad_token_id": self.text.eos,
        }
        return GenerationConfig(**{**defaults, **options})


def _without_speech_tokenizer(speech: Tensor | Path | str) -> str:
    raise ValueError("speech in the prompt, and this model has no speech tokenizer: load it with encode_speech=")


def locate(source: str | Path) -> Path:
    """Return the folder of a language model.

    Args:
        source: Folder, or one of the official names below ``$SPIRITLM_CHECKPOINTS_DIR/spiritlm_model``.

    Raises:
        ValueError: ``source`` is neither.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    if str(source) in NAMES and os.environ.get(ROOT_VARIABLE):
        return Path(os.environ[ROOT_VARIABLE]) / "spiritlm_model" / str(source)
    raise ValueError(
        f"language model {str(source)!r}: no such folder, and no name below ${ROOT_VARIABLE}: "
        f"want one of {', '.join(NAMES)}"
    )


def load_network(folder: Path, text: SentencePieceText, dtype: torch.dtype) -> PreTrainedModel:
    """Load the Llama network of an official folder, and check that no tensor of it is missing.

    Args:
        folder: Folder with ``config.json`` and weights.
        text: Tokenizer of the network.
        dtype: Data type of the weights; the release uses bfloat16.

    Raises:
        FileNotFoundError: ``config.json`` or the weights are missing.
        ValueError: A tensor is missing, unknown or of another size, or the embedding has fewer rows than the
            tokenizer has pieces.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"no config.json in {folder}: not the folder of a Spirit LM language model")
    try:
        network, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="sdpa",
            trust_remote_code=False,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except OSError as error:
        raise FileNotFoundError(f"{folder}: no weights that can be read ({' '.join(str(error).split())})") from error
    for kind in MISFIT_REPORTS:
        names = sorted(str(name) for name in report[kind])
        if names:
            ellipsis = " ..." if len(names) > MAX_SHOWN_NAMES else ""
            raise ValueError(f"{folder}: {kind.split('_')[0]} tensors {', '.join(names[:MAX_SHOWN_NAMES])}{ellipsis}")
    num_pieces = text.pieces.get_piece_size()
    if network.config.vocab_size < num_pieces:
        raise ValueError(f"{folder}: {network.config.vocab_size} embedding rows for {num_pieces} pieces")
    return network


def import_language_model(
    folder: Path, out: Path, contract: dict[str, Any], dtype: torch.dtype = torch.bfloat16
) -> Vocabulary:
    """Write an official language model in the format of this package, for training, generation and evaluation.

    Args:
        folder: Folder of the official model.
        out: Folder to fill with the network, its vocabulary and ``contract.json``; written completely or not at all.
        contract: Contract of the speech tokenizer that the model was trained with.
        dtype: Data type of the weights.

    Returns:
        The vocabulary, whose ids are the official ones.

    Raises:
        ValueError: The streams of the speech tokenizer are not those of the language model.
    """
    text = SentencePieceText.load(folder)
    streams = [Stream(**stream) for stream in contract["tokenizer"]["streams"]]
    sizes = {stream.prefix: stream.size for stream in streams}
    if list(sizes.items()) != list(text.units.items()):  # the order of the streams is part of the ids
        raise ValueError(
            f"{folder} has the units {text.units}, the speech tokenizer {sizes}: "
            "import the tokenizer that it was trained with"
        )
    network = load_network(folder, text, dtype)
    multiple = _padding_multiple(text.pieces.get_piece_size(), network.config.vocab_size)
    vocabulary = Vocabulary(text, streams, multiple)
    with atomic_folder(out) as temporary:
        network.save_pretrained(temporary)
        vocabulary.save(temporary)
        write_contract(temporary, {**contract, "vocabulary": vocabulary.contract})
    return vocabulary


def _padding_multiple(num_ids: int, num_rows: int) -> int:
    """Return the multiple to which ``num_ids`` is rounded up to give ``num_rows``: the largest usual one that does."""
    for multiple in (128, 64, 8, 1):
        if -(-num_ids // multiple) * multiple == num_rows:
            return multiple
    return num_rows
