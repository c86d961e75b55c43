import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from zoo.tokens.contract import ContractError, require_match, write_contract
from zoo.tokens.merged_streams import merge, parse
from zoo.tokens.units import Stream
from zoo.vocoder import (
    ConvNeXtSizes,
    DurationPredictor,
    HiFiGANGenerator,
    HiFiGANSizes,
    ISTFTGenerator,
    Vocoder,
)
from zoo.vocoder.unit_inputs import align_to_phonetic, at_rate

STREAMS = (Stream("Hu", 20, 25.0), Stream("Pi", 8, 12.5), Stream("St", 4, 1.0, dedup=False))
SIZES = {stream.prefix: stream.size for stream in STREAMS}


def make(streams: tuple[Stream, ...] = STREAMS, kind: str = "unit", **arguments) -> Vocoder:
    torch.manual_seed(0)
    sizes = {
        "streams": {s.prefix: s.size for s in streams},
        "unit_rate": 25,
        "num_speakers": 4,
        "num_styles": 3,
        "embedding_dim": 4,
    }
    if kind == "unit":
        generator = HiFiGANGenerator(
            **sizes,
            backbone=HiFiGANSizes(
                channels=16,
                upsample_rates=(8, 8, 10),
                upsample_kernel_sizes=(16, 16, 20),
                resblock_kernel_sizes=(3,),
                resblock_dilations=((1,),),
            ),
        )
        for parameter in generator.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.3)
    else:
        generator = ISTFTGenerator(
            **sizes, backbone=ConvNeXtSizes(channels=16, hidden=32, num_blocks=2), harmonics=50 * (kind == "harmonic")
        )
    if kind == "harmonic":
        torch.nn.init.normal_(generator.pitch.out.weight, 0.0, 0.5)  # as lively as after training
    durations = DurationPredictor(4, 8)
    torch.nn.init.constant_(durations.out.bias, 1.2)
    defaults = {
        "durations": durations,
        "speakers": ["ann", "bob"],
        "styles": ["calm", "gay", "sad"],
        "missing": {"St": [3, 1]},
    }
    return Vocoder(generator, streams, **(defaults | arguments))


each_kind = pytest.mark.parametrize("kind", ["unit", "istft", "harmonic"])


@each_kind
def test_streaming_equals_a_call(kind):
    vocoder = make(kind=kind)
    units = {"Hu": np.arange(90) % 20, "Pi": np.arange(45) % 8, "St": np.arange(4) % 4}
    whole = vocoder(units, "bob", "sad", predict_durations=False)
    assert len(whole) == 90 * 640
    for chunk in (1, 17, 200):
        pieces = list(vocoder.stream(units, "bob", "sad", predict_durations=False, chunk_units=chunk))
        assert len(pieces) == -(-90 // chunk)
        assert torch.allclose(torch.cat(pieces), whole, atol=1e-4)


@each_kind
def test_a_batch_equals_calls(kind):
    vocoder = make(kind=kind)
    several = ["[St1][Pi2][Hu3][Hu4]", "[St1][Pi2][Hu5]", "[Pi1][Hu3][Hu4][Pi7][Hu6][Hu9]"]
    for waveform, units, speaker in zip(
        vocoder.batch(several, ["ann", 3, None]), several, ["ann", 3, None], strict=True
    ):
        assert torch.allclose(waveform, vocoder(units, speaker), atol=1e-5)


@each_kind
def test_saving_and_loading_give_the_same_voice(kind, tmp_path):
    vocoder = make(kind=kind, contract={"tokenizer": {"checksum": "x"}}, default_speaker=1)
    vocoder.save(tmp_path)
    again = Vocoder.load(tmp_path)
    assert torch.allclose(again("[St1][Pi2][Hu3][Hu4]"), vocoder("[St1][Pi2][Hu3][Hu4]"), atol=1e-5)
    assert (again.speakers, again.styles, again.streams, again.missing, again.contract) == (
        vocoder.speakers,
        vocoder.styles,
        vocoder.streams,
        vocoder.missing,
        vocoder.contract,
    )
    assert not any("parametrizations" in name for name in again.state_dict())
    assert Vocoder.load(tmp_path, fold_weight_norm=False).state_dict().keys() == vocoder.state_dict().keys()
    again.save(tmp_path / "folded")
    assert torch.equal(Vocoder.load(tmp_path / "folded")("[Pi2][Hu3]"), again("[Pi2][Hu3]"))


def test_a_vocoder_saved_before_there_were_harmonics_is_loaded(tmp_path):
    vocoder = make(kind="istft")
    vocoder.save(tmp_path)
    config = json.loads((tmp_path / "vocoder.json").read_text())
    del config["generator"]["harmonics"]
    (tmp_path / "vocoder.json").write_text(json.dumps(config))
    assert torch.equal(Vocoder.load(tmp_path)("[Pi2][Hu3]"), vocoder("[Pi2][Hu3]"))


def test_its_contract_is_compared_with_that_of_tokens(tmp_path):
    make(contract={"tokenizer": {"checksum": "x"}}).save(tmp_path / "vocoder")
    write_contract(tmp_path / "tokens", {"tokenizer": {"checksum": "y"}})
    with pytest.raises(ContractError, match="tokenizer.checksum"):
        require_match(tmp_path / "vocoder", tmp_path / "tokens")


def test_each_unit_sounds_for_its_predicted_frames():
    vocoder = make()
    frames = vocoder.predicted(torch.tensor([3, 4, 5]))
    assert frames.min() >= 1
    rows = vocoder.frames("[St1][Pi2][Hu3][Hu4][Pi5][Hu5]")
    assert rows["Hu"].tolist() == np.repeat([3, 4, 5], frames).tolist()
    assert rows["Pi"].tolist() == np.repeat([2, 2, 5], frames).tolist()
    assert len(vocoder("[St1][Pi2][Hu3][Hu4][Pi5][Hu5]")) == 640 * frames.sum()


def test_raw_units_are_repeated_to_the_phonetic_rate():
    rows = make().frames({"Hu": list(range(5)), "Pi": [1, 2], "St": [3]}, predict_durations=False)
    assert rows["Pi"].tolist() == [1, 1, 2, 2, 2] and rows["St"].tolist() == [3] * 5


def test_tokens_are_those_of_the_raw_units():
    raw = {"Hu": np.array([1, 1, 2, 3, 3, 3]), "Pi": np.array([4, 5, 5]), "St": np.array([2])}
    tokens = merge(raw, STREAMS)
    aligned = align_to_phonetic(tokens, STREAMS)
    assert (
        aligned["Hu"].tolist() == [1, 2, 3]
        and aligned["Pi"].tolist() == [4, 5, 5]
        and aligned["St"].tolist() == [2, 2, 2]
    )
    assert torch.equal(make()(tokens), make()(str(tokens)))


def test_a_stream_before_its_first_unit_takes_that_unit():
    assert align_to_phonetic(parse("[Hu1][Pi4][Hu2][Pi5][Hu3]", STREAMS), STREAMS)["Pi"].tolist() == [4, 4, 5]


def test_a_missing_stream_has_a_stand_in_or_is_an_error():
    vocoder = make()
    assert vocoder.frames("[Pi1][Hu2]")["St"].unique().tolist() == [3]
    drawn = {vocoder.frames("[Pi1][Hu2]", rng=random.Random(seed))["St"][0].item() for seed in range(20)}
    assert drawn == {1, 3}
    with pytest.raises(ValueError, match="no Pi units"):
        vocoder("[St1][Hu2]")


@pytest.mark.parametrize(
    "units, options, message",
    [
        ("[St1][Pi1][Hu20]", {}, "Hu units are 0 to 19"),
        (
            {"Hu": [1, 20], "Pi": [1], "St": [1]},
            {"predict_durations": False},
            r"\[Hu20\] at position 1: Hu units are 0 to 19",
        ),
        ({"Hu": [1, -1], "Pi": [1], "St": [1]}, {"predict_durations": False}, "position 1"),
        ("", {}, "no Hu units"),
        ("[Pi1]", {}, "no Hu units"),
        ({"Pi": [1]}, {}, "no Hu units"),
        ({"Hu": [], "Pi": [], "St": []}, {}, "no Hu units"),
        ({"Hu": [1.5], "Pi": [1], "St": [1]}, {}, "integers"),
        ({"Hu": [1, 2, 3], "Pi": [1, 2], "St": [1, 1, 1]}, {}, "2 Pi units for 3 Hu units"),
        (
            {"Hu": [1] * 9, "Pi": [1] * 2, "St": [1]},
            {"predict_durations": False},
            "2 Pi units at 12.5 a second do not fit 9 Hu",
        ),
        ("[St1][Pi1][Hu1]", {"speaker": "bop"}, "did you mean 'bob'"),
        ("[St1][Pi1][Hu1]", {"speaker": "zoe"}, "this vocoder has ann, bob"),
        ("[St1][Pi1][Hu1]", {"speaker": 4}, "out of range: this vocoder has 0 to 3"),
        ("[St1][Pi1][Hu1]", {"speaker": -1}, "out of range"),
        ("[St1][Pi1][Hu1]", {"style": "glad"}, "no style 'glad'"),
        ("nothing", {}, "not of the form"),
    ],
)
def test_bad_input_is_refused_in_one_line(units, options, message):
    with pytest.raises(ValueError, match=message) as error:
        make()(units, **options)
    assert "\n" not in str(error.value)


def test_what_it_does_not_have_cannot_be_asked_for(tmp_path):
    plain = Vocoder(HiFiGANGenerator({"Hu": 20}, 25, embedding_dim=4, backbone=HiFiGANSizes(channels=32)), STREAMS)
    with pytest.raises(ValueError, match="no duration predictor"):
        plain("[Hu1]")
    with pytest.raises(ValueError, match="no speaker to choose"):
        plain({"Hu": [1]}, speaker="ann", predict_durations=False)
    with pytest.raises(FileNotFoundError, match="vocoder stage"):
        Vocoder.load(tmp_path)


@pytest.mark.parametrize(
    "streams",
    [(STREAMS[0],), (replace(STREAMS[0], size=21), *STREAMS[1:]), (replace(STREAMS[0], rate=50.0), *STREAMS[1:])],
)
def test_streams_of_another_tokenizer_are_refused(streams):
    with pytest.raises(ValueError, match="the generator"):
        Vocoder(make().generator, streams)


def test_at_rate_repeats_cuts_and_goes_on():
    assert at_rate(np.array([5, 6]), 12.5, 25.0, 3).tolist() == [5, 5, 6]
    assert at_rate(np.array([5, 6]), 12.5, 25.0, 6).tolist() == [5, 5, 6, 6, 6, 6]
    assert at_rate(np.array([7, 8]), 1.0, 25.0, 51).tolist() == [7] * 25 + [8] * 26


def test_a_batch_wants_one_speaker_for_each():
    with pytest.raises(ValueError, match="1 speakers for 2 utterances"):
        make().batch(["[St1][Pi1][Hu1]"] * 2, ["ann"])


def test_streaming_refuses_bad_input_before_the_first_piece():
    with pytest.raises(ValueError, match="Hu units are 0 to 19"):
        make().stream("[St1][Pi1][Hu20]")
    with pytest.raises(ValueError, match="chunk_units must be at least 1"):
        make().stream("[St1][Pi1][Hu2]", chunk_units=0)
