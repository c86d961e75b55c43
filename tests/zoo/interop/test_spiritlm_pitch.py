"""The official F0 quantizer in configurations of our own, against arithmetic written straight over the official names."""

import math

import pytest
import torch
import yaml
from torch.nn import functional as F

from tests.zoo.speech.test_f0 import RATE, voice
from zoo.interop.spiritlm.pitch import load_pitch
from zoo.speech.f0_normalization import network_input, voiced_mean

BASE = {
    "input_emb_width": 2,
    "output_emb_width": 6,
    "levels": 1,
    "downs_t": [4],
    "strides_t": [2],
    "width": 8,
    "depth": 2,
    "m_conv": 1.0,
    "dilation_growth_rate": 3,
}
CONFIGS = {
    "plain": ({}, {}, {"features": "f0_interp,vuv"}),
    "cycle and reversed": (
        {"depth": 5, "dilation_cycle": 2, "dilation_growth_rate": 2},
        {"reverse_decoder_dilation": True},
        {"features": "norm_f0,vuv"},
    ),
    "scaled, wider in between": (
        {"res_scale": True, "m_conv": 1.5, "zero_out": True},
        {"width": 12, "depth": 1},
        {"features": "f0,vuv", "speaker_norm": True},
    ),
    "stride 4": ({"downs_t": [2], "strides_t": [4]}, {}, {"features": "norm_f0_interp,vuv", "f0_extractor": "fcpe"}),
}


def convolution(state: dict, name: str, out: int, inside: int, taps: int, transposed: bool = False) -> None:
    draw = torch.Generator().manual_seed(len(state))
    shape = (inside, out, taps) if transposed else (out, inside, taps)
    state[f"{name}.weight"], state[f"{name}.bias"] = (
        torch.randn(shape, generator=draw) / math.sqrt(inside * taps),
        0.1 * torch.randn(out, generator=draw),
    )


def residual_weights(state: dict, name: str, params: dict) -> None:
    hidden = int(params["m_conv"] * params["width"])
    for j in range(params["depth"]):
        convolution(state, f"{name}.model.{j}.model.1", hidden, params["width"], 3)
        convolution(state, f"{name}.model.{j}.model.3", params["width"], hidden, 1)


def official_state(encoder: dict, decoder: dict, bins: int) -> dict:
    state: dict = {}
    top = "encoder.level_blocks.0.model"
    for i in range(encoder["downs_t"][0]):
        convolution(
            state, f"{top}.{i}.0", encoder["width"], 2 if i == 0 else encoder["width"], 2 * encoder["strides_t"][0]
        )
        residual_weights(state, f"{top}.{i}.1", encoder)
    convolution(state, f"{top}.{encoder['downs_t'][0]}", encoder["output_emb_width"], encoder["width"], 3)
    state["vq.level_blocks.0.k"] = torch.randn(
        bins, encoder["output_emb_width"], generator=torch.Generator().manual_seed(1)
    )
    top, downs = "decoder.level_blocks.0.model", decoder["downs_t"][0]
    convolution(state, f"{top}.0", decoder["width"], decoder["output_emb_width"], 3)
    for i in range(1, downs + 1):
        residual_weights(state, f"{top}.{i}.0", decoder)
        convolution(
            state,
            f"{top}.{i}.1",
            decoder["width"] if i < downs else decoder["output_emb_width"],
            decoder["width"],
            2 * decoder["strides_t"][0],
            True,
        )
    convolution(state, "decoder.out", 2, decoder["output_emb_width"], 3)
    return state


def residual(state: dict, name: str, x: torch.Tensor, params: dict, reverse: bool = False) -> torch.Tensor:
    depth, cycle = params["depth"], params.get("dilation_cycle")
    dilations = [params["dilation_growth_rate"] ** (j % cycle if cycle else j) for j in range(depth)]
    for j, dilation in enumerate(reversed(dilations) if reverse else dilations):
        first, second = f"{name}.model.{j}.model.1", f"{name}.model.{j}.model.3"
        y = F.conv1d(F.relu(x), state[f"{first}.weight"], state[f"{first}.bias"], padding=dilation, dilation=dilation)
        y = F.conv1d(F.relu(y), state[f"{second}.weight"], state[f"{second}.bias"])
        x = x + (y / math.sqrt(depth) if params.get("res_scale") else y)
    return x


def reference_latents(state: dict, x: torch.Tensor, params: dict) -> torch.Tensor:
    top, stride = "encoder.level_blocks.0.model", params["strides_t"][0]
    for i in range(params["downs_t"][0]):
        x = F.conv1d(x, state[f"{top}.{i}.0.weight"], state[f"{top}.{i}.0.bias"], stride=stride, padding=stride // 2)
        x = residual(state, f"{top}.{i}.1", x, params)
    return F.conv1d(
        x, state[f"{top}.{params['downs_t'][0]}.weight"], state[f"{top}.{params['downs_t'][0]}.bias"], padding=1
    )


def reference_tracks(state: dict, x: torch.Tensor, params: dict) -> torch.Tensor:
    top, stride = "decoder.level_blocks.0.model", params["strides_t"][0]
    x = F.conv1d(x, state[f"{top}.0.weight"], state[f"{top}.0.bias"], padding=1)
    for i in range(1, params["downs_t"][0] + 1):
        x = residual(state, f"{top}.{i}.0", x, params, params.get("reverse_decoder_dilation", False))
        x = F.conv_transpose1d(
            x, state[f"{top}.{i}.1.weight"], state[f"{top}.{i}.1.bias"], stride=stride, padding=stride // 2
        )
    return F.conv1d(x, state["decoder.out.weight"], state["decoder.out.bias"], padding=1)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_option_of_the_format(name, tmp_path):
    shared, decoder_only, top = CONFIGS[name]
    encoder, decoder, bins = BASE | shared, BASE | shared | decoder_only, 23
    state = official_state(encoder, decoder, bins)
    config = {
        "vq_params": {"l_bins": bins, "emb_width": 6, "mu": 0.99, "levels": 1},
        "encoder_params": encoder,
        "decoder_params": decoder,
    } | top
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"model": state, "steps": 7}, tmp_path / "model.pt")
    pitch = load_pitch(tmp_path)
    assert (
        pitch.normalize == ("norm_" in top["features"] or top.get("speaker_norm", False)) and pitch.stream.rate == 12.5
    )
    time = torch.arange(2 * RATE) / RATE
    track = pitch.f0(voice(torch.where(time % 0.6 < 0.4, 150 + 30 * torch.sin(6 * time), 0.0).numpy()))
    mean = voiced_mean(track) if pitch.normalize else torch.tensor(0.0)
    with torch.no_grad():
        latents = reference_latents(state, network_input(track, mean)[None], encoder)
        distances = (latents[0].T[:, None] - state["vq.level_blocks.0.k"]).square().sum(-1)
        units = distances.argmin(-1)
        made = reference_tracks(state, state["vq.level_blocks.0.k"][units].T[None], decoder)
        found = pitch.vqvae.decode(units[None])
    assert len(units) == len(track.voiced) // 16 and torch.equal(pitch.encode_track(track), units)
    assert torch.allclose(found, made, rtol=1e-4, atol=1e-4)
