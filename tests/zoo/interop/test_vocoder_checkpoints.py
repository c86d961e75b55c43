import pytest
import torch

from tests.spiritlm_parity.fixtures import FIXTURES
from tests.toy_speech import STREAMS, write_hums
from zoo.interop import vocoder_checkpoints
from zoo.tokens.contract import ContractError, write_contract
from zoo.tokens.units import Stream
from zoo.vocoder import (
    ConvNeXtSizes,
    DurationPredictor,
    HiFiGANGenerator,
    HiFiGANSizes,
    ISTFTGenerator,
    Vocoder,
)

SIZES = {stream.prefix: stream.size for stream in STREAMS}
INPUTS = ({prefix: torch.arange(5).unsqueeze(0) % 3 for prefix in SIZES}, torch.tensor([0]))


def contract(streams=STREAMS, checksum: str = "x") -> dict:
    return {"tokenizer": {"streams": [vars(stream) for stream in streams], "checksum": checksum}}


def trained(folder, kind: str = "unit", speakers=("ann", "zoe")):
    """Save a vocoder with voices of these names."""
    torch.manual_seed(0)
    sizes = {"streams": SIZES, "unit_rate": 25, "num_speakers": len(speakers), "embedding_dim": 4}
    generator = (
        ISTFTGenerator(**sizes, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1))
        if kind == "istft"
        else HiFiGANGenerator(
            **sizes,
            backbone=HiFiGANSizes(
                channels=16,
                upsample_rates=(8, 8, 10),
                upsample_kernel_sizes=(16, 16, 20),
                resblock_kernel_sizes=(3,),
                resblock_dilations=((1,),),
            ),
        )
    )
    Vocoder(generator, STREAMS, DurationPredictor(4, 8), speakers, contract=contract()).save(folder / "vocoder")
    return folder / "vocoder"


def tokens(folder, speakers=("bob", "zoe"), checksum: str = "x", streams=STREAMS):
    made = write_hums(folder, [20, 20], speakers)
    write_contract(made, contract(streams, checksum))
    return made


@pytest.mark.parametrize("kind", ["unit", "istft"])
def test_known_voices_stay_and_new_ones_begin_at_the_mean(kind, tmp_path):
    folder = trained(tmp_path, kind)
    before, after = Vocoder.load(folder).generator, vocoder_checkpoints.generator(folder, tokens(tmp_path))
    assert after.training and after.num_speakers == 2
    bob, zoe = after.embed.speaker.weight
    assert torch.equal(zoe, before.embed.speaker.weight[1])
    assert torch.allclose(bob, before.embed.speaker.weight.mean(0))
    same = after(INPUTS[0], torch.tensor([1]))
    assert torch.allclose(same, before(INPUTS[0], torch.tensor([1])), atol=1e-5)
    if kind == "unit":  # it is trained in the form it was trained in before
        assert any("parametrizations" in name for name in after.state_dict())


def test_one_new_voice_out_of_several(tmp_path):
    after = vocoder_checkpoints.generator(trained(tmp_path), tokens(tmp_path, ("new",)))
    assert after.num_speakers == 1 and after.embed.speaker.weight.shape[0] == 1


def test_units_of_another_tokenizer_begin_anew_only_where_that_is_asked_for(tmp_path):
    folder, other = trained(tmp_path), tokens(tmp_path, checksum="y")
    with pytest.raises(ContractError, match="tokenizer.checksum"):
        vocoder_checkpoints.generator(folder, other)
    before, after = Vocoder.load(folder).generator, vocoder_checkpoints.generator_for_other_units(folder, other)
    assert not torch.equal(after.embed.units["Hu"].weight, before.embed.units["Hu"].weight)
    assert torch.allclose(after.pre.weight, before.pre.weight, atol=1e-6)
    wider = tokens(tmp_path / "wider", streams=(Stream("Hu", 9, 25.0), *STREAMS[1:]), checksum="z")
    assert vocoder_checkpoints.generator_for_other_units(folder, wider).streams["Hu"] == 9
    slower = tokens(tmp_path / "slower", streams=(Stream("Hu", 6, 50.0), *STREAMS[1:]), checksum="z")
    with pytest.raises(ValueError, match="Hu units at 25 a second"):
        vocoder_checkpoints.generator_for_other_units(folder, slower)


def test_durations_come_along_or_are_an_error(tmp_path):
    folder = trained(tmp_path)
    assert vocoder_checkpoints.durations(folder).training
    vocoder = Vocoder.load(folder)
    vocoder.durations = None
    vocoder.save(tmp_path / "raw")
    with pytest.raises(ValueError, match="no duration predictor"):
        vocoder_checkpoints.durations(tmp_path / "raw")
    with pytest.raises(FileNotFoundError, match="no vocoder in"):
        vocoder_checkpoints.open_vocoder(tmp_path)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no fixtures at {FIXTURES} (set SPIRITLM_FIXTURES)")
def test_an_official_vocoder_learns_new_voices(tmp_path):
    folder = FIXTURES / "speech_tokenizer" / "hifigan_spiritlm_base"
    official = vocoder_checkpoints.open_vocoder(folder)
    made = tokens(tmp_path, ("new",), streams=official.streams)
    after = vocoder_checkpoints.generator(folder, made)
    assert after.num_speakers == 1 and after.num_styles == 1 and after.streams == official.generator.streams
    assert any("parametrizations" in name for name in after.state_dict())
