import pytest

from zoo.interop.spiritlm.weight_names import hubert_name, pitch_name, style_name, vocoder_name


@pytest.mark.parametrize(
    "name, ours",
    [
        (
            hubert_name("encoder.layers.3.self_attn.out_proj.bias"),
            "encoder.layers.3.attention.out_proj.bias",
        ),
        (pitch_name("vq.level_blocks.0.k"), "codebook.codes"),
        (pitch_name("decoder.level_blocks.0.model.2.0.model.1.model.3.weight"), "decoder.stacks.1.1.out.weight"),
        (style_name("wav2vec2.encoder.layer_norm.weight"), "encoder.network.encoder.layer_norm.weight"),
        (style_name("classifier.bias"), "head.classifier.bias"),
        (vocoder_name("resblocks.7.convs2.0.bias", 3), "generator.blocks.2.1.plain.0.bias"),
        (vocoder_name("dur_predictor.ln2.weight", 3), "durations.norms.1.weight"),
        (vocoder_name("conv_pre.weight_g", 3), "generator.pre.parametrizations.weight.original0"),
    ],
)
def test_official_names_become_ours(name, ours):
    assert name == ours


def test_an_unknown_name_becomes_that_of_no_tensor():
    assert hubert_name("mask_emb.weight") == "mask_emb.weight (fairseq)"
    for rename in (pitch_name, style_name, lambda name: vocoder_name(name, 3)):
        assert rename("unknown.weight") == "unknown.weight"
