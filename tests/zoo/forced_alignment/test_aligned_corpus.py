import gzip
import json

import pytest
import torch

from recipes.stages.alignment import align_corpus
from tests.toy_cuts import file_cut
from zoo.audio import write
from zoo.corpora import open_corpus, prepare, read_cuts, to_utterance
from zoo.corpora.source import BadItem, Items
from zoo.forced_alignment import Aligned, Alignment
from zoo.forced_alignment.alignment_results import ResultLog, results_path
from zoo.forced_alignment.prepared_corpus import align_prepared_corpus


class Even:
    """Gives every word as much of the audio; knows no word with an x."""

    sample_rate = 16000

    def __init__(self, name="even", dies_after=None, with_phones=False):
        self.name = name
        self.dies_after = dies_after
        self.with_phones = with_phones
        self.num_calls = 0

    def align(self, waveform, words, language="und"):
        self.num_calls += 1
        if self.dies_after is not None and self.num_calls > self.dies_after:
            raise KeyboardInterrupt
        if any("x" in word for word in words):
            raise ValueError("a word has an x")
        step = round(len(waveform) / 16000 / len(words), 3)
        times = tuple(
            (word, round(number * step, 3), round((number + 1) * step, 3)) for number, word in enumerate(words)
        )
        phonemes = tuple((word[:1], start, end) for word, start, end in times) if self.with_phones else None
        return Alignment(times, tuple(0.5 + number / 100 for number in range(len(words))), phonemes)


def write_table(folder, texts, words=None):
    rows = []
    for number, text in enumerate(texts):
        write(folder / f"{number}.wav", torch.full((16000,), 0.1), 16000)
        row = {"audio": f"{number}.wav", "text": text, "speaker": f"s{number}"}
        if words and number in words:
            row["words"] = words[number]
        rows.append(json.dumps(row))
    for split in ("train", "dev"):
        (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
    return folder


class Doubtful(Even):
    """Is sure of every second word alone."""

    def align(self, waveform, words, language="und"):
        alignment = super().align(waveform, words, language)
        confidences = tuple(0.009 if number % 2 else 0.02 for number in range(len(words)))
        return Alignment(alignment.words, confidences, alignment.phonemes)


@pytest.fixture
def corpus(tmp_path):
    exact = {1: [["c", 0.1, 0.3], ["d", 0.4, 0.9]]}
    source = open_corpus(write_table(tmp_path / "data", ["a b", "c d", "ox", "", "e f g"], exact))
    prepare(source, tmp_path / "corpus")
    return tmp_path / "corpus"


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_missing_times_are_added_and_others_kept(corpus, tmp_path):
    counts = align_prepared_corpus(tmp_path / "out", corpus, Even())
    utterances = [to_utterance(cut) for cut in read_cuts(tmp_path / "out", "train")]
    assert [utterance.text for utterance in utterances] == ["a b", "c d", "ox", "", "e f g"]
    assert utterances[0].words == (("a", 0.0, 0.5), ("b", 0.5, 1.0))
    assert utterances[0].word_confidences == (0.5, 0.51)
    assert utterances[1].words == (("c", 0.1, 0.3), ("d", 0.4, 0.9)) and utterances[1].word_confidences is None
    assert utterances[2].words is None and utterances[3].words is None
    train = counts["train"]
    assert (train.utterances, train.had_words, train.aligned, train.unaligned) == (4, 1, 2, 1)
    assert (train.words, train.aligned_words) == (6, 5) and train.mean_confidence == pytest.approx(0.508)
    unaligned = [json.loads(line) for line in (tmp_path / "out" / "unaligned.jsonl").read_text().splitlines()]
    assert unaligned[0] == {"split": "train", "id": utterances[2].id, "reasons": ["words: a word has an x"]}
    assert json.loads((tmp_path / "out" / "alignment.json").read_text())["dev"]["aligned"] == 2


@pytest.mark.parametrize("num_calls", [0, 1, 2, 4])
def test_an_interrupted_alignment_resumes_to_the_same_files(corpus, tmp_path, num_calls):
    align_prepared_corpus(tmp_path / "whole", corpus, Even())
    with pytest.raises(KeyboardInterrupt):
        align_prepared_corpus(tmp_path / "resumed", corpus, Even(dies_after=num_calls))
    assert not (tmp_path / "resumed" / "train.jsonl.gz").exists()
    log = results_path(tmp_path / "resumed", "train")
    log.write_bytes(log.read_bytes() + b'{"key": "half of a li')
    aligner = Even()
    align_prepared_corpus(tmp_path / "resumed", corpus, aligner)
    assert aligner.num_calls == 6 - num_calls  # three utterances in each of two splits
    assert files(tmp_path / "whole") == files(tmp_path / "resumed")


def test_results_of_another_aligner_or_corpus_are_not_used(corpus, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        align_prepared_corpus(tmp_path / "out", corpus, Even(dies_after=2))
    other = Even(name="another")
    align_prepared_corpus(tmp_path / "out", corpus, other)
    assert other.num_calls == 6


def test_processes_give_the_same_files(corpus, tmp_path):
    align_prepared_corpus(tmp_path / "one", corpus, Even(), num_processes=1)
    align_prepared_corpus(tmp_path / "two", corpus, Even(), num_processes=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_phones_are_added_beside_exact_words(corpus, tmp_path):
    counts = align_prepared_corpus(tmp_path / "out", corpus, None, Even(with_phones=True))
    utterances = [to_utterance(cut) for cut in read_cuts(tmp_path / "out", "train")]
    assert utterances[1].words == (("c", 0.1, 0.3), ("d", 0.4, 0.9))
    assert utterances[1].phonemes == (("c", 0.0, 0.5), ("d", 0.5, 1.0))
    assert utterances[0].words is None and utterances[0].phonemes is not None
    assert counts["train"].with_phones == 3


def test_one_aligner_of_both_runs_once(corpus, tmp_path):
    aligner = Even(with_phones=True)
    align_prepared_corpus(tmp_path / "out", corpus, aligner, aligner)
    # Exact words need phones alone, and an utterance that failed is tried for both.
    assert aligner.num_calls == 10
    cut = next(iter(read_cuts(tmp_path / "out", "train")))
    assert to_utterance(cut).words and to_utterance(cut).phonemes


def test_too_many_unaligned_utterances_are_an_error(tmp_path):
    prepare(open_corpus(write_table(tmp_path / "data", ["ax", "bx", "c"])), tmp_path / "corpus")
    with pytest.raises(ValueError, match="2 of 3 utterances of 'train' could not be aligned.*the first: .*has an x"):
        align_prepared_corpus(tmp_path / "out", tmp_path / "corpus", Even())
    align_prepared_corpus(tmp_path / "out", tmp_path / "corpus", Even(), max_unaligned_share=0.7)


def test_a_source_is_aligned_while_it_is_prepared(tmp_path):
    write(tmp_path / "a.wav", torch.full((16000,), 0.1), 16000)
    items = [file_cut(tmp_path / "a.wav", "a", "a b", "en", "x"), BadItem("b", "b.wav", "gone")]

    class Source:
        synthetic = True
        description = "two utterances"

        def splits(self, folder):
            return {"train": Items(lambda: iter(items))}

    corpus = Aligned(Source(), Even())
    aligned = list(corpus.splits(tmp_path)["train"])
    assert corpus.synthetic and corpus.description == "two utterances; words aligned" and aligned[1] is items[1]
    assert to_utterance(aligned[0]).words == (("a", 0.0, 0.5), ("b", 0.5, 1.0))
    with pytest.raises(ValueError, match="aligner and phone_aligner are both null"):
        Aligned(Source(), None)


def test_a_folder_without_a_corpus_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no prepared corpus; run the corpus stage first"):
        align_prepared_corpus(tmp_path / "out", tmp_path, Even())


def test_a_log_forgets_what_follows_another_key(tmp_path):
    path = tmp_path / "log.jsonl"
    with ResultLog(path) as log:
        assert log.next("a") is None
    assert path.read_bytes() == b""


def test_manifests_hold_the_scores(corpus, tmp_path):
    align_prepared_corpus(tmp_path / "out", corpus, Even())
    with gzip.open(tmp_path / "out" / "train.jsonl.gz") as lines:
        first = json.loads(next(iter(lines)))
    assert first["supervisions"][0]["alignment"]["word"][0] == ["a", 0.0, 0.5, 0.5]


def test_words_before_which_interleaving_may_switch_are_counted(corpus, tmp_path):
    counts = align_prepared_corpus(tmp_path / "aligned", corpus, Doubtful())["train"]
    assert (counts.aligned_words, counts.confident_words) == (5, 3)  # "a b" and "e f g"


def test_a_stage_without_an_aligner_passes_the_corpus_on(corpus, tmp_path):
    (tmp_path / "words").mkdir()
    assert align_corpus(tmp_path / "words", corpus) == {"aligned": "nothing: no aligner is named"}
    for split in ("train", "dev"):
        before = [to_utterance(cut) for cut in read_cuts(corpus, split)]
        assert [to_utterance(cut) for cut in read_cuts(tmp_path / "words", split)] == before
    assert (tmp_path / "words" / "corpus.json").read_bytes() == (corpus / "corpus.json").read_bytes()
