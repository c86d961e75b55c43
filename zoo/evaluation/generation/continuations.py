"""Continuations of many prompts of ids, for the tasks that are scored on what a model writes or says."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import LogitsProcessorList, PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from zoo.language.constraint import ModalityConstraint
from zoo.language.generation import Sampling, evaluating
from zoo.seeds import seeded
from zoo.tokens.vocabulary import Vocabulary

MOST_PROMPTS, CACHED_NUMBERS = 128, 1 << 32  # at a time; in bfloat16 they take 8 GiB


class _Stops(StoppingCriteria):
    """A row ends where its last tokens are those of a stop text."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = torch.tensor(ids)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Which rows of (B, T) have ended, (B,)."""
        return (input_ids[:, -len(self.ids) :] == self.ids.to(input_ids.device)).all(1)


@torch.inference_mode()
def continuations(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[np.ndarray],
    to: str,
    sampling: Sampling,
    stop: Sequence[int] = (),
    title: str = "generate",
) -> list[np.ndarray]:
    """Ids that follow each prompt, up to the end or stop, without it.

    The prompts are taken in chunks of their order, each with a seed of its own, so that a chunk does not depend on others; how many
    are a chunk follows from the longest prompt.

    Args:
        network: Over the vocabulary.
        vocabulary: Numbers text and units.
        prompts: Ids (N,), with begin and markers.
        to: ``text`` or ``speech``; no other token can follow, but the end and the stop.
        sampling: How tokens are chosen.
        stop: Ids of a text that ends a continuation, as prompts of few shots show it.
        title: Of the progress bar.

    Raises:
        ValueError: At a prompt that leaves no room in the context.
    """
    found: list[np.ndarray] = []
    size = _prompts_at_a_time(network, max(map(len, prompts), default=0) + sampling.max_new_tokens)
    with evaluating(network):
        for start in tqdm(range(0, len(prompts), size), desc=title, unit="batch", mininterval=1.0, delay=2.0):
            batch = prompts[start : start + size]
            found += _batch(
                network, vocabulary, batch, to, replace(sampling, seed=sampling.seed + 1000 * start), list(stop)
            )
    return found


def _prompts_at_a_time(network: PreTrainedModel, length: int) -> int:
    """As many as have room for keys and values of so many tokens; told by the model's sizes alone, so that any machine draws the same."""
    config = network.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return max(1, min(MOST_PROMPTS, CACHED_NUMBERS // (2 * config.num_hidden_layers * heads * width * length)))


def _batch(
    network: PreTrainedModel,
    vocabulary: Vocabulary,
    prompts: Sequence[np.ndarray],
    to: str,
    sampling: Sampling,
    stop: list[int],
) -> list[np.ndarray]:
    length = max(map(len, prompts))
    room = network.config.max_position_embeddings - length
    if room < 1:
        raise ValueError(
            f"a prompt has {length} tokens; this model reads at most {network.config.max_position_embeddings - 1}: use fewer shots"
        )
    ids = torch.tensor(
        [[vocabulary.eos] * (length - len(prompt)) + prompt.tolist() for prompt in prompts], device=network.device
    )
    mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=network.device)
    constraint = ModalityConstraint(vocabulary, to)
    constraint.forbidden[stop] = False
    chosen = (
        {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        if sampling.temperature
        else {"do_sample": False}
    )
    with seeded(sampling.seed, network.device):
        output = network.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=min(room, sampling.max_new_tokens),
            logits_processor=LogitsProcessorList([constraint]),
            stopping_criteria=StoppingCriteriaList([_Stops(stop)] if stop else []),
            bos_token_id=vocabulary.bos,
            eos_token_id=vocabulary.eos,
            pad_token_id=vocabulary.eos,
            **chosen,
        )
    return [_cut(row, vocabulary.eos, stop) for row in output[:, length:].cpu().numpy()]


def _cut(ids: np.ndarray, eos: int, stop: list[int]) -> np.ndarray:
    """What stands before the first end or stop."""
    ends = np.flatnonzero(ids == eos)[:1].tolist()
    if stop and len(ids) >= len(stop):
        windows = np.lib.stride_tricks.sliding_window_view(ids, len(stop))
        ends += np.flatnonzero((windows == stop).all(1))[:1].tolist()
    return ids[: min(ends, default=len(ids))]
