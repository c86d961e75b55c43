import pytest
import torch
from transformers import HubertConfig, HubertModel, WhisperConfig, WhisperModel

from zoo.speech.context_layers import ConvolutionLayers, TransformerLayers, checkpoint_layers

SIZES = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
CONVOLUTIONS = {"conv_dim": (8, 8), "conv_kernel": (10, 8), "conv_stride": (5, 8), "num_feat_extract_layers": 2}


def whisper():
    return WhisperModel(
        WhisperConfig(
            d_model=16,
            encoder_layers=3,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            vocab_size=20,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
        )
    )


def hubert(is_pre_norm):
    return HubertModel(
        HubertConfig(
            **SIZES,
            **CONVOLUTIONS,
            do_stable_layer_norm=is_pre_norm,
            feat_extract_norm="layer" if is_pre_norm else "group",
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        )
    )


NETWORKS = {"whisper": whisper, "hubert": lambda: hubert(False), "hubert, pre-norm": lambda: hubert(True)}


@pytest.mark.parametrize("kind", NETWORKS)
def test_layers_of_a_checkpoint_compute_what_they_do_there(kind, tmp_path):
    torch.manual_seed(0)
    network = NETWORKS[kind]().eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    network.save_pretrained(tmp_path)
    layers = checkpoint_layers(str(tmp_path), first=2).eval()
    x = torch.randn(2, 9, 16)
    expected = x
    for layer in list(network.get_submodule("encoder.layers"))[1:]:
        output = layer(expected, None)
        expected = output[0] if isinstance(output, tuple) else output
    with torch.no_grad():
        torch.testing.assert_close(layers(x, None), expected.detach(), atol=1e-5, rtol=1e-5)
    rebuilt = TransformerLayers(**layers.config())
    rebuilt.load_state_dict(layers.state_dict())


def test_layers_that_a_checkpoint_lacks_are_an_error(tmp_path):
    whisper().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="layers 1 to 3, got first 2 and last 4"):
        checkpoint_layers(str(tmp_path), 2, 4)


def both_kinds():
    torch.manual_seed(1)
    convolutions = ConvolutionLayers(12, 16, num_blocks=2)
    for weight in convolutions.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return [TransformerLayers(2, 12, 2, 24), convolutions]


@pytest.mark.parametrize("layers", both_kinds(), ids=["transformer", "convolutions"])
def test_a_row_does_not_depend_on_its_padding(layers):
    layers.eval()
    x = torch.randn(1, 7, 12)
    padded = torch.cat([x, torch.full((1, 4, 12), 3.0)], dim=1)
    is_frame = torch.arange(11)[None] < 7
    torch.testing.assert_close(layers(padded, is_frame)[:, :7], layers(x, None), atol=1e-5, rtol=1e-5)


def test_untrained_convolutions_keep_distances():
    layers = ConvolutionLayers(12, 16).eval()
    x = torch.randn(1, 7, 12)
    torch.testing.assert_close(torch.cdist(layers(x, None), layers(x, None)), torch.cdist(x, x), atol=1e-4, rtol=1e-4)
