"""Comparison of an exported model and tokenizer with those of the zoo."""

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from zoo.tokens.vocabulary import SPEECH, TEXT, Vocabulary

# Texts on which the exported tokenizer is compared with the vocabulary.
SAMPLES = (
    "A",
    "he said",
    " it's  2.5%, isn't it? ",
    "first line\nsecond\tline\r\n\n  indented",
    "zażółć gęślą, über, naïve, e\u0301",
    "日本語 中文，한국어",
    "🙂 👩‍👩‍👧 ok",
    "1234567890 3.14159 10,000",
    "def f(x): return x[0] + {'a': 1} # [Textual] [Hu] [Speech",
    "don't DON'T we'll ... !? --",
    "no-break\u00a0space ideographic\u3000space separator\x1funit zero\u200bwidth",
    "ﬁ ｆｕｌｌ ① ½ №",
    "<tool_call> <b>a</b> [INST]x[/INST] {y}",
)
MAX_ADDED_TOKENS = 100
TOLERANCE = 1e-3  # of the largest logit


def speech_symbols(vocabulary: Vocabulary) -> list[str]:
    """Return the markers and units of a vocabulary as strings, in the order of their ids."""
    symbols = [TEXT, SPEECH]
    for stream in vocabulary.streams:
        for unit in range(stream.size):
            symbols.append(f"[{stream.prefix}{unit}]")
    return symbols


def require_equal_ids(tokenizer: PreTrainedTokenizerBase, vocabulary: Vocabulary) -> None:
    """Raise ValueError unless a tokenizer encodes prompts as the vocabulary does.

    Args:
        tokenizer: Tokenizer with the symbols of the vocabulary.
        vocabulary: Vocabulary over a ``TextTokenizer``.

    Raises:
        ValueError: The ids of a prompt differ.
    """
    last_unit = speech_symbols(vocabulary)[-1]
    samples = list(SAMPLES)
    symbols = set(speech_symbols(vocabulary))
    added = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    for token in added[:MAX_ADDED_TOKENS] + tokenizer.all_special_tokens:
        # SentencePiece's symbol for a space is not expected in a text.
        if token not in symbols and "\u2581" not in token:
            samples.append(f"a {token} b{token}c")
    for sample in samples:
        ids = tokenizer(f"{TEXT}{sample}{SPEECH}{last_unit}{TEXT}{sample}")["input_ids"]
        text = [vocabulary.text_marker, *vocabulary.text.encode(sample)]
        expected = [vocabulary.bos, *text, vocabulary.speech_marker, len(vocabulary) - 1, *text]
        if ids != expected:
            raise ValueError(
                f"the exported {type(tokenizer).__name__} encodes {sample!r} differently within a prompt "
                f"({ids}, not {expected}): this model cannot be exported with its tokenizer"
            )


@torch.no_grad()
def mixed_logits(network: PreTrainedModel, vocabulary: Vocabulary) -> Tensor:
    """Return the logits (T, V) of a short row of text and speech tokens."""
    text = [vocabulary.bos, vocabulary.text_marker, *vocabulary.text.encode("he said")[:8]]
    units = [vocabulary.first_unit, len(vocabulary) - 1]
    ids = torch.tensor([[*text, vocabulary.speech_marker, *units]], device=network.device)
    return network.eval()(input_ids=ids, use_cache=False).logits[0].float().cpu()


def require_equal_logits(exported: Tensor, expected: Tensor) -> None:
    """Raise ValueError unless logits (T, V) of an exported network are those (T, V) of the zoo.

    Raises:
        ValueError: They differ by more than rounding.
    """
    if exported.shape != expected.shape:
        raise ValueError(
            f"the exported model has logits of shape {tuple(exported.shape)}, not {tuple(expected.shape)}: "
            "this model cannot be exported"
        )
    difference = (exported - expected).abs().max().item()
    if not difference <= TOLERANCE * expected.abs().max().item():
        raise ValueError(
            f"the exported model, loaded again, has other logits (by {difference:.3g}): this model cannot be exported"
        )
