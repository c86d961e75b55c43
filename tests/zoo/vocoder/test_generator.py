import pytest
import torch

from zoo.vocoder import (
    ConvNeXtSizes,
    HiFiGANGenerator,
    HiFiGANSizes,
    ISTFTGenerator,
)

STREAMS = {"Hu": 10, "Pi": 4}
SMALL = {"streams": STREAMS, "unit_rate": 25, "num_speakers": 3, "num_styles": 2, "embedding_dim": 4}


def split(arguments: dict, sizes: type) -> tuple[dict, object]:
    """The arguments of a generator, and among them the sizes of its backbone."""
    names = sizes.__dataclass_fields__
    shared = {name: value for name, value in arguments.items() if name not in names}
    return shared, sizes(**{name: value for name, value in arguments.items() if name in names})


def unit_generator(**changes) -> HiFiGANGenerator:
    sizes = {
        "channels": 32,
        "upsample_rates": (8, 8, 10),
        "upsample_kernel_sizes": (16, 16, 20),
        "resblock_kernel_sizes": (3, 5),
        "resblock_dilations": ((1, 2), (1, 3)),
    }
    shared, backbone = split(SMALL | sizes | changes, HiFiGANSizes)
    generator = HiFiGANGenerator(**shared, backbone=backbone)
    for parameter in generator.parameters():  # as large as after training, so that every path counts
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    return generator.eval()


def istft_generator(**changes) -> ISTFTGenerator:
    sizes = {"channels": 16, "hidden": 32, "num_blocks": 2, "kernel_size": 3, "frames_per_unit": 4}
    shared, backbone = split(SMALL | sizes | changes, ConvNeXtSizes)
    return ISTFTGenerator(**shared, backbone=backbone).eval()


def harmonic_generator(**changes) -> ISTFTGenerator:
    generator = istft_generator(harmonics=50, **changes)
    torch.nn.init.normal_(generator.pitch.out.weight, 0.0, 0.5)  # as lively as after training
    return generator


both = pytest.mark.parametrize("make", [unit_generator, istft_generator])
every = pytest.mark.parametrize("make", [unit_generator, istft_generator, harmonic_generator])


def inputs(batch: int, length: int) -> tuple[dict, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    units = {prefix: torch.randint(size, (batch, length), generator=draw) for prefix, size in STREAMS.items()}
    return units, torch.arange(batch) % 3, torch.arange(batch) % 2


@every
def test_a_unit_lasts_its_samples(make):
    assert make()(*inputs(2, 5)).shape == (2, 5 * 640)


@pytest.mark.parametrize("unit_rate, rates", [(50, (5, 8, 8)), (12.5, (10, 8, 16)), (100, (4, 8, 5))])
def test_any_unit_rate(unit_rate, rates):
    made = unit_generator(
        unit_rate=unit_rate, upsample_rates=rates, upsample_kernel_sizes=tuple(2 * r + r % 2 for r in rates)
    )(*inputs(1, 4))
    assert made.shape == (1, 4 * 16000 / unit_rate)
    assert istft_generator(unit_rate=unit_rate)(*inputs(1, 4)).shape == made.shape


@pytest.mark.parametrize(
    "change, message",
    [
        ({"upsample_rates": (8, 8, 8)}, "multiply to 512, but a unit lasts 640"),
        ({"upsample_kernel_sizes": (16, 16)}, "one kernel size for each rate"),
        ({"upsample_kernel_sizes": (16, 15, 20)}, "even number"),
        ({"resblock_kernel_sizes": (3, 4)}, "odd"),
        ({"resblock_dilations": ((1,),)}, "one list each"),
        ({"channels": 4}, "halved 3 times"),
        ({"unit_rate": 24.99}, "whole samples per unit"),
        ({"streams": {}}, "at least one stream"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        unit_generator(**change)


@pytest.mark.parametrize("change", [{"frames_per_unit": 3}, {"overlap": 3}, {"kernel_size": 4}])
def test_frames_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match="even overlap|that is odd"):
        istft_generator(**change)


def test_the_width_is_one_embedding_a_stream_then_speaker_then_style():
    generator = unit_generator()
    units, speaker, style = inputs(2, 3)
    embedded = generator.embed(units, speaker, style)
    assert embedded.shape == (2, 4 * 4, 3) and generator.pre.weight.shape[1] == 16
    parts = [generator.embed.units["Hu"](units["Hu"]), generator.embed.units["Pi"](units["Pi"])]
    parts += [
        table(index)[:, None].expand(2, 3, 4)
        for table, index in ((generator.embed.speaker, speaker), (generator.embed.style, style))
    ]
    assert torch.equal(embedded, torch.cat(parts, dim=2).transpose(1, 2))


def test_removing_weight_norm_leaves_the_output():
    generator = unit_generator()
    before = generator(*inputs(2, 4))
    generator.remove_weight_norm()
    assert not any("parametrizations" in name for name in generator.state_dict())
    assert torch.allclose(generator(*inputs(2, 4)), before, atol=1e-5)


@both
def test_context_is_as_far_as_a_unit_is_heard(make):
    generator = make().double()  # so that the faintest influence is seen
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.1)
    reach, length = generator.context_units, 4 * generator.context_units
    units, speaker, style = inputs(1, length)
    middle = length // 2
    changed = {**units, "Hu": units["Hu"].clone()}
    changed["Hu"][0, middle] = (units["Hu"][0, middle] + 1) % 10
    with torch.no_grad():
        difference = (
            (generator(units, speaker, style) - generator(changed, speaker, style)).abs().view(length, -1).amax(dim=1)
        )
    heard = difference.nonzero().flatten()
    assert middle - reach <= heard.min() and heard.max() <= middle + reach
    assert heard.min() == middle - reach or heard.max() == middle + reach


def test_the_future_is_heard_as_far_as_the_context_says_in_a_melody_too():
    generator = harmonic_generator().double()
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.1)
    units, speaker, style = inputs(1, 40)
    changed = {**units, "Hu": units["Hu"].clone()}
    changed["Hu"][0, 25] = (units["Hu"][0, 25] + 1) % 10
    with torch.no_grad():
        heard = (
            (generator(units, speaker, style) - generator(changed, speaker, style))
            .abs()
            .view(40, -1)
            .amax(dim=1)
            .nonzero()
        )
    assert 25 - generator.context_units <= heard.min() < 25


@every
def test_rows_of_a_padded_batch_come_out_as_if_alone(make):
    generator = make()
    units, speaker, style = inputs(2, 9)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    together = generator(units, speaker, style, mask)
    alone = generator({prefix: row[1:, :5] for prefix, row in units.items()}, speaker[1:], style[1:])
    assert torch.allclose(together[1, : 5 * 640], alone[0], atol=1e-5)
    assert torch.allclose(
        together[:1], generator({prefix: row[:1] for prefix, row in units.items()}, speaker[:1], style[:1]), atol=1e-5
    )


@both
def test_every_weight_gets_a_gradient(make):
    generator = make()
    generator(*inputs(3, 6)).square().mean().backward()
    assert [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_inverse_transform_keeps_a_signal():
    """Windowed spectra of a signal, overlapped and added, are the signal again."""
    generator = istft_generator()
    signal = torch.randn(1, 20 * generator.hop)
    margin = (generator.fft_size - generator.hop) // 2
    padded = torch.nn.functional.pad(signal, (margin, margin))
    spectra = torch.fft.rfft(padded.unfold(1, generator.fft_size, generator.hop) * generator.window)
    back = generator._overlap_add(spectra, torch.ones(1, spectra.shape[1], 1))
    assert torch.allclose(back, signal, atol=1e-4)
