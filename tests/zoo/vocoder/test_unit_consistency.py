import pytest
import torch

from zoo.speech.ctc_quantizer import CTCQuantizer
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base
from zoo.vocoder.unit_consistency import UnitConsistencyLoss


def tones(hertz: list[float], seconds: float = 0.4) -> torch.Tensor:
    time = torch.arange(round(seconds * 16000)) / 16000
    return torch.cat(
        [0.3 * torch.sin(2 * torch.pi * f * time) + 0.1 * torch.sin(6 * torch.pi * f * time) for f in hertz]
    )


@pytest.fixture(scope="module")
def tokenizer():
    encoder = FilterbankEncoder()
    features = torch.cat(
        [encoder(tones(hertz)) for hertz in ([200.0, 400.0, 1500.0], [1500.0, 200.0, 900.0], [900.0, 400.0, 200.0])]
    )
    return Base(PhoneticUnits(encoder, fit_kmeans([features], 8).quantizer))


def test_speech_is_heard_as_its_own_units(tokenizer):
    spoken = tones([400.0, 1500.0, 200.0])
    units = torch.from_numpy(tokenizer.encode(spoken)["Hu"])
    loss = UnitConsistencyLoss(tokenizer)
    assert (
        loss(spoken[None], {"units": {"Hu": units[None]}})
        < loss(spoken[None], {"units": {"Hu": units.roll(7)[None]}}) - 1
    )
    log_probs = tokenizer.extractors["Hu"].quantizer.log_probs(tokenizer.extractors["Hu"].encoder(spoken))
    assert loss(spoken[None], {"units": {"Hu": units[None]}}).item() == pytest.approx(
        -log_probs.gather(1, units[:, None]).mean().item(), rel=1e-4
    )


def test_a_waveform_learns_to_be_heard_as_units(tokenizer):
    units = torch.from_numpy(tokenizer.encode(tones([200.0, 1500.0, 900.0]))["Hu"])[None]
    made = (0.01 * torch.randn(1, 640 * units.shape[1], generator=torch.Generator().manual_seed(0))).requires_grad_()
    loss, learning = UnitConsistencyLoss(tokenizer), torch.optim.Adam([made], 1e-3)
    before = loss(made, {"units": {"Hu": units}}).item()
    for _ in range(40):
        learning.zero_grad()
        loss(made, {"units": {"Hu": units}}).backward()
        learning.step()
    assert loss(made, {"units": {"Hu": units}}).item() < 0.5 * before


def test_the_tokenizer_is_no_part_of_what_is_trained(tokenizer):
    loss = UnitConsistencyLoss(tokenizer)
    assert not list(loss.parameters()) and not loss.state_dict()
    assert not any(weight.requires_grad for weight in tokenizer.extractors["Hu"].quantizer.parameters())


def test_frames_that_stayed_blank_tell_nothing():
    torch.manual_seed(0)
    quantizer = CTCQuantizer([26, 12, 6])
    loss = UnitConsistencyLoss(Base(PhoneticUnits(FilterbankEncoder(), quantizer)))
    spoken, units = tones([300.0, 800.0])[None], torch.randint(5, (1, 20), generator=torch.Generator().manual_seed(1))
    log_probs = quantizer.log_probs(FilterbankEncoder()(spoken[0]))[:, :5].log_softmax(-1)
    blank = units.clone()
    blank[:, 8:] = quantizer.size
    assert loss(spoken, {"units": {"Hu": blank}}).item() == pytest.approx(
        -log_probs[:8].gather(1, units[0, :8, None]).mean().item(), rel=1e-4
    )
    assert not any(weight.requires_grad for weight in quantizer.parameters())
