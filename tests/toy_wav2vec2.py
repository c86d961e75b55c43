"""A tiny configuration of wav2vec 2.0, of a network that has 200 frames a second."""

from transformers import Wav2Vec2Config

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8, 8),
    "conv_stride": (10, 8),
    "conv_kernel": (20, 16),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def tiny_wav2vec2(**changes: object) -> Wav2Vec2Config:
    """A configuration of these sizes, some of them changed."""
    return Wav2Vec2Config(**(SIZES | changes))
