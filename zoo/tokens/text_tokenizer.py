"""Text tokenizers: any transformers tokenizer, with each word encoded by itself."""

import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from zoo.error_messages import one_line
from zoo.tokens.contract import checksum

BOS = "<s>"
EOS = "</s>"
# Added tokens that are text where a text contains them: names in brackets, as "<tool_call>", and runs of spaces.
LITERAL = re.compile(r"[<\[{|].*[>\]}|]|[\s\u2581]{2,}", re.DOTALL)


def literal_backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """Return a copy of a fast tokenizer's backend in which special and other bracketed tokens are encoded as text."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    for token in state["added_tokens"]:
        if LITERAL.fullmatch(token["content"]):
            token["special"] = True
    backend = Tokenizer.from_str(json.dumps(state))
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend


class TextTokenizer:
    """A transformers tokenizer that encodes each word by itself, so that text can be split at any word.

    Args:
        tokenizer: Tokenizer with an end-of-text token, which is also used as the begin token if there is none.

    Raises:
        ValueError: The tokenizer has no end-of-text token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError(f"text tokenizer {tokenizer.name_or_path!r} has no end-of-text token: set its eos_token")
        self.tokenizer = tokenizer
        self.eos: int = tokenizer.eos_token_id
        self.bos: int = self.eos if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        # SentencePiece tokenizers add a space before a text themselves; another one would give two. The two characters
        # are the space symbols of SentencePiece (U+2581) and of byte-level BPE (U+0120).
        first_tokens = tokenizer.convert_ids_to_tokens(tokenizer.encode("a", add_special_tokens=False))[:1]
        adds_space = bool(first_tokens) and first_tokens[0].startswith(("\u2581", "\u0120"))
        self.space = "" if adds_space else " "
        self._word = lru_cache(maxsize=1 << 20)(self._encode_word)

    def __len__(self) -> int:
        return len(self.tokenizer)

    @cached_property
    def checksum(self) -> str:
        return checksum([self.tokenizer.get_vocab(), self.bos, self.eos])

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, encoded word by word, without begin and end tokens."""
        ids: list[int] = []
        for word in text.split():
            ids += self._word(word)
        return ids

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Return the ids of each word; concatenated, they are the ids of the text."""
        return [list(self._word(word)) for word in words]

    @cached_property
    def _backend(self) -> Tokenizer | None:
        if isinstance(self.tokenizer, PreTrainedTokenizerFast):
            return literal_backend(self.tokenizer)
        return None

    def _encode_word(self, word: str) -> tuple[int, ...]:
        # Special tokens are not matched in text, so that "</s>" in a text is encoded as four characters.
        if self._backend is not None:
            return tuple(self._backend.encode(f"{self.space}{word}", add_special_tokens=False).ids)
        return tuple(self.tokenizer.encode(f"{self.space}{word}", add_special_tokens=False, split_special_tokens=True))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, without special tokens and without white space at the ends."""
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text).strip()

    def save(self, folder: Path) -> None:
        """Save the tokenizer in the format of transformers."""
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, source: str | Path) -> "TextTokenizer":
        """Load the tokenizer of any transformers checkpoint.

        Args:
            source: Folder of the checkpoint, or its name on the Hugging Face hub.

        Raises:
            ValueError: The checkpoint has no tokenizer, or the tokenizer has no end-of-text token.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
        except Exception as error:  # the parser of tokenizer.json raises Exception itself
            if isinstance(error, OSError) and not Path(source).is_dir():
                raise
            reason = one_line(error)[:300]
            raise ValueError(
                f"{source}: no text tokenizer that transformers can read ({reason}); copy tokenizer.json and "
                "tokenizer_config.json again from their original"
            ) from error
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            raise ValueError(f"{source}: transformers finds no tokenizer there")
        return cls(tokenizer)


def train_text_tokenizer(texts: Iterable[str], size: int) -> TextTokenizer:
    """Train byte-level BPE (Radford et al. 2019), which can encode any text.

    Args:
        texts: Training texts, read once.
        size: Largest number of pieces, including the 256 bytes, begin and end.

    Raises:
        ValueError: ``size`` is too small for the bytes, begin and end.
    """
    if size < 258:
        raise ValueError(f"text vocabulary of {size} pieces: at least 258 are needed (256 bytes, {BOS} and {EOS})")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BOS, EOS],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator((f" {' '.join(text.split())}" for text in texts), trainer)
    return TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=BOS, eos_token=EOS))
