"""A tiny unit vocoder, and its training on hums."""

import torch

from datamodules.vocoder import VocoderDataModule
from lightningmodules.optimizers import GANOptimizer
from lightningmodules.vocoder import UnitVocoder
from tests.toy_speech import RATES, STREAMS
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.vocoder import (
    ConvNeXtSizes,
    Discriminators,
    DurationPredictor,
    HiFiGANGenerator,
    HiFiGANSizes,
    ISTFTGenerator,
    MultiPeriodDiscriminator,
    MultiScaleDiscriminator,
)

SIZES = {stream.prefix: stream.size for stream in STREAMS}
OPTIMIZER = GANOptimizer(learning_rate=2e-3)


def module(kind: str = "unit", adversarial: bool = True, num_speakers: int = 2, **options) -> UnitVocoder:
    torch.manual_seed(0)
    sizes = {"streams": SIZES, "unit_rate": 25, "num_speakers": num_speakers, "embedding_dim": 16}
    if kind == "unit":
        generator = HiFiGANGenerator(
            **sizes,
            backbone=HiFiGANSizes(
                channels=32,
                upsample_rates=(8, 8, 10),
                upsample_kernel_sizes=(16, 16, 20),
                resblock_kernel_sizes=(3,),
                resblock_dilations=((1, 3),),
            ),
        )
    else:
        generator = ISTFTGenerator(
            **sizes, backbone=ConvNeXtSizes(channels=32, hidden=64, num_blocks=2), harmonics=40 * (kind == "harmonic")
        )
        options = ({"f0": Autocorrelation()} if kind == "harmonic" else {}) | options
    judges = (
        Discriminators([MultiPeriodDiscriminator((2, 3), 4, 16), MultiScaleDiscriminator(1, 4)])
        if adversarial
        else None
    )
    return UnitVocoder(generator, DurationPredictor(16, 16), judges, **({"optimizer": OPTIMIZER} | options))


def data(tokens, batch_size: int = 4) -> VocoderDataModule:
    return VocoderDataModule(tokens, RATES, segment_units=6, batch_size=batch_size)
