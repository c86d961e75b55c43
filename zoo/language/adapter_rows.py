"""Embedding rows of new tokens beside adapters: which are trained, and how those that are not trained are saved."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.trainable_tokens.layer import TrainableTokensLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from zoo.files import atomic_file
from zoo.language.embedding_rows import embedding_weights
from zoo.tokens.vocabulary import Vocabulary
from zoo.weights import read_tensors, require_same_shapes, shapes_of

NEW_ROWS = "new_rows.safetensors"
ROLES = ("embedding", "head")


def new_row_ids(vocabulary: Vocabulary) -> list[int]:
    """Return the ids of markers, units and padding."""
    return list(range(vocabulary.num_text, vocabulary.num_rows))


def embedding_names(network: PreTrainedModel) -> list[str]:
    """Return the names of embedding and head; of the embedding alone if they are tied, because PEFT then ties rows."""
    embedding = network.get_input_embeddings()
    head = network.get_output_embeddings()
    modules = [embedding]
    if head is not None and head.weight is not embedding.weight:
        modules.append(head)
    return [name.split(".")[-1] for name, module in network.named_modules() if module in modules]


def keep_head_bias(network: PeftModel) -> None:
    """Add the bias of the head, such as Phi's, to the logits of trained rows; PEFT's layer leaves it out."""
    for module in network.modules():
        if isinstance(module, TrainableTokensLayer) and isinstance(module.get_base_layer(), nn.Linear):
            has_hook = _add_bias in module._forward_hooks.values()
            if module.get_base_layer().bias is not None and not has_hook:
                module.register_forward_hook(_add_bias)


def _add_bias(layer: nn.Module, inputs: Any, logits: Tensor) -> Tensor:
    assert isinstance(layer, TrainableTokensLayer)
    if layer.disable_adapters or layer.merged or not layer.active_adapters:
        return logits  # those of the head itself
    bias = layer.get_base_layer().bias
    assert isinstance(bias, Tensor)
    return logits + bias


def save_new_rows(
    network: PeftModel, vocabulary: Vocabulary, folder: Path, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write the rows that new tokens have in the base of an adapter, where they were drawn before training.

    Args:
        network: Network with an adapter.
        vocabulary: Vocabulary of the network.
        folder: Folder of the adapter.
        state: Whole weights by name, if the network is sharded.
    """
    names = {weight: name for name, weight in network.named_parameters()}
    rows = {}
    for role, weight in zip(ROLES, _base_weights(network), strict=False):
        whole = weight if state is None else state[names[weight]]
        rows[role] = whole[vocabulary.num_text :].detach().cpu().clone()
    with atomic_file(folder / NEW_ROWS) as temporary:
        save_file(rows, temporary)


def _base_weights(network: PeftModel) -> list[nn.Parameter]:
    """Return the weights of embedding and head below the adapter; of the embedding alone if they are tied."""
    weights = []
    base: Any = network.get_base_model()
    for module in (base.get_input_embeddings(), base.get_output_embeddings()):
        module = getattr(module, "token_adapter", module)
        if isinstance(module, TrainableTokensLayer):
            module = module.get_base_layer()
        if not any(module.weight is weight for weight in weights):
            weights.append(module.weight)
    return weights


@torch.no_grad()
def load_new_rows(network: PreTrainedModel, vocabulary: Vocabulary, folder: Path) -> None:
    """Copy the rows that ``save_new_rows`` wrote into the base of an adapter; older folders have none."""
    if not (folder / NEW_ROWS).is_file():
        return
    path = folder / NEW_ROWS
    rows = read_tensors(path)
    weights = dict(zip(ROLES, embedding_weights(network), strict=False))
    expected = {name: tuple(weight[vocabulary.num_text :].shape) for name, weight in weights.items()}
    require_same_shapes(path, shapes_of(rows), expected)
    for name, weight in weights.items():
        weight[vocabulary.num_text :] = rows[name].to(weight)
