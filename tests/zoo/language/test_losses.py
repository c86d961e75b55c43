import pytest
import torch
from torch.nn import functional as F
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GraniteConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.language.adapters import lora, new_rows_only
from zoo.language.document_positions import DocumentPositions, RowPositions
from zoo.language.losses import NextTokenLoss
from zoo.language.networks import checkpointed, compiled, layers

VOCABULARY = words_vocabulary()
IDS = torch.randint(len(VOCABULARY), (3, 17), generator=torch.Generator().manual_seed(0))
SHAPE = {
    "vocab_size": VOCABULARY.num_rows,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, head_dim=8),
    "gemma2": Gemma2Config(**SHAPE, head_dim=8, final_logit_softcapping=0.5),
    "gemma3": Gemma3TextConfig(**SHAPE, head_dim=8),
    "granite": GraniteConfig(**SHAPE, logits_scaling=4.0),
    "cohere": CohereConfig(**SHAPE, logit_scale=0.25),
}


def network(family):
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(FAMILIES[family]).train()
    with torch.no_grad():  # far from uniform
        made.get_output_embeddings().weight.mul_(20)
    return made


def plain(made, ids):
    logits = made(input_ids=ids, use_cache=False).logits[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)


def gradients(made, mean):
    made.zero_grad()
    mean.backward()
    return {name: weight.grad for name, weight in made.named_parameters() if weight.requires_grad}


def same(one, other):
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("chunk", [1, 7, 1024])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_whole_logits(family, chunk):
    made = network(family)
    want, found = plain(made, IDS), NextTokenLoss(made, chunk_tokens=chunk)(IDS)
    torch.testing.assert_close(found.tokens, want.detach())
    torch.testing.assert_close(found.mean, want.mean())
    assert not found.tokens.requires_grad
    same(
        gradients(made, 3 * NextTokenLoss(made, chunk_tokens=chunk)(IDS).mean),
        gradients(made, 3 * plain(made, IDS).mean()),
    )
    with torch.inference_mode():
        torch.testing.assert_close(NextTokenLoss(made, chunk_tokens=chunk)(IDS).tokens, want.detach())


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize(
    "way",
    [
        lambda base: lora(base, rank=2, new_rows=VOCABULARY),
        lambda base: lora(base, rank=2),
        lambda base: new_rows_only(base, VOCABULARY),
    ],
    ids=["lora", "frozen rows", "rows"],
)
def test_gradients_of_adapters_and_new_rows(way, tied):
    made = way(tiny_network(VOCABULARY, tie_embeddings=tied))
    with torch.no_grad():  # so that the first matrices of the adapters get gradients too
        for name, weight in made.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    same(gradients(made, NextTokenLoss(made, chunk_tokens=5)(IDS).mean), gradients(made, plain(made, IDS).mean()))


def test_whole_logits_are_never_in_memory(monkeypatch):
    seen, cross_entropy = [], F.cross_entropy
    monkeypatch.setattr(
        F,
        "cross_entropy",
        lambda logits, *rest, **more: seen.append(tuple(logits.shape)) or cross_entropy(logits, *rest, **more),
    )
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: saved.append(tuple(tensor.shape)) or tensor, lambda tensor: tensor
    ):
        loss = NextTokenLoss(tiny_network(VOCABULARY), chunk_tokens=10)(IDS)
    assert seen == [(10, VOCABULARY.num_rows)] * 4 + [(8, VOCABULARY.num_rows)]
    tokens = IDS.numel() - len(IDS)
    assert (tokens, 16) in saved and not [shape for shape in saved if VOCABULARY.num_rows in shape and tokens in shape]
    loss.mean.backward()


def test_mixed_precision_keeps_the_gradient():
    made = tiny_network(VOCABULARY)
    with torch.autocast("cpu", torch.bfloat16):
        want, found = plain(made, IDS).mean(), NextTokenLoss(made, chunk_tokens=7)(IDS).mean
    assert found.dtype == torch.float32 and found.item() == pytest.approx(want.item(), rel=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        ours = gradients(made, NextTokenLoss(made, chunk_tokens=7)(IDS).mean)
        theirs = gradients(made, plain(made, IDS).mean())
    for name in ours:
        assert torch.nn.functional.cosine_similarity(ours[name].flatten(), theirs[name].flatten(), 0) > 0.99, name


def test_other_scales_of_the_logits_are_an_error():
    made = tiny_network(VOCABULARY)
    made.config.lm_head_multiplier = 0.5
    with pytest.raises(ValueError, match="LlamaForCausalLM scales its logits by lm_head_multiplier"):
        NextTokenLoss(made)
    with pytest.raises(ValueError, match="chunk_tokens must be at least 1, got 0"):
        NextTokenLoss(tiny_network(VOCABULARY), chunk_tokens=0)


def documents(*lengths):
    """Documents of so many tokens in one row."""
    parts = [[VOCABULARY.bos, VOCABULARY.text_marker, *range(5, 2 + length), VOCABULARY.eos] for length in lengths]
    return torch.tensor([sum(parts, [])])


@pytest.mark.parametrize("family", FAMILIES)
def test_documents_apart_are_read_as_if_each_stood_alone(family):
    made, row = network(family).eval(), documents(5, 8, 4)
    apart, together = (
        NextTokenLoss(made, positions)(row).tokens[0] for positions in (DocumentPositions(VOCABULARY), RowPositions())
    )
    for start, length in ((0, 5), (5, 8), (13, 4)):
        alone = NextTokenLoss(made)(row[:, start : start + length]).tokens[0]
        torch.testing.assert_close(apart[start : start + length - 1], alone)
    assert not torch.allclose(together[5:12], apart[5:12], atol=1e-4)


def test_documents_are_told_apart_where_one_token_begins_and_ends_them():
    positions = DocumentPositions(VOCABULARY)
    positions.bos = VOCABULARY.eos
    row = documents(5, 4)
    row[row == VOCABULARY.bos] = VOCABULARY.eos
    assert positions(torch.cat([row, row.flip(1)])).tolist()[0] == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert positions(row[:, 2:]).tolist() == [[0, 1, 2, 0, 1, 2, 3]]  # a row may begin within a document


def test_wrappers_change_neither_loss_nor_gradients_nor_names():
    want = network("llama")
    wrapped = compiled(checkpointed(network("llama")), backend="aot_eager")
    assert len(layers(wrapped)) == 2 and want.state_dict().keys() == wrapped.state_dict().keys()
    same(gradients(wrapped, NextTokenLoss(wrapped)(IDS).mean), gradients(want, NextTokenLoss(want)(IDS).mean))


def test_checkpointed_layers_keep_their_input_alone():
    def kept(made):
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: saved.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            made.get_decoder()(input_ids=IDS, use_cache=False)
        return sum(saved)

    assert kept(checkpointed(network("llama"))) < 0.3 * kept(network("llama"))
