"""The official phonetic units: a fairseq HuBERT as a transformers network, and the linear quantizer of its 11th layer."""

import ast
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel

from zoo.interop.spiritlm.checkpoint import match_tensors, read_checkpoint
from zoo.speech.ctc_quantizer import CTCQuantizer, spiritlm_widths
from zoo.speech.encoders import HubertEncoder
from zoo.speech.phonetic_units import PhoneticUnits

HUBERT, QUANTIZER = "mhubert_base_25hz.pt", "L11_quantizer_500.pt"
LAYER, CLOCK = 11, 24.99
MAX_CHUNK_SAMPLES, MIN_CHUNK_SAMPLES = 1_600_000, 400
MAX_CONV_LAYERS = 64
DEFAULTS = {
    "extractor_mode": "default",
    "encoder_layers": 12,
    "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072,
    "encoder_attention_heads": 12,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "conv_bias": False,
    "conv_pos": 128,
    "conv_pos_groups": 16,
    "conv_feature_layers": "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2",
}
EXTRACTOR_MODES = {"default": "group", "layer_norm": "layer"}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "linear",
    "swish": "silu",
}
UNUSED = re.compile(r"(final_proj\.|label_embs_concat$)")
RENAMES = [
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


def load_phonetic(folder: Path) -> PhoneticUnits:
    """Read ``hubert_25hz/``: the units of Spirit LM.

    Raises:
        FileNotFoundError: Where a file is missing.
        ValueError: Where a file is not what the release reads.
    """
    folder = Path(folder)
    checkpoint = _read(folder / HUBERT)
    network = _network(checkpoint, folder / HUBERT)
    if network.config.num_hidden_layers < LAYER:
        raise ValueError(
            f"{folder / HUBERT}: model_cfg.encoder_layers is {network.config.num_hidden_layers}; the units are of layer {LAYER}"
        )
    if checkpoint["task_cfg"].get("normalize"):
        raise ValueError(
            f"{folder / HUBERT}: task_cfg.normalize is true, which the release cannot run: its own checkpoint has false"
        )
    return PhoneticUnits(HubertEncoder(network, LAYER, normalize=False), load_quantizer(folder / QUANTIZER), CLOCK)


def load_hubert(path: Path) -> HubertModel:
    """Read a converted fairseq HuBERT; the heads of its training are left behind.

    Raises:
        FileNotFoundError: Where there is no such file.
        ValueError: Where a field is missing or unknown, or a tensor is missing, unknown or of another size.
    """
    return _network(_read(Path(path)), Path(path))


def _read(path: Path) -> dict[str, Any]:
    return read_checkpoint(path, ("model_cfg", "task_cfg", "model_weight"))


def _network(checkpoint: dict[str, Any], path: Path) -> HubertModel:
    config = _config(checkpoint, path)
    with torch.device("meta"):
        network = HubertModel(config)
    names = {name: _rename(name) for name in checkpoint["model_weight"] if not UNUSED.match(name)}
    state = {ours: checkpoint["model_weight"][name].float() for name, ours in names.items()}
    state.setdefault("masked_spec_embed", torch.zeros(config.hidden_size))
    if config.conv_dim[-1] == config.hidden_size:
        if "feature_projection.projection.weight" in state:
            raise ValueError(
                f"{path}: unknown tensor post_extract_proj.weight: there is none where {config.hidden_size} channels stay as many"
            )
        # The projection that fairseq leaves out there; multiplying by ones and zeros changes no feature.
        state |= {
            "feature_projection.projection.weight": torch.eye(config.hidden_size),
            "feature_projection.projection.bias": torch.zeros(config.hidden_size),
        }
    match_tensors(path, state, network.state_dict(), {ours: name for name, ours in names.items()})
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _config(checkpoint: dict[str, Any], path: Path) -> HubertConfig:
    given, task = checkpoint["model_cfg"], checkpoint["task_cfg"]
    if "label_rate" not in given:
        raise ValueError(f"{path}: no label_rate in model_cfg")
    if task.get("sample_rate", 16000) != 16000:
        raise ValueError(f"{path}: task_cfg.sample_rate is {task['sample_rate']}; the release hears 16000 Hz")
    model = {name: given.get(name, default) for name, default in DEFAULTS.items()}
    for name, known in (("extractor_mode", EXTRACTOR_MODES), ("activation_fn", ACTIVATIONS)):
        if str(model[name]) not in known:
            raise ValueError(f"{path}: model_cfg.{name} is {model[name]!r}; known are {', '.join(known)}")
    for name, parts in (("encoder_attention_heads", "heads"), ("conv_pos_groups", "groups")):
        if model["encoder_embed_dim"] % model[name]:
            raise ValueError(
                f"{path}: model_cfg.encoder_embed_dim {model['encoder_embed_dim']} does not divide into {model[name]} {parts} ({name})"
            )
    try:
        layers = conv_layers(model["conv_feature_layers"])
    except ValueError as error:
        raise ValueError(f"{path}: model_cfg.conv_feature_layers: {error}") from error
    return HubertConfig(
        hidden_size=model["encoder_embed_dim"],
        num_hidden_layers=model["encoder_layers"],
        num_attention_heads=model["encoder_attention_heads"],
        intermediate_size=model["encoder_ffn_embed_dim"],
        hidden_act=ACTIVATIONS[str(model["activation_fn"])],
        do_stable_layer_norm=bool(model["layer_norm_first"]),
        feat_extract_norm=EXTRACTOR_MODES[str(model["extractor_mode"])],
        feat_extract_activation="gelu",
        conv_bias=bool(model["conv_bias"]),
        conv_dim=[layer[0] for layer in layers],
        conv_kernel=[layer[1] for layer in layers],
        conv_stride=[layer[2] for layer in layers],
        num_feat_extract_layers=len(layers),
        num_conv_pos_embeddings=model["conv_pos"],
        num_conv_pos_embedding_groups=model["conv_pos_groups"],
        layer_norm_eps=1e-5,
        apply_spec_augment=False,
    )


def conv_layers(expression: str) -> list[tuple[int, int, int]]:
    """Channels, kernel and stride of each layer, read from such as ``[(512, 10, 5)] + [(512, 3, 2)] * 4``; nothing is run.

    Raises:
        ValueError: Where the expression is anything but lists of three positive integers, joined by ``+`` and ``* n``.
    """
    try:
        layers = _listed(ast.parse(str(expression).strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{str(expression)[:80]!r} is no list of layers") from error
    if not layers:
        raise ValueError(f"{str(expression)[:80]!r} has no layers")
    return layers


def _listed(node: ast.expr) -> list[tuple[int, int, int]]:
    if isinstance(node, ast.List):
        return [_layer(item) for item in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _short(_listed(node.left) + _listed(node.right), node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sides = (node.left, node.right) if isinstance(node.right, ast.Constant) else (node.right, node.left)
        layers, times = _listed(sides[0]), sides[1]
        if isinstance(times, ast.Constant) and type(times.value) is int and 0 <= times.value <= MAX_CONV_LAYERS:
            return _short(layers * times.value, node)
    raise ValueError(f"{ast.unparse(node)[:80]!r} is no list of layers such as [(512, 3, 2)] * 4")


def _short(layers: list[tuple[int, int, int]], node: ast.expr) -> list[tuple[int, int, int]]:
    if len(layers) > MAX_CONV_LAYERS:
        raise ValueError(f"{ast.unparse(node)[:80]!r} has more than {MAX_CONV_LAYERS} layers")
    return layers


def _layer(node: ast.expr) -> tuple[int, int, int]:
    numbers = (
        [item.value for item in node.elts if isinstance(item, ast.Constant)]
        if isinstance(node, (ast.Tuple, ast.List))
        else []
    )
    if len(numbers) != 3 or len(node.elts) != 3 or not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError(f"{ast.unparse(node)[:80]!r} is not (channels, kernel, stride)")
    return numbers[0], numbers[1], numbers[2]


def _rename(name: str) -> str:
    """The transformers name of a fairseq tensor; a name without one comes back as it is, and is then refused."""
    for pattern, ours in RENAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    return f"{name} (fairseq)"


def load_quantizer(path: Path) -> CTCQuantizer:
    """Read ``L11_quantizer_500.pt``.

    Raises:
        FileNotFoundError: Where there is no such file.
        ValueError: Where a field or tensor is missing, unknown or of another size.
    """
    checkpoint = read_checkpoint(Path(path), ("model_cfg", "model_weight"))
    config = checkpoint["model_cfg"]
    for field in ("vocab_size", "dim", "upstream_dim"):
        if not isinstance(config.get(field), int):
            raise ValueError(f"{path}: model_cfg.{field} is {config.get(field)!r}; want an integer")
    quantizer = CTCQuantizer(spiritlm_widths(config["dim"], config["upstream_dim"], config["vocab_size"]))
    names = {f"layers.{name}": name for name in checkpoint["model_weight"]}
    state = {ours: checkpoint["model_weight"][name].float() for ours, name in names.items()}
    match_tensors(path, state, quantizer.state_dict(), names)
    quantizer.load_state_dict(state)
    return quantizer.eval().requires_grad_(False)


@torch.inference_mode()
def features(
    encoder: HubertEncoder, waveform: Tensor, max_chunk_samples: int = MAX_CHUNK_SAMPLES, normalize: bool = False
) -> Tensor:
    """Dense features as the release makes them, of pieces by themselves: (num_samples,) -> (T, dim).

    Args:
        encoder: Of the official units.
        waveform: (num_samples,); a last piece of fewer than 400 samples is dropped.
        max_chunk_samples: Length of a piece.
        normalize: Give the whole waveform zero mean and unit variance first, as fairseq's ``task_cfg.normalize`` asks.

    Raises:
        ValueError: Where nothing is left, or a piece has less than one frame.
    """
    waveform = F.layer_norm(waveform, waveform.shape) if normalize else waveform
    pieces = [piece for piece in waveform.split(max_chunk_samples) if len(piece) >= MIN_CHUNK_SAMPLES]
    if not pieces:
        raise ValueError(
            f"{len(waveform)} samples: the release passes over pieces of fewer than {MIN_CHUNK_SAMPLES}, and nothing is left"
        )
    short = [len(piece) for piece in pieces if len(piece) < encoder.min_samples]
    if short:
        raise ValueError(f"a piece of {short[0]} samples is shorter than the {encoder.min_samples} of one frame")
    return torch.cat([encoder(piece) for piece in pieces])
