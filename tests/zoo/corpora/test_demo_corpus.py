import json
from collections import Counter

import pytest
import soundfile

from zoo.corpora import DemoCorpus, open_corpus, prepare, read_cuts, to_utterance
from zoo.corpora.demo_voices import speakers

SMALL = {"hours": 0.05, "num_cloze": 12}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return out, prepare(DemoCorpus(**SMALL, languages=("en", "de")), out, check_samples=True)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_is_a_corpus_like_any_other_and_says_it_is_synthetic(made):
    out, summary = made
    assert summary.synthetic and json.loads((out / "corpus.json").read_text())["synthetic"] is True
    assert json.loads((out / "demo" / "demo.json").read_text())["synthetic"] is True
    assert sum(split.skipped for split in summary.splits.values()) == 0
    assert sum(split.hours for split in summary.splits.values()) == pytest.approx(0.05, rel=0.25)
    direct = [to_utterance(cut) for cut in open_corpus(out / "demo").splits(out)["train"]]
    assert direct == list(map(to_utterance, read_cuts(out, "train")))
    assert {u.language for u in direct} == {"en", "de"}


def test_words_are_complete_and_inside_the_audio(made):
    out, _ = made
    for split in ("train", "dev", "test"):
        for u in map(to_utterance, read_cuts(out, split)):
            assert [word for word, _, _ in u.words] == u.text.split() and u.phonemes and u.style
            assert u.duration - 0.15 < u.words[-1][2] <= u.duration


def test_no_speaker_and_no_story_is_in_two_splits(made):
    out, _ = made
    seen = {split: list(map(to_utterance, read_cuts(out, split))) for split in ("train", "dev", "test")}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not {u.speaker for u in seen[one]} & {u.speaker for u in seen[other]}
        assert not {u.text for u in seen[one]} & {u.text for u in seen[other]}
    assert sum(len(speakers("en", split)) for split in seen) == 32


def test_the_cloze_suite_is_balanced_unseen_and_of_test_speakers(made):
    out, _ = made
    train = {u.text for u in map(to_utterance, read_cuts(out, "train"))}
    for name, language in (("story_cloze.jsonl", "en"), ("story_cloze_de.jsonl", "de")):
        items = rows(out / "demo" / "suites" / name)
        assert len(items) == 12 and {item["speaker"] for item in items} == set(speakers(language, "test"))
        assert Counter(i["right"]["text"] for i in items) == Counter(i["wrong"]["text"] for i in items)
        for item in items:
            assert item["synthetic"] is True and f"{item['prompt']['text']} {item['right']['text']}" not in train
            for part in ("prompt", "right", "wrong"):
                header = soundfile.info(out / "demo" / "suites" / item[part]["audio"])
                assert header.samplerate == 16000 and header.duration == pytest.approx(item[part]["duration"])
                assert [word for word, _, _ in item[part]["words"]] == item[part]["text"].split()


def test_the_same_to_the_bit_whatever_the_number_of_processes(tmp_path):
    for name, processes in (("one", 1), ("three", 3)):
        DemoCorpus(hours=0.02, num_cloze=4, num_processes=processes).write(tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    DemoCorpus(hours=0.02, num_cloze=4, seed=1).write(tmp_path / "other")
    assert contents(tmp_path / "other") != contents(tmp_path / "one")


def test_an_interrupted_run_is_run_again_and_a_finished_one_is_left_alone(tmp_path):
    corpus = DemoCorpus(hours=0.01, num_cloze=2)
    corpus.write(tmp_path / "demo")
    want = contents(tmp_path / "demo")
    for left_over in ("demo.json", "train.jsonl", "audio/en_train_00000.flac"):
        (tmp_path / "demo" / left_over).unlink()
    (tmp_path / "demo" / "audio" / "en_train_00001.flac").write_bytes(b"half")
    corpus.write(tmp_path / "demo")
    assert contents(tmp_path / "demo") == want
    (tmp_path / "demo" / "train.jsonl").unlink()
    corpus.write(tmp_path / "demo")
    assert not (tmp_path / "demo" / "train.jsonl").exists()
    with pytest.raises(ValueError, match="made with .*'hours': 0.01.*now asked for .*'hours': 0.02"):
        DemoCorpus(hours=0.02, num_cloze=2).write(tmp_path / "demo")


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"languages": ("fr",)}, "no story grammar for 'fr'; there are en, de, es"),
        ({"languages": ()}, "languages: none"),
        ({"hours": 0}, "hours=0: want above 0"),
        ({"num_processes": 0}, "num_processes=0: want from 1"),
    ],
)
def test_mistakes(arguments, says):
    with pytest.raises(ValueError, match=says):
        DemoCorpus(**arguments)
