import numpy as np
import pytest

from zoo.comparison.transcript_probe import ProbeTraining, TranscribedUnits, probe_transcripts
from zoo.comparison.transcripts import UnitTranscripts, transcripts_markdown, transcripts_report

TRAINING = ProbeTraining(steps=80, batch_size=8, learning_rate=2e-2, dim=24, num_layers=1, kernel_units=5, dropout=0.0)


def transcribed(count, seed, share_kept=1.0):
    """Units that are the letters of a text, three a letter, of which some are replaced by a unit without meaning."""
    draw = np.random.default_rng(seed)
    units = []
    texts = []
    for _ in range(count):
        text = " ".join("".join(draw.choice(list("abc"), 2)) for _ in range(3))
        row = np.repeat([" abc".index(character) for character in text], 3)
        units.append(np.where(draw.random(len(row)) < share_kept, row, 4))
        texts.append(text)
    return TranscribedUnits(units, texts)


@pytest.fixture(scope="module")
def readings():
    whole = probe_transcripts(transcribed(60, 0), transcribed(20, 1), 5, TRAINING)
    lossy = probe_transcripts(transcribed(60, 0, 0.2), transcribed(20, 1, 0.2), 5, TRAINING)
    return whole, lossy


def test_units_that_keep_the_text_are_read_with_fewer_errors(readings):
    whole, lossy = readings
    assert whole.characters.estimate().value < 0.2 < lossy.characters.estimate().value
    assert lossy.words.minus(whole.words).low > 0


def test_a_reading_depends_on_units_and_seed_alone(readings):
    again = probe_transcripts(transcribed(60, 0), transcribed(20, 1), 5, TRAINING)
    assert again.texts == readings[0].texts


def test_the_report_has_errors_differences_and_bits(readings):
    test = transcribed(20, 1)
    measured = {
        "whole": UnitTranscripts.measure(readings[0], test, 5, 25.0),
        "lossy": UnitTranscripts.measure(readings[1], transcribed(20, 1, 0.2), 5, 25.0),
    }
    report = transcripts_report(measured)
    assert report["whole"]["units_used"] == [4, 5] and report["whole"]["bits_per_second"] < 50
    assert report["lossy"]["word_error_less_baseline"]["difference"] > 0
    assert "Synthetic speech" in transcripts_markdown(measured, True)
    assert "| lossy |" in transcripts_markdown(measured, False)


def test_a_probe_without_utterances_is_an_error():
    with pytest.raises(ValueError, match="got 0 utterances"):
        probe_transcripts(TranscribedUnits([], []), transcribed(1, 0), 5, TRAINING)
