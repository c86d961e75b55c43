"""Speech becomes the same units on a GPU, up to what rounding turns, and units the same speech."""

import copy

import numpy as np
import pytest
import torch

from recipes.stages.tokens import tokenize_corpus
from tests.toy_corpus import melody, write_tones
from tests.toy_prosody import hum
from tests.toy_tokens import words_vocabulary
from tests.zoo.vocoder.test_vocoder import SIZES, STREAMS, make
from zoo.language.stopping import predicted_seconds
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.metrics.mel_distance import MelDistance
from zoo.speech.ctc_quantizer import ContextCTCQuantizer, CTCQuantizer
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.hubert_pretraining import hubert
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.style_encoders import ProsodyStyleEncoder, TransformerStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleClusters, StyleUnits
from zoo.speech.vector_quantizer import EMACodebook
from zoo.speech.vtln import VTLNFilterbankEncoder
from zoo.tokenizers.engines import LocalProcesses, OneDevice
from zoo.tokenizers.speech_tokenizer import Base, Expressive
from zoo.tokens.contract import write_contract
from zoo.tokens.merged_streams import parse
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.griffin_lim import UnitMelTable
from zoo.vocoder.streaming import StreamingVocoder

WAVEFORMS = [
    hum(pitch, style, 2.5, seed)
    for seed, (pitch, style) in enumerate([(110.0, "calm"), (190.0, "glad"), (230.0, "calm"), (150.0, "glad")])
]
WAVEFORMS += [melody(seed, 3.0) for seed in range(8)]
SMALL = {
    "hidden_size": 64,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 128,
    "conv_dim": 64,
    "position_kernel": 16,
    "position_groups": 4,
}


def encoder(kind):
    torch.manual_seed(0)
    if kind == "hubert":
        return HubertEncoder(hubert(**SMALL), 2)
    result = VTLNFilterbankEncoder() if kind == "vtln" else FilterbankEncoder()
    result.adapt(WAVEFORMS)
    return result


def phonetic(kind, quantizer):
    result = encoder(kind)
    frames = torch.cat(result.batch(WAVEFORMS)).detach()
    if quantizer in ("kmeans", "path"):
        return PhoneticUnits(
            result, fit_kmeans([frames] * 5, 20, switch_penalty=0.5 if quantizer == "path" else 0.0).quantizer
        )
    torch.manual_seed(1)
    net = (
        CTCQuantizer([result.dim, 32, 21])
        if quantizer == "ctc"
        else ContextCTCQuantizer(result.dim, [32, 21], context_dim=24, num_blocks=2)
    )
    with torch.no_grad():
        net.layers[-1].weight *= 5
    return PhoneticUnits(result, net)


def expressive():
    torch.manual_seed(2)
    sizes = {"dim": 16, "width": 16, "depth": 2}
    pitch = PitchUnits(
        Autocorrelation(), PitchVQVAE(PitchEncoder(**sizes), EMACodebook(12, 16), PitchDecoder(**sizes), 30.0)
    )
    codes = torch.cat(
        [
            pitch.vqvae.encoder(torch.randn(1, 2, 400) * torch.tensor([[30.0], [1.0]]) / pitch.vqvae.scale)[0].T
            for _ in range(3)
        ]
    )
    pitch.vqvae.codebook.set_codes(codes[:: len(codes) // 12][:12].detach())
    prosody = ProsodyStyleEncoder(dim=16, depth=2)
    return Expressive(phonetic("hubert", "kmeans"), pitch, StyleUnits(prosody, StyleClassifier(16, 4, 16)))


def equal_shares(a, b):
    """Of units that are equal, over lists of units by prefix."""
    equal = {prefix: np.concatenate([x[prefix] == y[prefix] for x, y in zip(a, b, strict=True)]) for prefix in a[0]}
    return {prefix: float(each.mean()) for prefix, each in equal.items()}


@pytest.mark.parametrize("quantizer", ["kmeans", "path", "ctc", "context"])
@pytest.mark.parametrize("kind", ["hubert", "filterbank", "vtln"])
def test_phonetic_units_equal_those_on_the_cpu(device, kind, quantizer):
    on_cpu = phonetic(kind, quantizer)
    expected = on_cpu.encode_batch(WAVEFORMS)
    on_device = copy.deepcopy(on_cpu).to(device)
    actual = on_device.encode_batch(WAVEFORMS)
    assert len(set(np.concatenate(expected).tolist())) > 3
    equal = float(np.mean(np.concatenate(actual) == np.concatenate(expected)))
    with torch.backends.cudnn.flags(allow_tf32=True):
        rounded = float(np.mean(np.concatenate(on_device.encode_batch(WAVEFORMS)) == np.concatenate(expected)))
    print(f"equal units, {kind}, {quantizer}: {equal:.4f} in float32, {rounded:.4f} with TF32")
    assert equal >= 0.99 and rounded >= 0.95


def test_expressive_streams_equal_those_on_the_cpu(device):
    on_cpu = expressive()
    expected, actual = on_cpu.encode_batch(WAVEFORMS), copy.deepcopy(on_cpu).to(device).encode_batch(WAVEFORMS)
    equal = equal_shares(actual, expected)
    print("equal units, expressive:", equal)
    assert min(equal.values()) >= 0.99


@pytest.mark.parametrize("kind", ["classifier", "clusters"])
def test_transformer_style_units_equal_those_on_the_cpu(device, kind):
    torch.manual_seed(0)
    network = TransformerStyleEncoder.untrained(hidden_size=32, num_layers=2, num_heads=2, feed_forward=64, conv_dim=16)
    head = StyleClassifier(32, 4, 16) if kind == "classifier" else StyleClusters(8, 32)
    if kind == "clusters":
        with torch.no_grad():
            points = torch.cat([head.unit_means(network.eval()(waveform[None]), 50)[0] for waveform in WAVEFORMS])
        head.kmeans.centroids.copy_(points[:8])
    on_cpu = StyleUnits(network, head)
    expected, on_device = [on_cpu.encode(waveform) for waveform in WAVEFORMS], copy.deepcopy(on_cpu).to(device)
    assert (
        np.mean(np.concatenate([on_device.encode(waveform) for waveform in WAVEFORMS]) == np.concatenate(expected))
        >= 0.95
    )


@pytest.mark.parametrize("kind", ["base", "expressive"])
def test_tokenized_corpus_equals_that_of_cpu_processes(device, kind, tmp_path):
    corpus = write_tones(tmp_path, train=8, dev=3)
    tokenizer = Base(phonetic("hubert", "ctc")) if kind == "base" else expressive()
    tokenizer.save(tmp_path / "tokenizer")
    vocabulary = Vocabulary(words_vocabulary().text, tokenizer.streams, multiple=8)
    vocabulary.save(tmp_path / "vocabulary")
    write_contract(tmp_path / "vocabulary", {**tokenizer.contract, "vocabulary": vocabulary.contract})
    for name, engine in (("device", OneDevice(device)), ("processes", LocalProcesses(2))):
        tokenize_corpus(tmp_path / name, corpus, tmp_path / "tokenizer", tmp_path / "vocabulary", engine=engine)
    actual, expected = ([row.units for row in TokenTable(tmp_path / name, "train")] for name in ("device", "processes"))
    assert len(expected) == 8 and min(equal_shares(actual, expected).values()) >= 0.99


@pytest.mark.parametrize("extractor", [Autocorrelation, FCPE])
def test_f0_equals_that_on_the_cpu(device, extractor):
    result = extractor()
    for waveform in WAVEFORMS[:4]:
        expected = result(waveform)
        actual = result.to(device)(waveform.to(device))
        assert actual.frequency.device.type == actual.voiced.device.type == device
        assert (actual.voiced.cpu() == expected.voiced).float().mean() >= 0.99
        both = actual.voiced.cpu() & expected.voiced
        off = (actual.frequency.cpu()[both] / expected.frequency[both]).log2().abs()
        assert both.any() and (off < 0.01).float().mean() >= 0.98
        result.cpu()


@pytest.mark.parametrize("kind", ["unit", "istft"])
def test_synthesized_speech_equals_that_on_the_cpu(device, kind):
    on_cpu = make(kind=kind)
    on_device = copy.deepcopy(on_cpu).to(device)
    units = ["[Hu1][Pi2][Hu5][St3][Hu7][Pi1][Hu2][Hu9]", "[Hu3][Pi1][St1][Hu4]"]
    expected, actual = on_cpu.batch(units, ["ann", "bob"]), on_device.batch(units, ["ann", "bob"])
    for a, b in zip(actual, expected, strict=True):
        assert a.device.type == device
        torch.testing.assert_close(a.cpu(), b, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        torch.cat(list(on_device.stream(units[0], chunk_units=7))).cpu(), on_cpu(units[0]), rtol=0, atol=1e-3
    )
    tokens = parse(units[0], STREAMS)
    assert predicted_seconds(on_device)(tokens) == predicted_seconds(on_cpu)(tokens)


def test_incremental_vocoding_equals_vocoding_at_once(device):
    voice = make(kind="istft", streams=STREAMS[:1]).to(device)
    parts = ["".join(f"[Hu{n % 20}]" for n in range(start, start + 24, 3)) for start in range(0, 120, 24)]
    streaming = StreamingVocoder(voice)
    pieces = [streaming(parse(part, STREAMS[:1]), part is parts[-1]) for part in parts]
    torch.testing.assert_close(torch.cat(pieces), voice("".join(parts)), rtol=0, atol=1e-3)


def test_mean_spectra_and_metrics_equal_those_on_the_cpu(device):
    on_cpu, units = UnitMelTable(SIZES["Hu"], 25.0), torch.arange(40) % 20
    on_device = copy.deepcopy(on_cpu).to(device)
    on_cpu.add(units, WAVEFORMS[0][: 40 * 640])
    on_device.add(units.to(device), WAVEFORMS[0][: 40 * 640].to(device))
    torch.testing.assert_close(on_device.total.cpu(), on_cpu.total, rtol=1e-4, atol=1e-3)
    assert on_device(units.to(device)).shape == (40 * 640,)
    pair = WAVEFORMS[0][None, :32000], WAVEFORMS[1][None, :32000]
    for metric in (MelDistance(), F0Errors(Autocorrelation())):
        elsewhere = copy.deepcopy(metric).to(device)
        metric.update(*pair)
        elsewhere.update(*(waveform.to(device) for waveform in pair))
        expected, actual = (
            {"value": value} if isinstance(value, torch.Tensor) else value
            for value in (metric.compute(), elsewhere.compute())
        )
        assert all(actual[name].item() == pytest.approx(expected[name].item(), rel=0.02, abs=1e-3) for name in expected)
