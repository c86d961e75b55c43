"""Batched generation of continuations, for the tasks that are scored on generated text or speech."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import LogitsProcessorList, PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from zoo.language.generation import Sampling, eval_mode
from zoo.language.modality_constraint import ModalityConstraint
from zoo.language.position_limits import max_positions
from zoo.seeds import seeded
from zoo.tokens.vocabulary import Vocabulary

MAX_BATCH_PROMPTS = 128
MAX_KV_CACHE_ELEMENTS = 1 << 32  # of a batch, keys and values together; 8 GiB in bfloat16


class StopSequence(StoppingCriteria):
    """Stops each sequence of a batch once it ends in the stop text.

    Args:
        ids: Token ids of the stop text, at least one.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = torch.tensor(ids)

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        """Return whether each sequence of ``input_ids`` (B, T) ends in the stop text, (B,) bool."""
        return (input_ids[:, -len(self.ids) :] == self.ids.to(input_ids.device)).all(1)


@torch.inference_mode()
def generate_continuations(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[np.ndarray],
    modality: str,
    sampling: Sampling,
    stop: Sequence[int] = (),
    title: str = "generate",
) -> list[np.ndarray]:
    """Generate a continuation of each prompt, up to and excluding the end token or the stop text.

    The prompts are split into batches in the given order. The batch is the largest whose KV cache fits
    ``MAX_KV_CACHE_ELEMENTS``, at most ``MAX_BATCH_PROMPTS``. Each batch samples with its own seed, so that its
    continuations do not depend on the batches before it.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text and units.
        prompts: Token ids (N,) of each prompt, with begin token and modality markers.
        modality: Modality of the continuations, ``text`` or ``speech``. Other tokens are masked, except the end token
            and those of the stop text.
        sampling: Temperature, top-p, seed and maximum length of the continuations.
        stop: Token ids of a text that ends a continuation, such as the separator of few-shot examples. Empty by
            default: a continuation then ends at the end token only.
        title: Title of the progress bar.

    Returns:
        Token ids (N,) of each continuation, in the order of the prompts.

    Raises:
        ValueError: If a prompt fills the context of the model.
    """
    continuations: list[np.ndarray] = []
    longest = max(map(len, prompts), default=0)
    batch_size = _batch_size(network, longest + sampling.max_new_tokens)
    with eval_mode(network):
        for start in tqdm(range(0, len(prompts), batch_size), desc=title, unit="batch", mininterval=1.0, delay=2.0):
            # The factor keeps the seeds of batches apart from those of callers that count runs, seed + 1, seed + 2, ...
            batch_sampling = replace(sampling, seed=sampling.seed + 1000 * start)
            batch = prompts[start : start + batch_size]
            continuations += _generate_batch(network, vocabulary, batch, modality, batch_sampling, list(stop))
    return continuations


def _batch_size(network: PreTrainedModel, length: int) -> int:
    """Return the largest batch of sequences of ``length`` tokens whose KV cache fits ``MAX_KV_CACHE_ELEMENTS``.

    The batch size depends only on the model and the length, not on the memory of the machine, so that every machine
    draws the same samples.
    """
    config = network.config
    num_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kv_elements_per_sequence = 2 * config.num_hidden_layers * num_heads * head_dim * length
    return max(1, min(MAX_BATCH_PROMPTS, MAX_KV_CACHE_ELEMENTS // kv_elements_per_sequence))


def _generate_batch(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[np.ndarray],
    modality: str,
    sampling: Sampling,
    stop: list[int],
) -> list[np.ndarray]:
    length = max(map(len, prompts))
    context = max_positions(network)
    max_new_tokens = min(context - length, sampling.max_new_tokens)
    if context <= length:
        raise ValueError(
            f"a prompt has {length} tokens, but the model has room for at most {context - 1} before a continuation: "
            "shorten the prompt, or use fewer few-shot examples"
        )
    ids, mask = _pad_left(prompts, vocabulary.eos, length)
    constraint = ModalityConstraint(vocabulary, modality, also_allowed=stop)
    generate: Any = network.generate  # the class of a network that can generate also inherits from GenerationMixin
    with seeded(sampling.seed, network.device):
        output = generate(
            input_ids=ids.to(network.device),
            attention_mask=mask.to(network.device),
            max_new_tokens=max_new_tokens,
            logits_processor=LogitsProcessorList([constraint]),
            stopping_criteria=StoppingCriteriaList([StopSequence(stop)] if stop else []),
            bos_token_id=vocabulary.bos,
            eos_token_id=vocabulary.eos,
            pad_token_id=vocabulary.eos,
            **_sampling_arguments(sampling),
        )
    continuations = output[:, length:].cpu().numpy()
    return [_truncate(ids, vocabulary.eos, stop) for ids in continuations]


def _pad_left(prompts: Sequence[np.ndarray], padding: int, length: int) -> tuple[Tensor, Tensor]:
    """Return the prompts, padded on the left to ``length`` tokens, and their attention mask, (B, T) int64 each."""
    ids = torch.full((len(prompts), length), padding)
    mask = torch.zeros(len(prompts), length, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        start = length - len(prompt)
        ids[row, start:] = torch.from_numpy(prompt)
        mask[row, start:] = 1
    return ids, mask


def _sampling_arguments(sampling: Sampling) -> dict[str, Any]:
    """Return the arguments of ``generate`` for greedy decoding (temperature 0) or top-p sampling."""
    if sampling.temperature == 0:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}


def _truncate(ids: np.ndarray, eos: int, stop: list[int]) -> np.ndarray:
    """Return the ids (N,) before the first end token or stop text."""
    ends = np.flatnonzero(ids == eos)[:1].tolist()
    if stop and len(ids) >= len(stop):
        windows = np.lib.stride_tricks.sliding_window_view(ids, len(stop))
        ends += np.flatnonzero((windows == stop).all(1))[:1].tolist()
    return ids[: min(ends, default=len(ids))]
