import json

import numpy as np
import pytest
import torch

from zoo.speech.bottleneck import VectorQuantizer
from zoo.speech.context_layers import ConvolutionLayers, TransformerLayers
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.finite_scalar_quantizer import FiniteScalarQuantizer
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.supervised_units import ReadingHead, SupervisedQuantizer
from zoo.speech.transcript_labels import Characters
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer


def noise(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def quantizer(kind):
    torch.manual_seed(1)
    if kind == "vq":
        return SupervisedQuantizer(VectorQuantizer(9, 32), ConvolutionLayers(26, 32))
    if kind == "fsq":
        return SupervisedQuantizer(FiniteScalarQuantizer([3, 3], 26), TransformerLayers(1, 26, 2, 40))
    return SupervisedQuantizer(VectorQuantizer(9, 26))


@pytest.mark.parametrize("kind", ["vq", "fsq", "no layers"])
def test_units_are_the_same_alone_in_a_batch_and_after_saving(kind, tmp_path):
    units = PhoneticUnits(FilterbankEncoder(), quantizer(kind))
    waveforms = [noise(count, count) for count in (16000, 2000, 9001)]
    alone = [units.encode(waveform) for waveform in waveforms]
    assert all(map(np.array_equal, units.encode_batch(waveforms), alone))
    assert len(set(np.concatenate(alone).tolist())) > 1 and units.stream.size == 9
    tokenizer = Base(units)
    tokenizer.save(tmp_path / "tokenizer")
    loaded = load_tokenizer(tmp_path / "tokenizer")
    assert loaded.contract == tokenizer.contract
    assert np.array_equal(loaded.unit_extractors["Hu"].encode(waveforms[0]), alone[0])


def test_the_checksum_depends_on_the_codes():
    units = PhoneticUnits(FilterbankEncoder(), quantizer("vq"))
    before = units.checksum()
    units.quantizer.bottleneck.codebook.codes[0, 0] += 1
    assert units.checksum() != before


def test_log_probs_agree_with_the_units():
    trained = quantizer("vq").eval()
    features = torch.randn(1, 20, 26)
    assert torch.equal(trained.log_probs(features)[0].argmax(-1), trained(features[0]))


def test_a_saved_class_that_is_unknown_is_an_error(tmp_path):
    PhoneticUnits(FilterbankEncoder(), quantizer("vq")).save(tmp_path / "units")
    path = tmp_path / "units" / "phonetic.json"
    config = json.loads(path.read_text())
    config["quantizer"]["arguments"]["bottleneck"]["class"] = "Sieve"
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="unknown bottleneck 'Sieve'"):
        PhoneticUnits.load(tmp_path / "units")


def test_the_head_reads_a_row_as_if_it_had_no_padding():
    torch.manual_seed(0)
    head = ReadingHead(16, Characters(), TransformerLayers(1, 16, 2, 24), outputs_per_unit=2).eval()
    codes = torch.randn(2, 9, 16)
    codes[1, 6:] = 0
    is_frame = torch.arange(9) < torch.tensor([9, 6])[:, None]
    together = head(codes, is_frame)
    assert together.shape == (2, 18, 29)
    alone = head(codes[1:, :6], is_frame[1:, :6])
    torch.testing.assert_close(together[1:, :12], alone, atol=1e-5, rtol=1e-5)


def test_parts_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match="takes latents of width 8, but the layers' are 32"):
        SupervisedQuantizer(VectorQuantizer(9, 8), ConvolutionLayers(26, 32))
    with pytest.raises(ValueError, match="odd"):
        ReadingHead(8, Characters(), kernel_frames=4)
    with pytest.raises(ValueError, match="width 26, but the codes' is 8"):
        ReadingHead(8, Characters(), ConvolutionLayers(26, 32))
