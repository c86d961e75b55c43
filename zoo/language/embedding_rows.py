"""Adaptation of a text network to a speech-text vocabulary: rows of embedding and head, and special tokens."""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from zoo.language.embedding_initializers import EmbeddingInitializer
from zoo.tokens.vocabulary import Vocabulary


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
        initializer: Draws the rows of markers and units, and the padding rows.
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
    generator = torch.Generator("cpu").manual_seed(seed)
    initializer_range = text_config(network).initializer_range
    weights = [network.get_input_embeddings().get_parameter("weight")]
    head = network.get_output_embeddings()
    if head is not None and head.weight is not weights[0]:
        weights.append(head.get_parameter("weight"))
    for weight in weights:
        if weight.device.type != "meta":
            text_rows = weight[:num_text].float().cpu()
            new_rows = initializer.draw(text_rows, vocabulary.num_rows - num_text, initializer_range, generator)
            weight[num_text:] = new_rows.to(weight)
    return set_special_tokens(network, vocabulary)


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
