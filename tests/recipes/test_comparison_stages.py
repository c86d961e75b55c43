import json

import pytest
import torch

from datamodules.vocoder import VocoderDataModule
from recipes.commands.cli import main
from recipes.stages.comparison import measure_language_models, measure_resynthesis, measure_tokenizers
from recipes.stages.comparison_report import write_comparison
from recipes.stages.tokenizer import build_vocabulary
from recipes.stages.tokens import tokenize_corpus
from tests.toy_prosody import write_corpus
from tests.toy_recognizer import write_recognizer
from tests.toy_speech import write_hums
from tests.toy_tokens import tiny_network
from zoo.comparison.language_models import LanguageModelVariant
from zoo.comparison.report_content import scalars
from zoo.corpora import open_corpus, prepare
from zoo.evaluation.judges.recognizers import PretrainedRecognizer
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.files import atomic_folder
from zoo.language.adapters import save_language_model
from zoo.speech.augmentation import ColoredNoise, Noise
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.style_encoders import ProsodyStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits
from zoo.tokenizers.speech_tokenizer import Base, load_tokenizer
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder import (
    ConvNeXtSizes,
    DurationPredictor,
    ISTFTGenerator,
    Vocoder,
)


def tokenizer(size, seed):
    torch.manual_seed(seed)
    encoder = FilterbankEncoder()
    quantizer = KMeans(size, encoder.dim)
    quantizer.centroids.normal_()
    return Base(PhoneticUnits(encoder, quantizer))


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """A corpus of hums, and two tokenizers of it."""
    folder = tmp_path_factory.mktemp("variants")
    corpus, folders = write_corpus(folder, 3), {}
    for name, size in (("Small", 4), ("Large", 12)):
        tokenizer(size, 0).save(folder / name)
        folders[name] = folder / name
    return folder, corpus, folders


@pytest.fixture(scope="module")
def measured(variants):
    folder, corpus, folders = variants
    out = folder / "units"
    out.mkdir()
    measure_tokenizers(
        out, corpus, {name: [folder, folder] for name, folder in folders.items()}, {"noise": Noise(ColoredNoise())}
    )
    return out


def measures_of(folder):
    measures = json.loads((folder / "measures.json").read_text())["measures"]
    return {measure["key"]: measure for measure in measures}


def test_units_of_variants_are_compared_over_the_same_utterances(measured):
    measures = measures_of(measured)
    rate = measures["tokens_per_second"]
    assert list(rate["values"]) == ["Small", "Large"] and rate["values"]["Small"]["n"] == 6
    assert rate["differences"]["Large"]["value"] == pytest.approx(
        rate["values"]["Large"]["value"] - rate["values"]["Small"]["value"], abs=2e-4
    )
    assert rate["differences"]["Large"]["excludes_zero"] and "ued_noise_Hu" in measures and "pnmi" not in measures
    assert (
        rate["seeds"] == 2
        and rate["trained"] == "tokenizers"
        and rate["by_seed"]["Large"] == [rate["values"]["Large"]["value"]] * 2
    )
    assert json.loads((measured / "measures.json").read_text())["notes"]["left_out"]["abx, Large"] == "no phone times"


def test_the_report_is_a_page_a_table_and_scalars(variants, measured, tmp_path):
    _, corpus, _ = variants
    lines = write_comparison(tmp_path / "out", tmp_path, corpus, "Sizes", {"units": measured}, {"Note": "well"})
    report = json.loads((tmp_path / "report.json").read_text())
    assert lines["Expressive takes more tokens per second"].startswith(
        "holds"
    )  # whatever is compared stands in for both names
    assert (
        report["synthetic_speech"] is False
        and report["claims"][0]["against"] == "Small"
        and report["notes"]["Note"] == "well"
    )
    page = (tmp_path / "report.html").read_text()
    assert (
        page == (tmp_path / "out" / "report.html").read_text()
        and "Recorded speech." in page
        and "Large less Small" in page
    )
    assert list((tmp_path / "out" / "logs").glob("events*"))
    values = scalars(report["measures"])
    assert (
        values["Large/tokens_per_second"] == measures_of(measured)["tokens_per_second"]["values"]["Large"]["value"]
        and "Large_difference/tokens_per_second" in values
    )


def test_the_command_compares_tokenizers(variants, tmp_path, capsys):
    _, corpus, folders = variants
    arguments = [f"{name}={folder}" for name, folder in folders.items()]
    main(
        ["compare", *arguments, arguments[1], "--corpus", str(corpus), "--limit", "2", "--out", str(tmp_path / "page")]
    )
    measure = measures_of(tmp_path / "page" / "units")["tokens_per_second"]
    assert [len(figures) for figures in measure["by_seed"].values()] == [1, 2] and not measure[
        "differences"
    ]  # other numbers of seeds are not paired
    assert "tokens per second: Small" in capsys.readouterr().out and (tmp_path / "page" / "report.html").is_file()
    with pytest.raises(SystemExit):
        main(["compare", "nameless", "--corpus", str(corpus)])
    assert "want NAME=FOLDER" in capsys.readouterr().err


def save_vocoder(folder, tokenizer_folder, speakers):
    speech_tokenizer = load_tokenizer(tokenizer_folder)
    (stream,) = speech_tokenizer.streams
    sizes = ConvNeXtSizes(channels=8, hidden=8, num_blocks=1)
    generator = ISTFTGenerator({"Hu": stream.size}, 25, num_speakers=len(speakers), embedding_dim=4, backbone=sizes)
    contract = read_contract(tokenizer_folder)
    Vocoder(generator, [stream], DurationPredictor(4, 8), speakers, contract=contract).save(folder)
    return folder


@pytest.mark.parametrize("known", [True, False])
def test_the_command_judges_vocoders_beside_recordings_and_griffin_lim(variants, tmp_path, capsys, monkeypatch, known):
    monkeypatch.setattr("zoo.evaluation.judges.speech_judges.find_spec", lambda name: None)  # a recognizer alone
    _, _, folders = variants
    corpus = write_corpus(tmp_path, 2, text="a b")
    speakers = ["ann", "dan"] if known else ["ann"]
    arguments = ["compare", *(f"{name}={folder}" for name, folder in folders.items()), "--corpus", str(corpus)]
    for name, folder in reversed(folders.items()):  # the order of the tokenizers decides
        arguments += ["--vocoder", f"{name}={save_vocoder(tmp_path / name, folder, speakers)}"]
    recognizer = write_recognizer(tmp_path / "recognizer", "b")
    main([*arguments, "--asr", str(recognizer), "--limit", "3", "--out", str(tmp_path / "page")])
    measures = measures_of(tmp_path / "page" / "resynthesis")
    errors = measures["word_error_rate" if known else "word_error_rate_unseen"]
    assert list(errors["values"]) == ["Small", "Large", "Originals", "Griffin-Lim"]
    assert errors["values"]["Small"]["n"] == 3 and errors["values"]["Originals"]["value"] == 0.5
    assert ("mel_distance" in measures) == known
    page = (tmp_path / "page" / "report.html").read_text()
    assert "word error rate of a recognizer" in page and "Griffin-Lim" in page
    assert "word error rate of a recognizer: Small" in capsys.readouterr().out


def test_a_vocoder_without_its_tokenizer_is_refused(variants, tmp_path, capsys):
    _, corpus, folders = variants
    vocoder = save_vocoder(tmp_path / "vocoder", folders["Small"], ["ann"])
    arguments = ["compare", f"Small={folders['Small']}", "--corpus", str(corpus), "--out", str(tmp_path / "page")]
    for named, message in ((f"Other={vocoder}", "no tokenizer has this name"), (str(vocoder), "want NAME=FOLDER")):
        with pytest.raises(SystemExit):
            main([*arguments, "--vocoder", named])
        assert message in capsys.readouterr().err


def test_every_variant_resynthesizes_the_same_utterances(tmp_path):
    tokens = write_hums(tmp_path, [30] * 20)
    tokenizer(6, 0).save(tmp_path / "tokenizer")
    contract = read_contract(tmp_path / "tokenizer")
    write_contract(tokens, contract)
    for name, seed in (("one", 0), ("two", 1)):
        torch.manual_seed(seed)
        generator = ISTFTGenerator(
            {"Hu": 6}, 25, num_speakers=2, embedding_dim=4, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1)
        )
        Vocoder(generator, tokenizer(6, 0).streams, DurationPredictor(4, 8), ["bob", "ann"], contract=contract).save(
            tmp_path / name
        )
    style = StyleUnits(ProsodyStyleEncoder(8), StyleClassifier(8, 2, hidden=4, labels=["calm", "glad"]))
    style.save(tmp_path / "style")
    data = {name: VocoderDataModule(tokens, {"Hu": 25.0}, 10, 2) for name in ("one", "two")}
    vocoders, tokenizers = {name: tmp_path / name for name in data}, dict.fromkeys(data, tmp_path / "tokenizer")
    out = tmp_path / "out"
    out.mkdir()
    measure_resynthesis(out, tokenizers, vocoders, data, Autocorrelation(), tmp_path / "style", num_examples=1)
    measure = measures_of(out)["mel_distance"]
    assert measure["values"]["one"]["n"] == 2 and measure["differences"]["two"]["value"] == pytest.approx(
        measure["values"]["two"]["value"] - measure["values"]["one"]["value"], abs=2e-4
    )
    (example,) = json.loads((out / "examples.json").read_text())
    assert (
        list(example["sounds"]) == ["original", "one", "two"]
        and (out / "0_two.flac").is_file()
        and example["sounds"]["one"]["tokens"][0][0] == "Hu"
    )
    other = {**data, "two": VocoderDataModule(tokens, {"Hu": 25.0}, 10, 2, seed=5)}
    with pytest.raises(ValueError, match="held out different utterances"):
        measure_resynthesis(out, tokenizers, vocoders, other, Autocorrelation())


def test_the_word_error_rate_of_a_recognizer_is_that_of_the_corpus(tmp_path):
    """A recognizer that always returns "b" makes no error in half of the utterances, and in the others one in two words."""
    tokens = write_hums(tmp_path, [30] * 20, texts=["b", "a b"] * 10)
    tokenizer(6, 0).save(tmp_path / "tokenizer")
    contract = read_contract(tmp_path / "tokenizer")
    write_contract(tokens, contract)
    generator = ISTFTGenerator(
        {"Hu": 6}, 25, num_speakers=2, embedding_dim=4, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1)
    )
    Vocoder(generator, tokenizer(6, 0).streams, DurationPredictor(4, 8), ["bob", "ann"], contract=contract).save(
        tmp_path / "one"
    )
    recognizer = write_recognizer(tmp_path / "recognizer", "b")
    out = tmp_path / "out"
    out.mkdir()
    measure_resynthesis(
        out,
        {"one": tmp_path / "tokenizer"},
        {"one": tmp_path / "one"},
        {"one": VocoderDataModule(tokens, {"Hu": 25.0}, 10, 2)},
        Autocorrelation(),
        judges=SpeechJudges(PretrainedRecognizer(str(recognizer))),
        num_examples=0,
        unseen_split="train",
    )
    measures = measures_of(out)
    assert list(measures)[:2] == ["word_error_rate_unseen", "character_error_rate_unseen"]
    values = measures["word_error_rate_unseen"]["values"]
    assert list(values) == ["one", "Originals", "Griffin-Lim"]
    for estimate in values.values():
        assert estimate["n"] == 20 and estimate["value"] == pytest.approx(1 / 3, abs=1e-4)
    notes = json.loads((out / "measures.json").read_text())["notes"]
    assert set(notes["not_measured"]) == {"speaker similarity", "DNSMOS"}


def test_language_models_of_several_seeds_are_scored_on_the_same_data(variants, tmp_path):
    folder, _, _ = variants
    rows = [
        {
            "id": f"u{n}",
            "audio": str(folder / "source" / f"audio/train_{n}.wav"),
            "text": text,
            "speaker": "ann",
            "words": [[word, 0.3 * i, 0.3 * i + 0.3] for i, word in enumerate(text.split())],
        }
        for n, text in enumerate(("one two three", "two three one", "three one two", "one three two"))
    ]
    for split in ("train", "dev"):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / f"{split}.jsonl").write_text(
            "".join(json.dumps({**row, "id": f"{split}{row['id']}"}) + "\n" for row in rows)
        )
    prepare(open_corpus(tmp_path / "source"), tmp_path / "corpus")
    tokenizer(6, 0).save(tmp_path / "tokenizer")
    build_vocabulary(tmp_path / "vocabulary", tmp_path / "tokenizer", tmp_path / "corpus", text_size=270)
    tokenize_corpus(
        tmp_path / "tokens", tmp_path / "corpus", tmp_path / "tokenizer", tmp_path / "vocabulary" / "vocabulary"
    )
    vocabulary = Vocabulary.load(tmp_path / "vocabulary" / "vocabulary")
    for seed in range(2):
        with atomic_folder(tmp_path / f"model_{seed}") as place:
            save_language_model(
                tiny_network(vocabulary, seed, max_positions=256),
                place,
                vocabulary,
                read_contract(tmp_path / "vocabulary" / "vocabulary"),
                None,
            )
    models = [tmp_path / f"model_{seed}" for seed in range(2)]
    out = tmp_path / "out"
    out.mkdir()
    base = LanguageModelVariant(tmp_path / "tokenizer", tmp_path / "tokens", tuple(models), tuple(models[::-1]))
    measure_language_models(out, {"Base": base}, num_processes=2)
    measures = measures_of(out)
    assert (
        measures["bits_per_second_of_speech"]["values"]["Base"]["n"] == 4
        and measures["cloze_S->T"]["seeds"] == 2
        and "stsp_S->S" not in measures
    )
    same = measures["interleaving_S->T"]  # the same two models in the other order: no difference on average
    assert same["differences"]["Base, interleaved"]["value"] == pytest.approx(0, abs=1e-9)
    assert set(measures["alignment_by_depth"]["values"]) == {"embedding", "middle layers"}
    assert len(json.loads((out / "measures.json").read_text())["notes"]["layers"]["Base"]) == 3
