"""The folders that the documentation's examples use, with small random weights: a run, adapters, pitch units, an export."""

import json
from pathlib import Path

import torch

from recipes.stages.corpus import prepare_corpus
from tests.toy_tokens import WORDS, tiny_network
from zoo.audio import write
from zoo.corpora import DemoCorpus
from zoo.interop.huggingface import export_language_model
from zoo.language.adapters import lora, save_language_model
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook
from zoo.tokenizers.speech_tokenizer import Base
from zoo.tokens.contract import write_contract
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder import ConvNeXtSizes, DurationPredictor, ISTFTGenerator, Vocoder

NUM_UNITS = 100
SPEAKERS = ["en_f2", "en_m3"]


def write_run(run: Path) -> None:
    """Fill ``run`` as the quickstart does: corpus, tokenizer, vocabulary, language model, vocoder."""
    prepare_corpus(run / "corpus", DemoCorpus(hours=0.01, num_processes=1))
    write_models(run)


def write_models(run: Path) -> None:
    """Fill ``run`` with what needs no corpus: tokenizer, vocabulary, language model, vocoder."""
    torch.manual_seed(0)
    encoder = FilterbankEncoder()
    quantizer = KMeans(NUM_UNITS, encoder.dim)
    quantizer.centroids.normal_()
    tokenizer = Base(PhoneticUnits(encoder, quantizer))
    tokenizer.save(run / "tokenizer" / "tokenizer")
    vocabulary = Vocabulary(train_text_tokenizer([" ".join(WORDS)], 300), tokenizer.streams, 8)
    vocabulary.save(run / "vocabulary" / "vocabulary")
    contract = {**tokenizer.contract, "vocabulary": vocabulary.contract}
    write_contract(run / "vocabulary" / "vocabulary", contract)
    network = tiny_network(vocabulary, max_positions=1024)
    save_language_model(network, run / "language_model" / "model", vocabulary, contract)
    generator = ISTFTGenerator(
        {"Hu": NUM_UNITS},
        25.0,
        num_speakers=len(SPEAKERS),
        embedding_dim=8,
        backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1, kernel_size=3),
    )
    vocoder = Vocoder(generator, tokenizer.streams, DurationPredictor(8, 8), SPEAKERS, contract=tokenizer.contract)
    vocoder.save(run / "vocoder" / "vocoder")


def write_adapter(run: Path, adapter: Path) -> None:
    """Save a LoRA adapter of random weights on the language model of ``run``."""
    vocabulary = Vocabulary.load(run / "vocabulary" / "vocabulary")
    contract = json.loads((run / "language_model" / "model" / "contract.json").read_text())
    network = lora(tiny_network(vocabulary, max_positions=1024), rank=2)
    network.get_base_model().name_or_path = str(run / "language_model" / "model")
    save_language_model(network, adapter, vocabulary, contract)


def write_pitch_units(folder: Path) -> None:
    sizes = {"dim": 8, "width": 8, "depth": 2}
    network = PitchVQVAE(PitchEncoder(**sizes), EMACodebook(16, 8), PitchDecoder(**sizes), 30.0)
    PitchUnits(Autocorrelation(), network, normalize=True).save(folder)


def write_suite(folder: Path) -> None:
    """A recording ``speech.wav``, and a cloze of one item, ``mine.jsonl``, that uses it."""
    time = torch.arange(3 * 16000) / 16000
    waveform = 0.3 * torch.sin(2 * torch.pi * (150 + 50 * time) * time) + 0.01 * torch.randn(len(time))
    write(folder / "speech.wav", waveform, 16000)
    parts = {}
    for number, name in enumerate(("prompt", "right", "wrong")):
        parts[name] = {"text": WORDS[number], "audio": "speech.wav"}
    (folder / "mine.jsonl").write_text(json.dumps(parts) + "\n")


def write_documented_folders(root: Path) -> None:
    """Everything that the Python examples of README and documentation read, below ``root``."""
    write_run(root / "runs" / "quickstart")
    for language in ("german", "mandarin"):
        write_adapter(root / "runs" / "quickstart", root / "runs" / language / "lora" / "model")
    write_pitch_units(root / "runs" / "pitch_demo" / "pitch" / "pitch")
    write_suite(root)
    export_language_model(root / "runs" / "quickstart" / "language_model" / "model", root / "exported")
