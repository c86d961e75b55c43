"""Batched generation of continuations, for the tasks that are scored on generated text or speech."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import LogitsProcessorList, PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from zoo.language.constraint import ModalityConstraint
from zoo.language.generation import Sampling, evaluating
from zoo.seeds import seeded
from zoo.tokens.vocabulary import Vocabulary

MAX_BATCH_PROMPTS = 128
MAX_CACHED_NUMBERS = 1 << 32  # keys and values of a batch; in bfloat16 they take 8 GiB


class StopSequence(StoppingCriteria):
    """Stops a sequence whose last tokens are those of a stop text.

    Args:
        ids: Ids of the stop text, at least one.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = torch.tensor(ids)

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        """Return which sequences of (B, T) have ended, (B,)."""
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
    """Generate the ids (N,) that follow each prompt, up to the end token or the stop text, without either.

    The prompts are split into batches in their order, each with a seed of its own, so that a batch does not depend on
    the others; the batch size follows from the longest prompt.

    Args:
        network: Language model over the vocabulary.
        vocabulary: Vocabulary of text and units.
        prompts: Ids (N,) of each prompt, with begin token and markers.
        modality: ``text`` or ``speech``; only tokens of this modality, the end token and the stop text can follow.
        sampling: How the next token is chosen.
        stop: Ids of a text that ends a continuation, as few-shot prompts contain it; none by default.
        title: Title of the progress bar.

    Raises:
        ValueError: If a prompt leaves no room in the context.
    """
    continuations: list[np.ndarray] = []
    longest = max(map(len, prompts), default=0)
    size = _batch_size(network, longest + sampling.max_new_tokens)
    with evaluating(network):
        for start in tqdm(range(0, len(prompts), size), desc=title, unit="batch", mininterval=1.0, delay=2.0):
            batch_sampling = replace(sampling, seed=sampling.seed + 1000 * start)
            batch = prompts[start : start + size]
            continuations += _generate_batch(network, vocabulary, batch, modality, batch_sampling, list(stop))
    return continuations


def _batch_size(network: PreTrainedModel, length: int) -> int:
    """Return how many sequences of ``length`` tokens are generated at a time.

    It is the number whose keys and values fit a fixed size: it depends on the sizes of the model alone, not on the
    memory of the machine, so that every machine draws the same samples.
    """
    config = network.config
    num_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    numbers_per_sequence = 2 * config.num_hidden_layers * num_heads * head_dim * length
    return max(1, min(MAX_BATCH_PROMPTS, MAX_CACHED_NUMBERS // numbers_per_sequence))


def _generate_batch(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[np.ndarray],
    modality: str,
    sampling: Sampling,
    stop: list[int],
) -> list[np.ndarray]:
    length = max(map(len, prompts))
    context = network.config.max_position_embeddings
    room = context - length
    if room < 1:
        raise ValueError(f"a prompt has {length} tokens; this model reads at most {context - 1}: use fewer shots")
    ids, mask = _pad_left(prompts, vocabulary.eos, length)
    constraint = ModalityConstraint(vocabulary, modality)
    constraint.forbidden[stop] = False
    generate: Any = network.generate  # the class of a network that can generate also inherits from GenerationMixin
    with seeded(sampling.seed, network.device):
        output = generate(
            input_ids=ids.to(network.device),
            attention_mask=mask.to(network.device),
            max_new_tokens=min(room, sampling.max_new_tokens),
            logits_processor=LogitsProcessorList([constraint]),
            stopping_criteria=StoppingCriteriaList([StopSequence(stop)] if stop else []),
            bos_token_id=vocabulary.bos,
            eos_token_id=vocabulary.eos,
            pad_token_id=vocabulary.eos,
            **_sampling_arguments(sampling),
        )
    return [_truncate(sequence, vocabulary.eos, stop) for sequence in output[:, length:].cpu().numpy()]


def _pad_left(prompts: Sequence[np.ndarray], padding: int, length: int) -> tuple[Tensor, Tensor]:
    """Return padded prompts and their attention mask, (B, T) int64 each."""
    ids = torch.full((len(prompts), length), padding)
    mask = torch.zeros(len(prompts), length, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        start = length - len(prompt)
        ids[row, start:] = torch.from_numpy(prompt)
        mask[row, start:] = 1
    return ids, mask


def _sampling_arguments(sampling: Sampling) -> dict[str, Any]:
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
