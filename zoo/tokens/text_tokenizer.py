"""Text to ids and back."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from zoo.tokens.contract import checksum

BOS, EOS = "<s>", "</s>"


class TextTokenizer:
    """A transformers tokenizer, with words encoded apart so that text can be cut at any word.

    Args:
        tokenizer: With a token for the end of a text; where it has none for the beginning, the end token serves.

    Raises:
        ValueError: Where the tokenizer has no end token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError(f"text tokenizer {tokenizer.name_or_path!r} has no end-of-text token: set its eos_token")
        self.tokenizer = tokenizer
        self.eos = tokenizer.eos_token_id
        self.bos = self.eos if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        # A SentencePiece tokenizer puts a space before a text by itself; given another, it would write two.
        first = tokenizer.convert_ids_to_tokens(tokenizer.encode("a", add_special_tokens=False))[:1]
        self.space = "" if first and first[0].startswith(("\u2581", "\u0120")) else " "
        self._word = lru_cache(maxsize=1 << 20)(self._encode_word)

    def __len__(self) -> int:
        return len(self.tokenizer)

    @cached_property
    def checksum(self) -> str:
        return checksum([self.tokenizer.get_vocab(), self.bos, self.eos])

    def encode(self, text: str) -> list[int]:
        """Ids of a text, word by word, without begin or end."""
        return [i for word in text.split() for i in self._word(word)]

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Ids of each word; joined, they are those of the text."""
        return [list(self._word(word)) for word in words]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        # Split, so that a "</s>" in somebody's text is those four letters and not the end of it.
        return tuple(self.tokenizer.encode(f"{self.space}{word}", add_special_tokens=False, split_special_tokens=True))

    def decode(self, ids: Iterable[int]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()

    def save(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, source: str | Path) -> "TextTokenizer":
        """From a folder or the name of any transformers checkpoint."""
        return cls(AutoTokenizer.from_pretrained(str(source)))


def train_text_tokenizer(texts: Iterable[str], size: int) -> TextTokenizer:
    """Byte-level BPE of at most ``size`` pieces, all 256 bytes among them, so that any text can be written.

    Raises:
        ValueError: Where ``size`` leaves no room for the bytes and the two special pieces.
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
