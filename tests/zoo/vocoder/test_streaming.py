import numpy as np
import pytest
import torch

from zoo.tokens.merged_streams import parse
from zoo.tokens.units import Stream
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.hifigan import HiFiGANGenerator, HiFiGANSizes
from zoo.vocoder.istft import ConvNeXtSizes, ISTFTGenerator
from zoo.vocoder.streaming import StreamingVocoder
from zoo.vocoder.vocoder import Vocoder

STREAMS = (Stream("Hu", 9, 25.0), Stream("Pi", 4, 12.5), Stream("St", 3, 1.0, dedup=False))


def vocoder(streams, kind):
    torch.manual_seed(0)
    sizes = {stream.prefix: stream.size for stream in streams}
    if kind in ("istft", "harmonic"):
        generator = ISTFTGenerator(
            sizes,
            25.0,
            2,
            embedding_dim=8,
            backbone=ConvNeXtSizes(channels=16, hidden=24, num_blocks=2, kernel_size=3),
            harmonics=50 * (kind == "harmonic"),
        )
    else:
        generator = HiFiGANGenerator(
            sizes,
            25.0,
            num_speakers=2,
            embedding_dim=8,
            backbone=HiFiGANSizes(
                channels=16,
                upsample_rates=(20, 32),
                upsample_kernel_sizes=(40, 64),
                resblock_kernel_sizes=(3,),
                resblock_dilations=((1, 3),),
            ),
        )
    if kind == "harmonic":
        torch.nn.init.normal_(generator.pitch.out.weight, 0.0, 0.5)  # as lively as after training
    durations = DurationPredictor(8, 8)
    durations.out.weight.data.uniform_(-0.2, 0.2)
    durations.out.bias.data.fill_(1.0)
    return Vocoder(generator, streams, durations)


def said(streams, length, seed):
    draw = np.random.default_rng(seed)
    names = draw.choice(
        [stream.prefix for stream in streams],
        size=length,
        p=[0.7, 0.2, 0.1][: len(streams)] if len(streams) > 1 else None,
    )
    sizes = {stream.prefix: stream.size for stream in streams}
    return "".join(f"[{name}{draw.integers(sizes[name])}]" for name in names) + "".join(
        f"[{stream.prefix}1]" for stream in streams
    )


@pytest.mark.parametrize("kind", ["hifigan", "istft", "harmonic"])
@pytest.mark.parametrize("streams", [STREAMS[:1], STREAMS], ids=["base", "expressive"])
@pytest.mark.parametrize("chunk", [1, 7])
def test_pieces_joined_are_the_whole_and_come_before_the_end(kind, streams, chunk):
    voice = vocoder(streams, kind)
    for seed in range(2):
        tokens = parse(said(streams, 50, seed), streams)
        incremental = StreamingVocoder(voice, 1)
        bits = [
            tokens.__class__(streams, tokens.stream[i : i + chunk], tokens.unit[i : i + chunk])
            for i in range(0, len(tokens), chunk)
        ]
        pieces = [incremental(bit) for bit in bits] + [incremental(parse("", streams), ends=True)]
        whole = voice(tokens, 1)
        assert len(torch.cat(pieces)) == len(whole)
        torch.testing.assert_close(torch.cat(pieces), whole, rtol=0, atol=1e-5)
        assert sum(map(len, pieces[: len(pieces) // 2])) > 0 and len(pieces[-1]) < len(whole) / 2
        incremental.reset()
        assert torch.equal(incremental(tokens, ends=True), voice(tokens, 1))


def test_nothing_is_spoken_of_nothing():
    incremental = StreamingVocoder(vocoder(STREAMS[:1], "istft"))
    assert len(incremental(parse("", STREAMS[:1]), ends=True)) == 0


def test_a_vocoder_without_durations_is_refused():
    voice = vocoder(STREAMS[:1], "istft")
    with pytest.raises(ValueError, match="no duration predictor"):
        StreamingVocoder(Vocoder(voice.generator, STREAMS[:1]))
