import lightning as L
import pytest
import torch

from datamodules.vocoder import HeldOutUtterances, VocoderDataModule
from lightningmodules.optimizers import GANOptimizer
from lightningmodules.speech_judgments import SpeechJudgments
from lightningmodules.vocoder import UnitVocoder
from tests.toy_speech import RATES, STREAMS, write_hums
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.vocoder import ConvNeXtSizes, DurationPredictor, ISTFTGenerator

LENGTHS = [16, 20, 18, 24, 17, 22, 19, 21] * 5


class Calls:
    """Opinion scores that are the number of the call."""

    names = ("dnsmos_ovrl",)

    def __init__(self):
        self.number = 0

    def __call__(self, waveforms, sample_rate):
        self.number += 1
        return {"dnsmos_ovrl": [float(self.number)] * len(waveforms)}


class Recorder:
    """A recognizer that always says the same words, and a speaker encoder; both keep what they were given."""

    def __init__(self):
        self.generated = []
        self.encoded = []

    def transcribe(self, waveforms, sample_rate):
        assert sample_rate == 16000
        self.generated.append([waveform.clone() for waveform in waveforms])
        return ["a hum"] * len(waveforms)

    def encode(self, waveforms, sample_rate):
        self.encoded.append([waveform.clone() for waveform in waveforms])
        return torch.nn.functional.normalize(torch.ones(len(waveforms), 2), dim=-1)


@pytest.fixture
def tokens(tmp_path):
    return write_hums(tmp_path / "hums", LENGTHS, texts=["one hum"] * len(LENGTHS))


def fit(tokens, path, callback, steps, checkpoint=None, **options):
    torch.manual_seed(0)
    generator = ISTFTGenerator(
        streams={stream.prefix: stream.size for stream in STREAMS},
        unit_rate=25,
        num_speakers=2,
        embedding_dim=8,
        backbone=ConvNeXtSizes(channels=16, hidden=16, num_blocks=1),
    )
    module = UnitVocoder(generator, DurationPredictor(8, 8), None, optimizer=GANOptimizer(learning_rate=1e-3))
    held_out = HeldOutUtterances(num_utterances=4)  # a tenth of all utterances
    data = VocoderDataModule(tokens, RATES, segment_units=6, batch_size=2, held_out=held_out)
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=path,
        max_steps=steps,
        val_check_interval=1,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=1,
        callbacks=[callback],
        **options,
    )
    trainer.fit(module, data, ckpt_path=checkpoint)
    return trainer


def test_validation_utterances_are_judged_in_a_fit(tokens, tmp_path):
    recorder, calls = Recorder(), Calls()
    judges = SpeechJudges(recorder.transcribe, recorder.encode, [calls])
    trainer = fit(tokens, tmp_path, SpeechJudgments(judges, num_utterances=3, every_n_validations=2), steps=4)
    # Validations 1 and 3 of 4 are judged, and the sanity check is not; three of the four utterances each time.
    assert [len(waveforms) for waveforms in recorder.generated] == [3, 3] and calls.number == 2
    assert float(trainer.callback_metrics["val/word_error_rate"]) == pytest.approx(0.5)
    assert float(trainer.callback_metrics["val/character_error_rate"]) > 0
    assert float(trainer.callback_metrics["val/speaker_similarity"]) == pytest.approx(1)
    assert float(trainer.callback_metrics["val/dnsmos_ovrl"]) == 2
    # Generated speech changes from one validation to the next; the voices it is compared with are the recordings.
    first, second = recorder.generated
    assert not any(torch.equal(before, after) for before, after in zip(first, second, strict=True))
    generated, recordings, _, recordings_again = recorder.encoded
    assert all(torch.equal(a, b) for a, b in zip(recordings, recordings_again, strict=True))
    assert not any(torch.equal(a, b) for a in generated for b in recordings)


def test_the_count_of_validations_resumes(tokens, tmp_path):
    calls = Calls()
    callback = SpeechJudgments(SpeechJudges(opinions=[calls]), num_utterances=1, every_n_validations=2)
    trainer = fit(tokens, tmp_path, callback, steps=1)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    resumed = SpeechJudgments(SpeechJudges(opinions=[calls]), num_utterances=1, every_n_validations=2)
    fit(tokens, tmp_path, resumed, steps=2, checkpoint=tmp_path / "last.ckpt")
    assert resumed.num_validations == 2 and calls.number == 1  # validation 1 was judged, 2 is skipped


@pytest.mark.parametrize("options", [{"num_utterances": 0}, {"every_n_validations": 0}])
def test_numbers_below_one_are_refused(options):
    with pytest.raises(ValueError, match="at least 1"):
        SpeechJudgments(SpeechJudges(), **options)
