import itertools
import json

import numpy as np
import pytest
import torch

from tests.toy_extractors import Extra, Loudest, Pitch, Style
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.kmeans import KMeans, fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.style_encoders import ProsodyStyleEncoder
from zoo.speech.style_units import StyleClusters, StyleUnits
from zoo.speech.vector_quantizer import EMACodebook
from zoo.tokenizers import speech_tokenizer as tokenizers
from zoo.tokenizers.speech_tokenizer import Base, Expressive, UnitTokenizer, load_tokenizer
from zoo.tokens.contract import ContractError, read_contract, require_match, write_contract
from zoo.tokens.merged_streams import merge


def noise(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed)).cumsum(0).sin()


@pytest.fixture(scope="module", params=[0.0, 1.5], ids=["nearest", "path"])
def tokenizer(request):
    encoder = FilterbankEncoder()
    quantizer = fit_kmeans(
        [encoder(noise(64000, seed)) for seed in range(3)], 12, switch_penalty=request.param
    ).quantizer
    return Base(PhoneticUnits(encoder, quantizer))


@pytest.fixture
def toys(monkeypatch):
    """Let folders name the toy extractors."""
    extractors = {extractor.__name__: extractor for extractor in (Loudest, Pitch, Style, Extra)}
    monkeypatch.setattr(tokenizers, "EXTRACTORS", extractors)


def same_units(a, b):
    return a.keys() == b.keys() and all(a[prefix].tolist() == b[prefix].tolist() for prefix in a)


def test_a_saved_tokenizer_has_the_same_units_and_the_same_contract(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "t")
    again = load_tokenizer(tmp_path / "t")
    for samples in (0, 1279, 1280, 20000, 50001):
        assert same_units(again.encode(noise(samples, 7)), tokenizer.encode(noise(samples, 7)))
    assert again.contract == tokenizer.contract == read_contract(tmp_path / "t") and again.streams == tokenizer.streams
    assert json.loads((tmp_path / "t" / "contract.json").read_text())["tokenizer"]["streams"][0] == {
        "prefix": "Hu",
        "size": 12,
        "rate": 25,
        "dedup": True,
        "clock": None,
    }


def test_units_are_one_a_frame_and_tokens_are_deduplicated(tokenizer):
    units = tokenizer.encode(noise(48000, 5))["Hu"]
    assert len(units) == 75 and units.min() >= 0 and units.max() < 12
    tokens = tokenizer.tokens(noise(48000, 5))
    assert (tokens.unit[1:] != tokens.unit[:-1]).all() and tokenizer.parse(
        str(tokens)
    ).unit.tolist() == tokens.unit.tolist()


@pytest.mark.parametrize("samples, frames", [(0, 0), (1, 0), (1279, 0), (1280, 2)])
def test_too_short_a_waveform_has_no_units(tokenizer, samples, frames):
    units = tokenizer.encode(noise(samples))["Hu"]
    assert len(units) == frames and units.dtype == np.int64


@pytest.mark.parametrize(
    "kinds",
    [kinds for count in (1, 2, 3, 4) for kinds in itertools.permutations((Loudest, Pitch, Style, Extra), count)],
    ids=lambda kinds: "+".join(kind.__name__ for kind in kinds),
)
def test_any_streams_make_a_tokenizer_with_streams_in_one_order(kinds, toys, tmp_path):
    parts = {kind.kind.prefix: kind() for kind in kinds}
    tokenizer = UnitTokenizer(list(parts.values()))
    assert [stream.prefix for stream in tokenizer.streams] == [
        prefix for prefix in ("Hu", "Pi", "St", "En") if prefix in parts
    ]
    units = tokenizer.encode(noise(40000))
    assert same_units(units, {stream.prefix: parts[stream.prefix].encode(noise(40000)) for stream in tokenizer.streams})
    tokens = tokenizer.tokens(noise(40000))
    assert str(tokens) == str(merge(units, tokenizer.streams)) and str(tokenizer.parse(str(tokens))) == str(tokens)
    tokenizer.save(tmp_path / "t")
    again = load_tokenizer(tmp_path / "t")
    assert (
        type(again) is UnitTokenizer
        and again.streams == tokenizer.streams
        and again.contract == tokenizer.contract == read_contract(tmp_path / "t")
    )
    assert same_units(again.encode(noise(40000)), units)
    assert {path.name for path in (tmp_path / "t").iterdir()} == {"tokenizer.json", "contract.json", *parts}


def test_expressive_keeps_the_base_it_was_made_of_and_the_contract_names_the_part_that_differs(toys, tmp_path):
    base, tokenizer = Base(Loudest()), Expressive(Loudest(), Pitch(), Style())
    whole = tokenizer.contract["tokenizer"]
    assert (
        whole["parts"].keys() == {"Hu", "Pi", "St"} and whole["parts"]["Hu"] == base.contract["tokenizer"]["checksum"]
    )
    assert "parts" not in base.contract["tokenizer"]
    other = Expressive(Loudest(), Pitch(step=0.04), Style()).contract["tokenizer"]
    assert {prefix for prefix in ["Hu", "Pi", "St"] if other["parts"][prefix] != whole["parts"][prefix]} == {"Pi"}
    assert other["checksum"] != whole["checksum"] and other["streams"] == whole["streams"]
    tokenizer.save(tmp_path / "t")
    assert type(load_tokenizer(tmp_path / "t")) is Expressive
    write_contract(tmp_path / "other", {"tokenizer": other})
    with pytest.raises(ContractError, match="differ in tokenizer.parts.Pi: "):
        require_match(tmp_path / "t", tmp_path / "other")


@pytest.fixture(scope="module")
def real_parts():
    """Small ones of the classes that recipes train."""
    torch.manual_seed(0)
    vqvae = PitchVQVAE(PitchEncoder(dim=8, width=8, depth=1), EMACodebook(16, 8), PitchDecoder(dim=8, width=8, depth=1))
    phonetic, style = KMeans(12, 26), StyleClusters(5, 16)
    for codebook in (phonetic.centroids, style.kmeans.centroids):
        torch.nn.init.normal_(codebook)
    return {
        "Hu": PhoneticUnits(FilterbankEncoder(), phonetic, clock=24.99),
        "Pi": PitchUnits(Autocorrelation(), vqvae),
        "St": StyleUnits(ProsodyStyleEncoder(dim=16, depth=1), style),
    }


@pytest.mark.parametrize("prefixes", [("Hu",), ("Hu", "Pi"), ("Hu", "St"), ("Hu", "Pi", "St")], ids="+".join)
def test_tokenizers_of_the_parts_that_recipes_train_are_found_again_in_their_folders(real_parts, prefixes, tmp_path):
    tokenizer = UnitTokenizer([real_parts[prefix] for prefix in prefixes])
    tokenizer.save(tmp_path / "t")
    again, waveform = load_tokenizer(tmp_path / "t"), noise(40000)
    assert again.contract == tokenizer.contract == read_contract(tmp_path / "t") and again.streams == tokenizer.streams
    assert same_units(again.encode(waveform), tokenizer.encode(waveform)) and same_units(
        again.encode(torch.zeros(16000)), tokenizer.encode(torch.zeros(16000))
    )
    assert not any(len(row) for row in again.encode(torch.zeros(1279)).values())
    assert {path.suffix for path in (tmp_path / "t").rglob("*") if path.is_file()} == {".json", ".safetensors"}
    rates = {prefix: len(units) / 2.5 for prefix, units in again.encode(waveform).items()}
    assert rates == {prefix: {"Hu": 62, "Pi": 31, "St": 3}[prefix] / 2.5 for prefix in prefixes}


def test_where_one_stream_has_no_units_none_has():
    tokenizer = UnitTokenizer([Loudest(), Style(min_samples=5000)])
    assert [len(units) for units in tokenizer.encode(noise(4999)).values()] == [0, 0]
    assert [len(units) for units in UnitTokenizer([Loudest(min_samples=1)]).encode(noise(1279)).values()] == [0]
    assert len(tokenizer.tokens(noise(4999))) == 0 and tokenizer.encode(noise(5000))["Hu"].size == 7


@pytest.mark.parametrize(
    "samples, lengths",
    [(31999, [31999]), (32000, [32000]), (33279, [32000]), (33280, [32000, 1280]), (70000, [32000, 32000, 6000])],
)
def test_long_speech_is_encoded_in_chunks_that_are_joined(samples, lengths):
    tokenizer, waveform = UnitTokenizer([Loudest(), Pitch()], chunk_seconds=2.0), noise(samples)
    assert [len(chunk) for chunk in tokenizer.chunks(waveform)] == lengths
    starts = np.cumsum([0, *lengths])
    for prefix, part in tokenizer.extractors.items():
        want = [
            part.encode(waveform[start : start + length]) for start, length in zip(starts[:-1], lengths, strict=True)
        ]
        assert tokenizer.encode(waveform)[prefix].tolist() == np.concatenate(want).tolist()
    assert tokenizer.contract != UnitTokenizer([Loudest(), Pitch()]).contract


def test_a_batch_of_any_lengths_is_encoded_as_each_alone():
    tokenizer = UnitTokenizer([Loudest(), Pitch(), Style()], chunk_seconds=1.0)
    waveforms = [noise(samples, samples) for samples in (40000, 0, 16000, 1279, 17279, 17280)]
    for units, waveform in zip(tokenizer.encode_batch(waveforms), waveforms, strict=True):
        assert same_units(units, tokenizer.encode(waveform))


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: UnitTokenizer([]), "got none"),
        (lambda: UnitTokenizer([Loudest(), Pitch(), Pitch()]), "one extractor for each of its streams, got Hu, Pi, Pi"),
        (lambda: UnitTokenizer([Loudest(), Pitch(sample_rate=8000)]), "one sample rate, got {'Hu': 16000, 'Pi': 8000}"),
        (lambda: UnitTokenizer([Loudest()], chunk_seconds=0), "chunk_seconds must be more than 0.08, got 0"),
    ],
)
def test_parts_that_do_not_go_together_are_errors(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_folder_without_tokenizer_or_of_an_unknown_kind_is_an_error(toys, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no tokenizer.json in {tmp_path}"):
        load_tokenizer(tmp_path)
    for form, says in (
        ({"class": "Basic"}, "unknown tokenizer 'Basic'; known are UnitTokenizer, Base, Expressive"),
        ({"class": "Base", "extractors": {"Hu": "os"}}, "unknown unit extractor 'os'; known are Loudest"),
    ):
        (tmp_path / "tokenizer.json").write_text(json.dumps(form))
        with pytest.raises(ValueError, match=says):
            load_tokenizer(tmp_path)
