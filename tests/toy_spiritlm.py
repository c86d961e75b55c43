"""Official-format phonetic checkpoints of any size and option, with random weights, and what they should give, worked out slowly."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SMALL = {
    "label_rate": 25.0,
    "encoder_layers": 3,
    "encoder_embed_dim": 12,
    "encoder_ffn_embed_dim": 20,
    "encoder_attention_heads": 3,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "conv_feature_layers": "[(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8, 2, 2)] + [(8, 4, 4)]",
}


def write_hubert(path: Path, seed: int = 0, task: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Write a fairseq-format HuBERT; its configuration, defaults filled in."""
    config = {**SMALL, **changes}
    full = {
        "extractor_mode": "default",
        "layer_norm_first": False,
        "conv_bias": False,
        "activation_fn": "gelu",
        **config,
    }
    draw = torch.Generator().manual_seed(seed)
    weights = {name: scale * torch.randn(shape, generator=draw) + shift for name, shape, scale, shift in _tensors(full)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            "task_cfg": {"sample_rate": 16000, "normalize": False, **(task or {})},
            "model_cfg": {"_name": "hubert", **config},
            "model_weight": weights,
            "dictionaries_symbols": [["0", "1"]],
        },
        path,
    )
    return full


def _tensors(config: dict[str, Any]) -> list[tuple[str, tuple[int, ...], float, float]]:
    """Name, shape, spread and mean of every tensor."""
    wide, inner, taps = config["encoder_embed_dim"], config["encoder_ffn_embed_dim"], config["conv_pos"]
    made, before = (
        [
            ("mask_emb", (wide,), 1.0, 0.0),
            ("final_proj.weight", (5, wide), 1.0, 0.0),
            ("label_embs_concat", (7, 5), 1.0, 0.0),
        ],
        1,
    )

    def linear(name: str, out: int, given: int) -> None:
        made.extend([(f"{name}.weight", (out, given), given**-0.5, 0.0), (f"{name}.bias", (out,), 0.3, 0.0)])

    def norm(name: str, size: int) -> None:
        made.extend([(f"{name}.weight", (size,), 0.3, 1.0), (f"{name}.bias", (size,), 0.3, 0.0)])

    for i, (channels, kernel, _) in enumerate(layers_of(config)):
        name = f"feature_extractor.conv_layers.{i}"
        made.append((f"{name}.0.weight", (channels, before, kernel), 1.5 * (before * kernel) ** -0.5, 0.0))
        if config["conv_bias"]:
            made.append((f"{name}.0.bias", (channels,), 0.2, 0.0))
        if config["extractor_mode"] == "layer_norm":
            norm(f"{name}.2.1", channels)
        elif i == 0:
            norm(f"{name}.2", channels)
        before = channels
    norm("layer_norm", before)
    if before != wide:
        linear("post_extract_proj", wide, before)
    made += [
        ("encoder.pos_conv.0.weight_g", (1, 1, taps), 0.1, 0.5),
        ("encoder.pos_conv.0.weight_v", (wide, wide // config["conv_pos_groups"], taps), 1.0, 0.0),
        ("encoder.pos_conv.0.bias", (wide,), 0.2, 0.0),
    ]
    norm("encoder.layer_norm", wide)
    for n in range(config["encoder_layers"]):
        name = f"encoder.layers.{n}"
        for part in "qkv":
            linear(f"{name}.self_attn.{part}_proj", wide, wide)
        linear(f"{name}.self_attn.out_proj", wide, wide)
        linear(f"{name}.fc1", inner, wide)
        linear(f"{name}.fc2", wide, inner)
        norm(f"{name}.self_attn_layer_norm", wide)
        norm(f"{name}.final_layer_norm", wide)
    return made


def layers_of(config: dict[str, Any]) -> list[tuple[int, int, int]]:
    """As Python reads it; the expressions here are our own."""
    return eval(config["conv_feature_layers"])


def slow_features(path: Path, waveform: Tensor, layer: int | None) -> Tensor:
    """Features (T, D) of a waveform (N,) in float64, tensor by tensor, as fairseq names and uses them."""
    checkpoint = torch.load(path, weights_only=True)
    config = {
        "extractor_mode": "default",
        "layer_norm_first": False,
        "activation_fn": "gelu",
        **checkpoint["model_cfg"],
    }
    w = {name: tensor.double() for name, tensor in checkpoint["model_weight"].items()}

    def norm(x: Tensor, name: str) -> Tensor:
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt() * w[
            f"{name}.weight"
        ] + w[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = waveform.double()[None]  # (C, T)
    for i, (_, kernel, stride) in enumerate(layers_of(config)):
        name = f"feature_extractor.conv_layers.{i}"
        x = torch.einsum("ctk,ock->ot", x.unfold(1, kernel, stride), w[f"{name}.0.weight"])
        if f"{name}.0.bias" in w:
            x = x + w[f"{name}.0.bias"][:, None]
        if config["extractor_mode"] == "layer_norm":
            x = norm(x.T, f"{name}.2.1").T
        elif i == 0:
            x = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
            x = x * w[f"{name}.2.weight"][:, None] + w[f"{name}.2.bias"][:, None]
        x = gelu(x)
    x = norm(x.T, "layer_norm")
    if "post_extract_proj.weight" in w:
        x = linear(x, "post_extract_proj")
    x = x + gelu(_positions(x, w, config["conv_pos"], config["conv_pos_groups"]))
    first = config["layer_norm_first"]
    x = x if first else norm(x, "encoder.layer_norm")
    for n in range(config["encoder_layers"] if layer is None else layer):
        name = f"encoder.layers.{n}"
        attended = _attention(
            norm(x, f"{name}.self_attn_layer_norm") if first else x, name, linear, config["encoder_attention_heads"]
        )
        x = x + attended if first else norm(x + attended, f"{name}.self_attn_layer_norm")
        inner = linear(norm(x, f"{name}.final_layer_norm") if first else x, f"{name}.fc1")
        inner = linear(inner.relu() if config["activation_fn"] == "relu" else gelu(inner), f"{name}.fc2")
        x = x + inner if first else norm(x + inner, f"{name}.final_layer_norm")
    return norm(x, "encoder.layer_norm") if first and layer is None else x


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def _positions(x: Tensor, w: dict[str, Tensor], taps: int, groups: int) -> Tensor:
    """The positional convolution, each tap a matrix of its own: (T, D) -> (T, D)."""
    v, g = w["encoder.pos_conv.0.weight_v"], w["encoder.pos_conv.0.weight_g"]
    frames, size = len(x), x.shape[1] // groups
    padded = F.pad(x, (0, 0, taps // 2, taps // 2))
    out = w["encoder.pos_conv.0.bias"].repeat(frames, 1)
    for k in range(taps):
        matrix = g[0, 0, k] * v[:, :, k] / v[:, :, k].square().sum().sqrt()
        for group in range(groups):
            part = slice(group * size, (group + 1) * size)
            out[:, part] += padded[k : k + frames, part] @ matrix[part].T
    return out


def _attention(x: Tensor, name: str, linear: Any, heads: int) -> Tensor:
    size = x.shape[1] // heads
    q, k, v = (linear(x, f"{name}.self_attn.{part}_proj") for part in "qkv")
    parts = [slice(h * size, (h + 1) * size) for h in range(heads)]
    mixed = torch.cat([(q[:, p] @ k[:, p].T / math.sqrt(size)).softmax(-1) @ v[:, p] for p in parts], dim=1)
    return linear(mixed, f"{name}.self_attn.out_proj")


def write_quantizer(
    path: Path, dim: int, upstream_dim: int, vocab_size: int = 500, seed: int = 0, about: Tensor | None = None
) -> None:
    """Write an official-format quantizer, whose units are spread over features like those ``about`` (T, D), or unit normal ones."""
    step, draw = upstream_dim - (vocab_size + 1), torch.Generator().manual_seed(seed)
    widths = [dim, dim - math.floor(step / 4), dim - math.floor(step / 2), vocab_size + 1]
    weights = {}
    for i, (before, after) in enumerate(pairwise(widths)):
        weights[f"{2 * i}.weight"] = 2 * before**-0.5 * torch.randn(after, before, generator=draw)
        weights[f"{2 * i}.bias"] = 0.1 * torch.randn(after, generator=draw)
    weights["4.bias"][-1] += 1.0  # so that there are blanks
    if about is not None:
        weights["0.weight"] /= about.float().std(0)
        weights["0.bias"] -= weights["0.weight"] @ about.float().mean(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {"model_cfg": {"vocab_size": vocab_size, "dim": dim, "upstream_dim": upstream_dim}, "model_weight": weights},
        path,
    )


def slow_units(path: Path, features: Tensor) -> tuple[list[int], list[int]]:
    """Units and, before them, the argmax of features (T, D), blanks replaced one round after another."""
    checkpoint = torch.load(path, weights_only=True)
    w, blank = checkpoint["model_weight"], checkpoint["model_cfg"]["vocab_size"]
    x = features.float()
    for i in (0, 2, 4):
        x = x @ w[f"{i}.weight"].T + w[f"{i}.bias"]
        x = torch.where(x < 0, 0.01 * x, x) if i < 4 else x
    argmax = x.argmax(-1).tolist()
    units = list(argmax)
    while blank in units and set(units) != {blank}:
        units = [units[i - 1] if unit == blank else unit for i, unit in enumerate(units)]
    return units, argmax
