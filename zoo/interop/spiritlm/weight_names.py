"""Names of tensors in the official Spirit LM checkpoints, and those of the same tensors in our networks.

Each part has a table and a function that applies it to one name. A name that is not in the table does not become that
of any tensor of the network, so that loading rejects it as unknown.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

# Names of fairseq, as regular expressions, and those of transformers.
HUBERT_NAMES = [
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.(weight|bias)", r"feature_extractor.conv_layers.\1.conv.\2"),
    (r"feature_extractor\.conv_layers\.(0)\.2\.(weight|bias)", r"feature_extractor.conv_layers.\1.layer_norm.\2"),
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.1\.(weight|bias)", r"feature_extractor.conv_layers.\1.layer_norm.\2"),
    (r"layer_norm\.(weight|bias)", r"feature_projection.layer_norm.\1"),
    (r"post_extract_proj\.(weight|bias)", r"feature_projection.projection.\1"),
    (r"mask_emb", r"masked_spec_embed"),
    (r"encoder\.pos_conv\.0\.bias", r"encoder.pos_conv_embed.conv.bias"),
    (
        r"encoder\.pos_conv\.0\.(?:weight_g|parametrizations\.weight\.original0)",
        r"encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    ),
    (
        r"encoder\.pos_conv\.0\.(?:weight_v|parametrizations\.weight\.original1)",
        r"encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    ),
    (r"encoder\.layer_norm\.(weight|bias)", r"encoder.layer_norm.\1"),
    (r"encoder\.layers\.(\d+)\.self_attn\.([qkv]|out)_proj\.(weight|bias)", r"encoder.layers.\1.attention.\2_proj.\3"),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.(weight|bias)", r"encoder.layers.\1.layer_norm.\2"),
    (r"encoder\.layers\.(\d+)\.fc1\.(weight|bias)", r"encoder.layers.\1.feed_forward.intermediate_dense.\2"),
    (r"encoder\.layers\.(\d+)\.fc2\.(weight|bias)", r"encoder.layers.\1.feed_forward.output_dense.\2"),
    (r"encoder\.layers\.(\d+)\.final_layer_norm\.(weight|bias)", r"encoder.layers.\1.final_layer_norm.\2"),
]
# Official names, as regular expressions, and ours, as templates of their groups.
PITCH_NAMES = [
    (r"encoder\.level_blocks\.0\.model\.(\d+)\.0\.(\w+)", "encoder.downs.{0}.{1}"),
    (r"encoder\.level_blocks\.0\.model\.(\d+)\.1\.model\.(\d+)\.model\.(1|3)\.(\w+)", "encoder.stacks.{0}.{1}.{2}.{3}"),
    (r"encoder\.level_blocks\.0\.model\.\d+\.(weight|bias)", "encoder.out.{0}"),
    (r"vq\.level_blocks\.0\.k", "codebook.codes"),
    (r"decoder\.level_blocks\.0\.model\.0\.(weight|bias)", "decoder.pre.{0}"),
    (r"decoder\.level_blocks\.0\.model\.(\d+)\.0\.model\.(\d+)\.model\.(1|3)\.(\w+)", "decoder.stacks.{0}.{1}.{2}.{3}"),
    (r"decoder\.level_blocks\.0\.model\.(\d+)\.1\.(\w+)", "decoder.ups.{0}.{1}"),
    (r"decoder\.out\.(weight|bias)", "decoder.out.{0}"),
]
RESIDUAL_CONVOLUTIONS = {"1": "dilated", "3": "out"}  # by their place in an official residual block
# Weight norm of the positional convolution, by its older name and its newer one.
STYLE_NAMES = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}
STYLE_PREFIX = "wav2vec2."
# Official prefixes, as regular expressions, and ours, as templates of their numbers less one.
VOCODER_NAMES = [
    (r"dict\.", "generator.embed.units.Hu."),
    (r"f0_dict\.", "generator.embed.units.Pi."),
    (r"style_dict\.", "generator.embed.units.St."),
    (r"spkr\.", "generator.embed.speaker."),
    (r"style\.", "generator.embed.style."),
    (r"conv_pre\.", "generator.pre."),
    (r"conv_post\.", "generator.post."),
    (r"ups\.", "generator.ups."),
    (r"dur_predictor\.conv([12])\.0\.", "durations.convs.{}."),
    (r"dur_predictor\.ln([12])\.", "durations.norms.{}."),
    (r"dur_predictor\.proj\.", "durations.out."),
]


def rename_tensors(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Return the tensors under the names that ``rename`` returns for their own."""
    return {rename(name): tensor for name, tensor in tensors.items()}


def hubert_name(name: str) -> str:
    """Return the transformers name of a fairseq tensor; a name without one is marked, and is rejected as unknown."""
    for pattern, replacement in HUBERT_NAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(replacement)
    return f"{name} (fairseq)"


def pitch_name(name: str) -> str:
    """Return our name of an official tensor; a name without one is returned as it is, and is rejected as unknown."""
    for pattern, template in PITCH_NAMES:
        match = re.fullmatch(pattern, name)
        if match:
            parts = list(match.groups())
            if template.startswith(("decoder.stacks", "decoder.ups")):
                parts[0] = str(int(parts[0]) - 1)  # the official decoder counts its first convolution as block 0
            if ".stacks." in template:
                parts[2] = RESIDUAL_CONVOLUTIONS[parts[2]]
            return template.format(*parts)
    return name


def style_name(name: str) -> str:
    """Return our name of an official tensor; a name without one is returned as it is, and is rejected as unknown."""
    for old, new in STYLE_NAMES.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    if name.startswith(STYLE_PREFIX):
        return "encoder.network." + name.removeprefix(STYLE_PREFIX)
    if name.startswith(("projector.", "classifier.")):
        return f"head.{name}"
    return name


def vocoder_name(name: str, blocks_per_stage: int) -> str:
    """Return our name of an official tensor; a name without one is returned as it is, and is rejected as unknown.

    Args:
        name: Official name. Residual blocks are numbered through all stages there, and within each stage here.
        blocks_per_stage: Number of residual blocks after each upsampling.
    """
    name = re.sub(r"\.weight_g$", ".parametrizations.weight.original0", name)
    name = re.sub(r"\.weight_v$", ".parametrizations.weight.original1", name)
    block = re.match(r"resblocks\.(\d+)\.convs([12])\.(.*)", name)
    if block:
        stage, index = divmod(int(block[1]), blocks_per_stage)
        convolutions = "dilated" if block[2] == "1" else "plain"
        return f"generator.blocks.{stage}.{index}.{convolutions}.{block[3]}"
    for pattern, template in VOCODER_NAMES:
        match = re.match(pattern, name)
        if match:
            return template.format(*(int(number) - 1 for number in match.groups())) + name[match.end() :]
    return name
