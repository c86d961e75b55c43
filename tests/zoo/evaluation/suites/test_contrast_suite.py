import json

import numpy as np
import pytest
import torch

from tests.toy_tokens import WORDS, words_vocabulary
from zoo.audio import AudioError, write
from zoo.evaluation.suites.contrast_suite import load_contrasts
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary


class Loudness(SpeechTokenizer):
    """Units are the mean amplitude of each 40 ms, in twentieths."""

    def __init__(self):
        super().__init__()
        self.streams, self.sample_rate, self.num_encoded = (Stream("Hu", 20, 25.0),), 16000, 0

    def encode(self, waveform):
        self.num_encoded += 1
        frames = waveform[: len(waveform) // 640 * 640].view(-1, 640)
        return {"Hu": (frames.mean(1) * 20).round().long().clamp(0, 19).numpy()}


VOCABULARY = Vocabulary(words_vocabulary().text, Loudness().streams, multiple=8)


@pytest.fixture
def suite(tmp_path):
    def part(*units):
        name = f"audio/{'_'.join(map(str, units))}.wav"
        write(tmp_path / name, torch.tensor(units).repeat_interleave(640) / 20, 16000)
        return {"text": " ".join(WORDS[u] for u in units), "audio": name}

    (tmp_path / "audio").mkdir()
    rows = [{"id": n, "prompt": part(n, n + 1), "right": part(10 + n), "wrong": part(9)} for n in range(4)]

    def save(rows):
        (tmp_path / "suite.jsonl").write_text(
            "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
        )
        return tmp_path / "suite.jsonl"

    return rows, save


def test_content_is_the_ids_of_the_text_and_of_the_audio(suite):
    rows, save = suite
    tokenizer = Loudness()
    items = load_contrasts(save(rows), tokenizer, VOCABULARY)
    assert len(items) == 4 and tokenizer.num_encoded == 9  # the wrong ending they share is encoded once
    for row, item in zip(rows, items, strict=True):
        for name in ("prompt", "right", "wrong"):
            both = item.wrong[0] if name == "wrong" else getattr(item, name)
            assert both.text.tolist() == VOCABULARY.text.encode(row[name]["text"])
            assert [WORDS[u] for u in both.speech - VOCABULARY.first_unit] == row[name]["text"].split()


def test_many_wrong_ones_groups_and_parts_left_out(suite):
    rows, save = suite
    for row in rows:
        del row["prompt"]
        row |= {"wrong": [row["wrong"], {"text": "tom"}], "group": f"g{row['id'] % 2}"}
    items = load_contrasts(save(rows), Loudness(), VOCABULARY)
    assert [(item.id, item.group, item.prompt, len(item.wrong)) for item in items] == [
        (str(n), f"g{n % 2}", None, 2) for n in range(4)
    ]
    assert items[0].wrong[1].speech is None and items[0].wrong[1].text.tolist() == VOCABULARY.text.encode("tom")
    assert not items[0].supports("S->S") and items[0].supports("T->T") and not items[0].supports("T->S")


def test_without_a_tokenizer_recordings_are_ignored(suite):
    rows, save = suite
    items = load_contrasts(save(rows), None, VOCABULARY)
    assert (
        [item.prompt.speech for item in items] == [None] * 4
        and items[0].supports("T->T")
        and not items[0].supports("S->S")
    )


def test_at_most_as_many_as_asked(suite):
    rows, save = suite
    assert len(load_contrasts(save(rows), Loudness(), VOCABULARY, limit=2)) == 2


@pytest.mark.parametrize(
    "corrupt, message",
    [
        (lambda row: row.pop("right"), "suite.jsonl:2: missing right: expected an object with right and wrong"),
        (lambda row: row.update(wrong=[{}]), "suite.jsonl:2: {} is not a suite entry: expected text, audio or both"),
        (lambda row: row["prompt"].update(text=" "), "suite.jsonl:2: text ' ' is empty, or too short"),
        (lambda row: row.update(prompt=3), "suite.jsonl:2: 3 is not a suite entry"),
    ],
)
def test_a_broken_line_is_named(suite, corrupt, message):
    rows, save = suite
    corrupt(rows[1])
    with pytest.raises(ValueError, match=message):
        load_contrasts(save(rows), Loudness(), VOCABULARY)


def test_what_is_no_json_is_named(suite):
    rows, save = suite
    with pytest.raises(ValueError, match="suite.jsonl:2: not valid JSON"):
        load_contrasts(save([rows[0], "{broken\n"]), Loudness(), VOCABULARY)


def test_missing_audio_and_missing_tables_are_named(suite, tmp_path):
    rows, save = suite
    rows[1]["right"]["audio"] = "audio/none.wav"
    with pytest.raises(AudioError, match="none.wav: no such file"):
        load_contrasts(save(rows), Loudness(), VOCABULARY)
    with pytest.raises(FileNotFoundError, match="no suite at .*other.jsonl"):
        load_contrasts(tmp_path / "other.jsonl", Loudness(), VOCABULARY)


def test_ids_can_be_scored(suite):
    rows, save = suite
    item = load_contrasts(save(rows), Loudness(), VOCABULARY)[0]
    assert np.issubdtype(item.prompt.text.dtype, np.integer) and np.issubdtype(item.prompt.speech.dtype, np.integer)
