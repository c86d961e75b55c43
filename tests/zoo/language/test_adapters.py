import json
import os

import pytest
import torch
from safetensors.torch import load_file

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.language.adapter_weights import is_adapter
from zoo.language.adapters import (
    activate_adapter,
    add_adapter,
    load_adapted,
    lora,
    merge_adapter,
    merged,
    new_rows_only,
    save_adapter,
    save_language_model,
    without_adapter,
)
from zoo.language.networks import checkpointed, from_checkpoint, from_run
from zoo.language.speech_text_model import load_language_model
from zoo.tokens.contract import ContractError
from zoo.tokens.vocabulary import Vocabulary

VOCABULARY = words_vocabulary()
CONTRACT = {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract}
IDS = torch.randint(len(VOCABULARY), (2, 24), generator=torch.Generator().manual_seed(0))
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def checkpoint(request, tmp_path):
    tiny_network(Vocabulary(VOCABULARY.text, (), multiple=1), tie_embeddings=request.param).save_pretrained(
        tmp_path / "text"
    )
    return str(tmp_path / "text")


def speaking(checkpoint):
    return from_checkpoint(checkpoint, VOCABULARY, rope_theta=50_000.0)


WAYS = {
    "lora": lambda base: lora(base, rank=4, targets=ALL, new_rows=VOCABULARY),
    "frozen rows": lambda base: lora(base, rank=4),
    "dora": lambda base: lora(base, rank=4, use_dora=True, new_rows=VOCABULARY),
    "rslora": lambda base: lora(base, rank=4, use_rslora=True, new_rows=VOCABULARY),
    "rows": lambda base: new_rows_only(base, VOCABULARY),
}


def learn(network, steps=3, seed=0):
    """Some steps that move everything that can move."""
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.02)
    network.train()
    for _ in range(steps):
        network(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return network.eval()


@torch.no_grad()
def logits(network):
    return network.eval()(input_ids=IDS, use_cache=False).logits


@pytest.mark.parametrize("way", WAYS)
def test_only_adapters_and_new_rows_move(checkpoint, way):
    base = speaking(checkpoint)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    network = learn(WAYS[way](checkpointed(base)))
    stored = {
        name: weight
        for name, weight in network.named_parameters(remove_duplicate=False)
        if "lora_" not in name and "_delta" not in name
    }
    assert not any(weight.requires_grad for weight in stored.values())
    plain = {
        name.removeprefix("base_model.model.")
        .replace("base_layer.", "")
        .replace("token_adapter.", "")
        .replace("original_module.", ""): weight
        for name, weight in stored.items()
    }
    assert before.keys() == plain.keys()
    for name, weight in before.items():
        assert torch.equal(plain[name], weight), name
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            assert weight.isfinite().all() and weight.abs().sum() > 0, name
    rows = {name: delta for name, delta in network.named_parameters() if "trainable_tokens_delta" in name}
    matrices = (
        1
        if before["lm_head.weight"].data_ptr() == before["model.embed_tokens.weight"].data_ptr()
        or base.config.tie_word_embeddings
        else 2
    )
    assert len(rows) == (0 if way == "frozen rows" else matrices)
    for name, delta in rows.items():
        old = before["lm_head.weight" if "lm_head" in name else "model.embed_tokens.weight"][VOCABULARY.num_text :]
        moved = (delta != old).any(1)
        heard = torch.isin(torch.arange(VOCABULARY.num_text, VOCABULARY.num_rows), IDS)
        assert delta.shape == old.shape and moved[heard].all()


@pytest.mark.parametrize("way", WAYS)
def test_saved_and_merged_adapters_say_the_same(checkpoint, tmp_path, way):
    network = learn(WAYS[way](speaking(checkpoint)))
    want = logits(network)
    save_language_model(network, tmp_path / "adapter", VOCABULARY, CONTRACT)
    assert is_adapter(tmp_path / "adapter") and not is_adapter(tmp_path / "text")
    different = {
        weight.numpy().tobytes(): weight.numel()
        for weight in load_file(tmp_path / "adapter" / "adapter_model.safetensors").values()
    }
    assert sum(different.values()) == sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    loaded, vocabulary = load_language_model(tmp_path / "adapter")
    assert torch.equal(logits(loaded), want) and vocabulary.contract == VOCABULARY.contract
    torch.testing.assert_close(logits(merged(network)), want, rtol=0, atol=1e-5)
    merge_adapter(tmp_path / "adapter", tmp_path / "whole")
    whole, _ = load_language_model(tmp_path / "whole")
    torch.testing.assert_close(logits(whole), want, rtol=0, atol=1e-5)
    assert (
        whole.state_dict().keys()
        == from_run(tmp_path / "whole", VOCABULARY).state_dict().keys()
        == speaking(checkpoint).state_dict().keys()
    )


def test_adapters_load_by_name_and_switch(checkpoint, tmp_path):
    want = {"base": logits(speaking(checkpoint))}
    for seed, name in enumerate(("german", "mandarin")):
        network = learn(lora(speaking(checkpoint), rank=2 + seed, new_rows=VOCABULARY), seed=seed)
        want[name] = logits(network)
        save_adapter(network, tmp_path / name, VOCABULARY, CONTRACT)
    network = add_adapter(
        load_adapted(tmp_path / "german", name="german"), tmp_path / "german", tmp_path / "mandarin", "mandarin"
    )
    assert torch.equal(logits(network), want["mandarin"])
    activate_adapter(network, "german")
    assert torch.equal(logits(network), want["german"]) and not torch.equal(want["german"], want["mandarin"])
    with without_adapter(network):
        assert torch.equal(logits(network), want["base"])
    save_adapter(network, tmp_path / "again", VOCABULARY, CONTRACT)
    assert torch.equal(logits(load_adapted(tmp_path / "again")), want["german"])
    with pytest.raises(ValueError, match=r"no adapter is named 'dutch'; loaded are \['german', 'mandarin'\]"):
        activate_adapter(network, "dutch")
    with pytest.raises(ValueError, match="the network already has an adapter named 'german'"):
        add_adapter(network, tmp_path / "german", tmp_path / "mandarin", "german")


def test_an_adapter_over_a_speech_text_model(tmp_path):
    base = tiny_network(VOCABULARY)
    save_language_model(base, tmp_path / "base", VOCABULARY, CONTRACT)
    network = learn(lora(from_run(tmp_path / "base", VOCABULARY), rank=2, new_rows=VOCABULARY))
    save_adapter(network, tmp_path / "adapter", VOCABULARY, CONTRACT)
    assert torch.equal(logits(load_adapted(tmp_path / "adapter")), logits(network))
    plain, _ = load_language_model(tmp_path / "base")
    assert torch.equal(logits(add_adapter(plain, tmp_path / "base", tmp_path / "adapter", "new")), logits(network))
    (tmp_path / "base").rename(tmp_path / "moved")
    assert torch.equal(logits(load_adapted(tmp_path / "adapter", base=str(tmp_path / "moved"))), logits(network))


def test_an_adapter_of_other_tokens_is_refused(checkpoint, tmp_path):
    save_language_model(tiny_network(VOCABULARY), tmp_path / "base", VOCABULARY, CONTRACT)
    network = lora(from_run(tmp_path / "base", VOCABULARY), rank=2)
    save_adapter(network, tmp_path / "adapter", VOCABULARY, {**CONTRACT, "tokenizer": {"checksum": "other"}})
    plain, _ = load_language_model(tmp_path / "base")
    with pytest.raises(
        ContractError,
        match=r"base.contract.json and .*adapter.contract.json differ in tokenizer.checksum: 'toy' against 'other'",
    ):
        add_adapter(plain, tmp_path / "base", tmp_path / "adapter", "new")
    with pytest.raises(ContractError, match="differ in tokenizer.checksum"):
        load_adapted(tmp_path / "adapter")
    with pytest.raises(FileNotFoundError, match="no adapter_config.json in .*base"):
        load_adapted(tmp_path / "base")


def test_an_adapter_of_another_network_is_refused(tmp_path):
    save_language_model(tiny_network(VOCABULARY), tmp_path / "base", VOCABULARY, CONTRACT)
    save_adapter(lora(from_run(tmp_path / "base", VOCABULARY), rank=2), tmp_path / "adapter", VOCABULARY, CONTRACT)
    wider = tiny_network(VOCABULARY, intermediate_size=48)
    wide = type(wider)(type(wider.config)(**{**wider.config.to_dict(), "hidden_size": 24}))
    with pytest.raises(ValueError, match="adapter was trained for another network"):
        add_adapter(wide, tmp_path / "base", tmp_path / "adapter", "new")


def test_what_a_base_was_made_of_stands_beside_its_adapter(checkpoint, tmp_path):
    save_adapter(lora(speaking(checkpoint), rank=2), tmp_path / "adapter", VOCABULARY, CONTRACT)
    assert json.loads((tmp_path / "adapter" / "base.json").read_text()) == {
        "source": checkpoint,
        "rope_theta": 50_000.0,
        "beside": os.path.relpath(checkpoint, tmp_path / "adapter"),
    }


def test_unknown_targets_are_an_error():
    with pytest.raises(
        ValueError, match=r"targets \['c_attn'\]: LlamaForCausalLM has no linear layer of that name; it has .*'q_proj'"
    ):
        lora(tiny_network(VOCABULARY), targets=["c_attn"])
