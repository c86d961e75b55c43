import importlib.util

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList, PreTrainedTokenizerFast

from tests.toy_tokens import STREAMS, tiny_network, words_vocabulary
from zoo.interop.huggingface import export_language_model, speech_text_tokenizer
from zoo.language.adapters import lora, save_language_model
from zoo.language.generation import Sampling, encode_prompt, generate
from zoo.language.modality_constraint import ModalityConstraint
from zoo.tokens.merged_streams import parse
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

EXPRESSIVE = (*STREAMS, Stream("Pi", 5, 12.5), Stream("St", 3, 1.0, dedup=False))
VOCABULARY = Vocabulary(words_vocabulary().text, EXPRESSIVE, 8)
CONTRACT = {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract}
PROMPT = ["anna said:  it's 2.5%", parse("[St1][Pi2][Hu3][Hu9]", EXPRESSIVE), "żółw 🙂"]
STRING = "[Text]anna said:  it's 2.5% [Speech][St1][Pi2][Hu3][Hu9][Text]żółw 🙂[Speech]"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_language_model(tiny_network(VOCABULARY), folder, VOCABULARY, CONTRACT)
    return folder


@pytest.fixture(scope="module")
def exported(model):
    export_language_model(model, model.parent / "exported")
    return model.parent / "exported"


def module(folder):
    """The file beside an exported model, imported from where it lies."""
    spec = importlib.util.spec_from_file_location("modality", folder / "modality.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_plain_transformers_reads_ids_and_logits_alike(exported):
    tokenizer, network = AutoTokenizer.from_pretrained(exported), AutoModelForCausalLM.from_pretrained(exported).eval()
    ids = tokenizer(STRING, return_tensors="pt")["input_ids"]
    assert ids[0].tolist() == encode_prompt(VOCABULARY, PROMPT, "speech")
    assert len(tokenizer) == len(VOCABULARY)
    with torch.inference_mode():
        assert torch.equal(network(ids).logits, tiny_network(VOCABULARY).eval()(ids).logits)
    assert (
        tokenizer.decode(ids[0]).replace("<s>", "")
        == "[Text] anna said: it's 2.5%[Speech][St1][Pi2][Hu3][Hu9][Text] żółw 🙂[Speech]"
    )


@pytest.mark.parametrize("to", ["text", "speech", "any"])
def test_plain_transformers_generates_alike(exported, to):
    tokenizer, network, modality = (
        AutoTokenizer.from_pretrained(exported),
        AutoModelForCausalLM.from_pretrained(exported),
        module(exported),
    )
    scores = torch.randn(2, VOCABULARY.num_rows)
    assert torch.equal(modality.ModalityProcessor(to)(None, scores), ModalityConstraint(VOCABULARY, to)(None, scores))
    string = STRING.removesuffix("[Speech]") + ("[Speech]" if to == "speech" else "")
    given = tokenizer(string, return_tensors="pt")
    output = network.generate(
        **given,
        do_sample=False,
        max_new_tokens=12,
        logits_processor=LogitsProcessorList([modality.ModalityProcessor(to)]),
    )
    new = [i for i in output[0, given["input_ids"].shape[1] :].tolist() if i != VOCABULARY.eos]
    (answer,) = generate(tiny_network(VOCABULARY), VOCABULARY, [PROMPT], to, Sampling(12, 0))
    pieces = [
        VOCABULARY.text.encode(p) if isinstance(p, str) else VOCABULARY.speech_ids(p).tolist() for p in answer.segments
    ]
    if to == "speech":
        assert new == [i for piece in pieces for i in piece]
    assert "".join(str(p) for p in answer.segments).replace(" ", "") == tokenizer.decode(
        [i for i in new if i not in (VOCABULARY.text_marker, VOCABULARY.speech_marker)]
    ).replace(" ", "")


def test_a_tokenizer_without_a_begin_of_its_own_and_with_other_spaces(tmp_path):
    backend = words_vocabulary().text.tokenizer.backend_tokenizer.__class__.from_str(
        words_vocabulary().text.tokenizer.backend_tokenizer.to_str()
    )
    text = TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>"))
    vocabulary = Vocabulary(text, STREAMS, 8)
    assert vocabulary.bos == vocabulary.eos
    ids = speech_text_tokenizer(vocabulary)("[Text]tom\n went[Speech][Hu1]")["input_ids"]
    assert ids == [
        vocabulary.bos,
        vocabulary.text_marker,
        *text.encode("tom went"),
        vocabulary.speech_marker,
        vocabulary.first_unit + 1,
    ]


@pytest.mark.parametrize("merge", [True, False])
def test_adapters_are_merged_or_lie_beside(model, tmp_path, merge):
    base = AutoModelForCausalLM.from_pretrained(model)
    network = lora(base, rank=2, new_rows=VOCABULARY)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.1)
    save_language_model(network, tmp_path / "adapted", VOCABULARY, CONTRACT)
    export_language_model(tmp_path / "adapted", tmp_path / "out", merge)
    ids = torch.tensor([encode_prompt(VOCABULARY, PROMPT, "speech")])
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    again = again if merge else PeftModel.from_pretrained(again, tmp_path / "out" / "adapter")
    with torch.inference_mode():
        torch.testing.assert_close(
            again.eval()(input_ids=ids).logits, network.eval()(input_ids=ids).logits, rtol=0, atol=1e-5
        )
        assert not torch.allclose(again(input_ids=ids).logits, tiny_network(VOCABULARY).eval()(ids).logits, atol=1e-3)


def test_a_folder_with_something_in_it_is_left_alone(model, tmp_path):
    (tmp_path / "mine.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="is not empty"):
        export_language_model(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
