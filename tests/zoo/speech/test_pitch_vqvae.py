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
    for block, dilation in zip(blocks, dilations):
        y = F.conv1d(x.clamp(min=0), block.dilated.weight, block.dilated.bias, padding=dilation, dilation=dilation)
        x = x + scale * F.conv1d(y.clamp(min=0), block.out.weight, block.out.bias)
    return x


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_both_ways_equal_the_published_arithmetic(options, reverse):
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
        for down, stack in zip(vqvae.encoder.downs, vqvae.encoder.stacks):
            x = residual(
                F.conv1d(x, down.weight, down.bias, stride=stride, padding=stride // 2), stack, dilations, scale
            )
        latents = F.conv1d(x, vqvae.encoder.out.weight, vqvae.encoder.out.bias, padding=1)
        units = (latents.transpose(1, 2).unsqueeze(2) - vqvae.codebook.codes).square().sum(-1).argmin(-1)
        x = F.conv1d(
            vqvae.codebook.codes[units].transpose(1, 2), vqvae.decoder.pre.weight, vqvae.decoder.pre.bias, padding=1
        )
        for stack, up in zip(vqvae.decoder.stacks, vqvae.decoder.ups):
            x = residual(x, stack, dilations[::-1] if reverse else dilations, scale)
            x = F.conv_transpose1d(x, up.weight, up.bias, stride=stride, padding=stride // 2)
        made = F.conv1d(x, vqvae.decoder.out.weight, vqvae.decoder.out.bias, padding=1)
    assert torch.equal(vqvae.encode(tracks), units)
    assert made.shape == tracks.shape and torch.allclose(vqvae.decode(units), made, atol=1e-5)


def test_zero_out_begins_with_blocks_that_add_nothing():
    vqvae = network({"zero_out": True})
    x = torch.randn(1, 8, 16)
    assert all(torch.equal(stack(x), x) for stack in (*vqvae.encoder.stacks, *vqvae.decoder.stacks))


def test_the_scale_is_that_of_the_first_channel_on_both_ways():
    tracks = torch.randn(1, 2, 32)
    plain, scaled = network({}), network({})
    scaled.scale.copy_(torch.tensor([[40.0], [1.0]]))
    wide = tracks * torch.tensor([[40.0], [1.0]])
    assert torch.equal(scaled.encode(wide), plain.encode(tracks))
    units = plain.encode(tracks)
    assert torch.allclose(scaled.decode(units), plain.decode(units) * torch.tensor([[40.0], [1.0]]))


def test_gradients_reach_the_encoder_through_the_codes():
    vqvae = network({})
    made, quantized = vqvae(torch.randn(3, 2, 64))
    made.square().mean().backward()
    assert vqvae.encoder.downs[0].weight.grad.abs().sum() > 0
    assert torch.allclose(quantized.latents, vqvae.codebook.codes[quantized.units].transpose(1, 2), atol=1e-5)


def test_codes_are_running_means_of_the_latents_that_chose_them():
    book = EMACodebook(2, 1, decay=0.5, min_usage=0.01).train()
    book.set_codes(torch.tensor([[0.0], [10.0]]))
    book.usage.fill_(1.0)
    book.sums.copy_(book.codes)
    latents = torch.tensor([[[1.0, 3.0, 9.0]]])
    assert book(latents).units.tolist() == [[0, 0, 1]]
    # usage: (1 + 2) / 2 and (1 + 1) / 2; sums: (0 + 4) / 2 and (10 + 9) / 2
    assert torch.allclose(book.codes, torch.tensor([[2.0 / 1.5], [9.5]]))


def test_dead_codes_are_put_on_latents_of_the_batch_and_used_ones_stay():
    torch.manual_seed(0)
    book = EMACodebook(8, 2, decay=0.9, min_usage=0.5).train()
    near, far = torch.randn(2, 2, 60) * 0.1, torch.tensor([1000.0, 1000.0])
    book.set_codes(torch.cat([torch.zeros(1, 2), far.expand(7, 2)]))
    replaced = [book(near).replaced for _ in range(40)]
    assert sum(replaced) >= 7 and book.codes.abs().max() < 1
    assert replaced[-1] == 0 and len(book(near).units.unique()) == 8


def test_the_first_batch_seeds_the_codes_and_evaluation_moves_nothing():
    torch.manual_seed(0)
    book, latents = EMACodebook(5, 3).train(), 50 + torch.randn(2, 3, 40)
    book(latents)
    assert (book.codes - 50).abs().max() < 5
    before = book.codes.clone()
    book.eval()(latents * 2)
    assert torch.equal(book.codes, before)


def test_a_batch_smaller_than_the_codebook_seeds_it_too():
    book = EMACodebook(64, 3).train()
    book(torch.randn(1, 3, 5))
    assert book.codes.isfinite().all() and len(book.codes.unique(dim=0)) == 64


def test_a_config_builds_the_same_network():
    vqvae = network({"depth": 3, "dilation_cycle": 2, "scale_residual": True}, reverse_dilation=True)
    again = PitchVQVAE.from_config(vqvae.config())
    again.load_state_dict(vqvae.state_dict())
    tracks = torch.randn(1, 2, 64)
    assert torch.equal(again.encode(tracks), vqvae.encode(tracks)) and again.config() == vqvae.config()
    assert torch.equal(again.decode(again.encode(tracks)), vqvae.decode(vqvae.encode(tracks)))


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dim is 12 in the encoder and 8 in the codebook"):
        PitchVQVAE(PitchEncoder(dim=12), EMACodebook(64, 8), None)
    with pytest.raises(ValueError, match="factor is 16 in the encoder and 8 in the decoder"):
        PitchVQVAE(PitchEncoder(dim=12), EMACodebook(64, 12), PitchDecoder(dim=12, num_downs=3))
    with pytest.raises(ValueError, match="without a decoder"):
        PitchVQVAE(PitchEncoder(dim=12), EMACodebook(64, 12)).decode(torch.zeros(1, 2, dtype=torch.int64))


def test_the_paper_size_has_one_unit_for_16_frames():
    vqvae = PitchVQVAE(PitchEncoder(), EMACodebook(), PitchDecoder())
    assert vqvae.factor == 16 and vqvae.codebook.size == 64
    assert [vqvae.encode(torch.zeros(1, 2, frames)).shape[1] for frames in (16, 31, 32, 1828)] == [1, 1, 2, 114]
