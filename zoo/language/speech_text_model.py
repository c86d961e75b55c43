"""A trained language model with what it needs to hear and to speak."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from zoo.language.adapters import add_adapter, is_adapter, load_adapted
from zoo.language.generation import Continuation, Sampling, generate
from zoo.language.stopping import Lasting, shortest_seconds, spoken_seconds
from zoo.language.streaming import stream_ids, stream_pieces
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer, load_tokenizer
from zoo.tokens.contract import FILE, require_match
from zoo.tokens.units import Tokens
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.incremental import IncrementalVocoder
from zoo.vocoder.vocoder import Vocoder


@dataclass(frozen=True)
class Answer:
    """What the model went on with.

    Args:
        pieces: Text and speech tokens in order.
        text: The texts among them, joined.
        waveform: The speech among them, (N,) at ``sample_rate``; None without speech or without a vocoder.
        sample_rate: In Hz.
        ended: Whether the model ended by itself.
    """

    pieces: list[str | Tokens]
    text: str
    waveform: Tensor | None
    sample_rate: int
    ended: bool


class SpeechTextModel(nn.Module):
    """Text and speech in, text and speech out.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        tokenizer: Hears.
        vocoder: Speaks; without one, speech stays units.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        vocabulary: Vocabulary,
        tokenizer: SpeechTokenizer,
        vocoder: Vocoder | None = None,
    ) -> None:
        super().__init__()
        self.network, self.vocabulary, self.tokenizer, self.vocoder = network.eval(), vocabulary, tokenizer, vocoder

    @classmethod
    def load(
        cls,
        run: Path,
        language_model: Path | None = None,
        tokenizer: Path | None = None,
        vocoder: Path | None = None,
        adapter: Path | None = None,
    ) -> "SpeechTextModel":
        """Load what the stages of a run have made, after comparing their contracts.

        Args:
            run: Folder of a run, with ``language_model/model``, ``tokenizer/tokenizer`` and, to speak, ``vocoder/vocoder``.
            language_model: Another folder of a language model.
            tokenizer: Another folder of a tokenizer.
            vocoder: Another folder of a vocoder.
            adapter: Folder of an adapter that is put on the language model.

        Raises:
            FileNotFoundError: Where a part is missing.
            ContractError: Where two parts were made for different tokens.
        """
        parts = {
            "language_model": language_model or run / "language_model" / "model",
            "tokenizer": tokenizer or run / "tokenizer" / "tokenizer",
        }
        for name, folder in parts.items():
            if not (folder / FILE).is_file():
                raise FileNotFoundError(
                    f"no {name} in {folder}: run its stage first, or name another folder with --{name.replace('_', '-')}"
                )
        voice = vocoder or run / "vocoder" / "vocoder"
        if vocoder or voice.is_dir():
            parts["vocoder"] = voice
        for name in parts.keys() - {"tokenizer"}:
            require_match(parts["tokenizer"], parts[name])
        network, vocabulary = load_language_model(parts["language_model"])
        if adapter is not None:
            network = add_adapter(network, parts["language_model"], adapter, "adapter")
        return cls(
            network,
            vocabulary,
            load_tokenizer(parts["tokenizer"]),
            Vocoder.load(parts["vocoder"]) if "vocoder" in parts else None,
        )

    def generate(
        self,
        prompt: Sequence[str | Tokens | Tensor],
        to: str = "any",
        sampling: Sampling = Sampling(),
        speaker: str | int | None = None,
    ) -> Answer:
        """Go on after a prompt.

        Args:
            prompt: Texts, speech tokens and waveforms (num_samples,) at the tokenizer's rate, in any order.
            to: ``text``, ``speech`` or ``any``.
            sampling: How tokens are chosen.
            speaker: Of the vocoder.
        """
        return self.generate_batch([prompt], to, sampling, speaker)[0]

    def generate_batch(
        self,
        prompts: Sequence[Sequence[str | Tokens | Tensor]],
        to: str = "any",
        sampling: Sampling = Sampling(),
        speaker: str | int | None = None,
    ) -> list[Answer]:
        """Go on after several prompts at once; the arguments are those of ``generate``."""
        found = generate(
            self.network, self.vocabulary, [self._heard(prompt) for prompt in prompts], to, sampling, self._lasting
        )
        return [self._answer(one, speaker) for one in found]

    def stream(
        self,
        prompt: Sequence[str | Tokens | Tensor],
        to: str = "any",
        sampling: Sampling = Sampling(),
        speaker: str | int | None = None,
        speech_tokens: int = 16,
    ) -> Iterator[str | Tensor | Tokens]:
        """Go on after a prompt piece by piece: characters as they come, and pieces of the waveform, or tokens without a vocoder.

        Joined, they are what ``generate`` returns; samples near the joints differ by rounding errors only.

        Args:
            prompt: As for ``generate``, as are the others.
            to: ``text``, ``speech`` or ``any``.
            sampling: How tokens are chosen.
            speaker: Of the vocoder.
            speech_tokens: Tokens that are spoken at a time.
        """
        voice = IncrementalVocoder(self.vocoder, speaker) if self.vocoder else None
        ids = stream_ids(self.network, self.vocabulary, self._heard(prompt), to, sampling, self._lasting)
        for piece in stream_pieces(self.vocabulary, ids, speech_tokens):
            content = piece.content
            if voice is not None and isinstance(content, Tokens):
                content = voice(content, piece.ends)
                if piece.ends:
                    voice.reset()
            if len(content):
                yield content

    @property
    def _lasting(self) -> Lasting:
        return spoken_seconds(self.vocoder) if self.vocoder else shortest_seconds

    def _heard(self, prompt: Sequence[str | Tokens | Tensor]) -> list[str | Tokens]:
        return [self.tokenizer.tokens(piece) if isinstance(piece, Tensor) else piece for piece in prompt]

    def _answer(self, found: Continuation, speaker: str | int | None) -> Answer:
        speech = [piece for piece in found.pieces if isinstance(piece, Tokens) and len(piece)]
        rate = self.vocoder.sample_rate if self.vocoder else self.tokenizer.sample_rate
        waveform = torch.cat([self.vocoder(piece, speaker) for piece in speech]) if self.vocoder and speech else None
        return Answer(found.pieces, found.text, waveform, rate, found.ended)


def load_language_model(folder: Path) -> tuple[PreTrainedModel, Vocabulary]:
    """Load the ``model`` folder that a language model stage filled; an adapter comes with its base.

    Raises:
        FileNotFoundError: Where the folder holds none.
    """
    vocabulary = Vocabulary.load(folder)
    if is_adapter(folder):
        return load_adapted(folder), vocabulary
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval(), vocabulary
