"""Adaptation of a text network to a speech-text vocabulary: rows of embedding and head, and special tokens."""

from typing import Protocol

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from zoo.tokens.vocabulary import Vocabulary


class EmbeddingInitializer(Protocol):
    """Initializes the rows of tokens that a network has not been trained on."""

    def initialize(self, network: PreTrainedModel, vocabulary: Vocabulary, generator: torch.Generator) -> None:
        """Fill the rows of embedding and head after those of the text tokens, in place.

        Args:
            network: Network with a row for each id of the vocabulary.
            vocabulary: Vocabulary of text tokens, markers and units.
            generator: Source of all random numbers, on the CPU.
        """
        ...


def text_config(network: nn.Module) -> PretrainedConfig:
    """Return the configuration of the text decoder of a transformers network, with or without adapters."""
    config = network.config
    assert isinstance(config, PretrainedConfig), type(config)
    return config.get_text_config()


@torch.no_grad()
def extend_embeddings(
    network: PreTrainedModel, vocabulary: Vocabulary, initializer: EmbeddingInitializer, seed: int
) -> PreTrainedModel:
    """Give embedding and head a row for each id of the vocabulary, in place; text rows keep their exact values.

    Args:
        network: Network of a text model.
        vocabulary: Vocabulary built over the network's own text tokenizer.
        initializer: Fills the rows of markers and units, and the padding rows.
        seed: Seed of the new rows.

    Raises:
        ValueError: If the network has fewer rows than the vocabulary has text tokens.
    """
    num_rows = network.get_input_embeddings().get_parameter("weight").shape[0]
    num_text = vocabulary.num_text
    if num_rows < num_text:
        raise ValueError(
            f"{network.name_or_path} embeds {num_rows} text tokens, but its vocabulary has {num_text}: "
            "build the vocabulary over this checkpoint's own tokenizer"
        )
    network.resize_token_embeddings(vocabulary.num_rows, mean_resizing=False)
    head = network.get_output_embeddings()
    bias = getattr(head, "bias", None)
    if isinstance(bias, nn.Parameter):
        bias[num_text:] = bias[:num_text].mean()
    if not network.get_input_embeddings().get_parameter("weight").is_meta:
        initializer.initialize(network, vocabulary, torch.Generator("cpu").manual_seed(seed))
    return set_special_tokens(network, vocabulary)


def embedding_weights(network: PreTrainedModel) -> list[nn.Parameter]:
    """Return the weights (V, D) of embedding and head; of the embedding alone if they are tied."""
    weights = [network.get_input_embeddings().get_parameter("weight")]
    head = network.get_output_embeddings()
    if head is not None and head.weight is not weights[0]:
        weights.append(head.get_parameter("weight"))
    return weights


def set_special_tokens(network: PreTrainedModel, vocabulary: Vocabulary) -> PreTrainedModel:
    """Take over the begin and end tokens of a vocabulary, and let no id be padding.

    In Llama 2 and others the padding id is a token of its own, and an embedding never trains the row of its padding id.
    """
    embedding = network.get_input_embeddings()
    if isinstance(embedding, nn.Embedding):
        embedding.padding_idx = None
    special_tokens = {"bos_token_id": vocabulary.bos, "eos_token_id": vocabulary.eos, "pad_token_id": None}
    for settings in (text_config(network), network.generation_config):
        if settings is not None:
            for name, token_id in special_tokens.items():
                setattr(settings, name, token_id)
    return network
