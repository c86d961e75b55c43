import math
from dataclasses import fields

import pytest
import torch
from torch.nn import functional as F

from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder, ResidualOptions
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook

# Every option that the official format has, in several combinations.
OPTIONS = [
    {},
    {"width": 6, "depth": 3, "dilation_growth": 2, "dilation_cycle": 2},
    {"scale_residual": True, "expansion": 1.5, "dim": 5},
    {"num_downs": 2, "stride": 4, "width": 8},
    {"num_downs": 1, "stride": 8, "depth": 1, "channels": 3},
    {"zero_out": True, "num_downs": 3},
]


def network(options: dict, size: int = 7, **decoder) -> PitchVQVAE:
    torch.manual_seed(0)
    arguments = {"dim": 12, "width": 8, "depth": 2} | options
    residual = {field.name: arguments.pop(field.name) for field in fields(ResidualOptions) if field.name in arguments}
    arguments["residual"] = ResidualOptions(**residual)
    encoder = PitchEncoder(**arguments)
    return PitchVQVAE(encoder, EMACodebook(size, encoder.dim), PitchDecoder(**arguments, **decoder)).eval()


def residual(x, blocks, dilations, scale):
    for block, dilation in zip(blocks, dilations, strict=True):
        y = F.conv1d(x.clamp(min=0), block.dilated.weight, block.dilated.bias, padding=dilation, dilation=dilation)
        x = x + scale * F.conv1d(y.clamp(min=0), block.out.weight, block.out.bias)
    return x


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_encoder_and_decoder_equal_the_published_arithmetic(options, reverse):
    """Written down a second time, straight from the description of the format."""
    vqvae = network(options, reverse_dilation=reverse)
    settings = {
        "channels": 2,
        "num_downs": 4,
        "stride": 2,
        "depth": 2,
        "dilation_growth": 3,
        "dilation_cycle": None,
        "scale_residual": False,
    } | options
    cycle, stride, depth = settings["dilation_cycle"] or settings["depth"], settings["stride"], settings["depth"]
    dilations = [settings["dilation_growth"] ** (j % cycle) for j in range(depth)]
    scale = 1 / math.sqrt(depth) if settings["scale_residual"] else 1
    tracks = torch.randn(2, settings["channels"], 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        x = tracks
        for down, stack in zip(vqvae.encoder.downs, vqvae.encoder.stacks, strict=True):
            x = residual(
                F.conv1d(x, down.weight, down.bias, stride=stride, padding=stride // 2), stack, dilations, scale
            )
        latents = F.conv1d(x, vqvae.encoder.out.weight, vqvae.encoder.out.bias, padding=1)
        units = (latents.transpose(1, 2).unsqueeze(2) - vqvae.codebook.codes).square().sum(-1).argmin(-1)
        x = F.conv1d(
            vqvae.codebook.codes[units].transpose(1, 2), vqvae.decoder.pre.weight, vqvae.decoder.pre.bias, padding=1
        )
        for stack, up in zip(vqvae.decoder.stacks, vqvae.decoder.ups, strict=True):
            x = residual(x, stack, dilations[::-1] if reverse else dilations, scale)
            x = F.conv_transpose1d(x, up.weight, up.bias, stride=stride, padding=stride // 2)
        reconstructed = F.conv1d(x, vqvae.decoder.out.weight, vqvae.decoder.out.bias, padding=1)
    assert torch.equal(vqvae.encode(tracks), units)
    assert reconstructed.shape == tracks.shape and torch.allclose(vqvae.decode(units), reconstructed, atol=1e-5)


def test_zero_out_initializes_blocks_as_identities():
    vqvae = network({"zero_out": True})
    x = torch.randn(1, 8, 16)
    assert all(torch.equal(stack(x), x) for stack in (*vqvae.encoder.stacks, *vqvae.decoder.stacks))


def test_scale_applies_to_the_first_channel():
    tracks = torch.randn(1, 2, 32)
    plain, scaled = network({}), network({})
    scaled.scale.copy_(torch.tensor([[40.0], [1.0]]))
    wide = tracks * torch.tensor([[40.0], [1.0]])
    assert torch.equal(scaled.encode(wide), plain.encode(tracks))
    units = plain.encode(tracks)
    assert torch.allclose(scaled.decode(units), plain.decode(units) * torch.tensor([[40.0], [1.0]]))


def test_gradients_reach_the_encoder_through_the_codes():
    vqvae = network({})
    reconstructed, quantized = vqvae(torch.randn(3, 2, 64))
    reconstructed.square().mean().backward()
    assert vqvae.encoder.downs[0].weight.grad.abs().sum() > 0
    assert torch.allclose(quantized.latents, vqvae.codebook.codes[quantized.units].transpose(1, 2), atol=1e-5)


def test_codes_are_running_means_of_their_latents():
    codebook = EMACodebook(2, 1, decay=0.5, min_usage=0.01).train()
    codebook.set_codes(torch.tensor([[0.0], [10.0]]))
    codebook.usage.fill_(1.0)
    codebook.sums.copy_(codebook.codes)
    latents = torch.tensor([[[1.0, 3.0, 9.0]]])
    assert codebook(latents).units.tolist() == [[0, 0, 1]]
    # usage: (1 + 2) / 2 and (1 + 1) / 2; sums: (0 + 4) / 2 and (10 + 9) / 2
    assert torch.allclose(codebook.codes, torch.tensor([[2.0 / 1.5], [9.5]]))


def test_unused_codes_are_reseeded_on_latents():
    torch.manual_seed(0)
    codebook = EMACodebook(8, 2, decay=0.9, min_usage=0.5).train()
    near, far = torch.randn(2, 2, 60) * 0.1, torch.tensor([1000.0, 1000.0])
    codebook.set_codes(torch.cat([torch.zeros(1, 2), far.expand(7, 2)]))
    replaced = [codebook(near).replaced for _ in range(40)]
    assert sum(replaced) >= 7 and codebook.codes.abs().max() < 1
    assert replaced[-1] == 0 and len(codebook(near).units.unique()) == 8


def test_first_batch_seeds_the_codes_and_evaluation_changes_nothing():
    torch.manual_seed(0)
    codebook, latents = EMACodebook(5, 3).train(), 50 + torch.randn(2, 3, 40)
    codebook(latents)
    assert (codebook.codes - 50).abs().max() < 5
    before = codebook.codes.clone()
    codebook.eval()(latents * 2)
    assert torch.equal(codebook.codes, before)


def test_small_batch_seeds_all_codes():
    codebook = EMACodebook(64, 3).train()
    codebook(torch.randn(1, 3, 5))
    assert codebook.codes.isfinite().all() and len(codebook.codes.unique(dim=0)) == 64


def test_network_is_rebuilt_from_its_config():
    vqvae = network({"depth": 3, "dilation_cycle": 2, "scale_residual": True}, reverse_dilation=True)
    rebuilt = PitchVQVAE.from_config(vqvae.config())
    rebuilt.load_state_dict(vqvae.state_dict())
    tracks = torch.randn(1, 2, 64)
    assert torch.equal(rebuilt.encode(tracks), vqvae.encode(tracks)) and rebuilt.config() == vqvae.config()
    assert torch.equal(rebuilt.decode(rebuilt.encode(tracks)), vqvae.decode(vqvae.encode(tracks)))


def test_mismatched_parts_are_an_error():
    with pytest.raises(ValueError, match="dim is 12 in the encoder and 8 in the codebook"):
        PitchVQVAE(PitchEncoder(dim=12), EMACodebook(64, 8), None)
    with pytest.raises(ValueError, match="factor is 16 in the encoder and 8 in the decoder"):
        PitchVQVAE(PitchEncoder(dim=12), EMACodebook(64, 12), PitchDecoder(dim=12, num_downs=3))
    with pytest.raises(ValueError, match="without a decoder"):
        PitchVQVAE(PitchEncoder(dim=12), EMACodebook(64, 12)).decode(torch.zeros(1, 2, dtype=torch.int64))


def test_paper_size_has_one_unit_per_16_frames():
    vqvae = PitchVQVAE(PitchEncoder(), EMACodebook(), PitchDecoder())
    assert vqvae.factor == 16 and vqvae.codebook.size == 64
    assert [vqvae.encode(torch.zeros(1, 2, frames)).shape[1] for frames in (16, 31, 32, 1828)] == [1, 1, 2, 114]
