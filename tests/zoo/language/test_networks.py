import importlib.util
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, Qwen2Config, Qwen3Config

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.language.adapters import lora
from zoo.language.embedding_initializers import MatchedRows, NormalRows
from zoo.language.losses import NextTokenLoss
from zoo.language.networks import from_checkpoint, from_run, llama, quantized, random_like
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

VOCABULARY = words_vocabulary()


def text_checkpoint(folder, rows=VOCABULARY.num_text, **changes):
    """A text model of so many rows, and its state."""
    text_only = Vocabulary(VOCABULARY.text, (), multiple=1)
    network = tiny_network(text_only, **changes)
    network.resize_token_embeddings(rows, mean_resizing=False)
    network.save_pretrained(folder)
    return {name: weight.clone() for name, weight in network.state_dict().items()}


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("spare", [0, 5], ids=["exact", "padded"])
def test_text_rows_are_kept_to_the_bit_and_the_others_drawn(tmp_path, tied, spare):
    before = text_checkpoint(tmp_path, VOCABULARY.num_text + spare, tie_embeddings=tied)
    network = from_checkpoint(str(tmp_path), VOCABULARY, initializer=NormalRows())
    after, deviation = network.state_dict(), network.config.initializer_range
    assert after.keys() == before.keys() and network.dtype == torch.float32
    for name, weight in before.items():
        new = after[name]
        if "embed" not in name and "lm_head" not in name:
            assert torch.equal(new, weight)
            continue
        text = VOCABULARY.num_text
        assert len(new) == VOCABULARY.num_rows and torch.equal(new[:text], weight[:text])
        assert (
            new[text:].std().item() == pytest.approx(deviation, rel=0.3)
            and abs(new[text:].mean().item()) < deviation / 2
        )
        assert len(new[text:].unique(dim=0)) == VOCABULARY.num_rows - text
        assert not any(torch.equal(row, old) for row, old in zip(new[text:], weight[text:], strict=False))
    same = network.get_input_embeddings().weight is network.get_output_embeddings().weight
    assert same == tied
    assert (network.config.vocab_size, network.config.bos_token_id, network.config.eos_token_id) == (
        VOCABULARY.num_rows,
        VOCABULARY.bos,
        VOCABULARY.eos,
    )


def test_new_rows_are_a_function_of_the_seed(tmp_path):
    text_checkpoint(tmp_path)
    one, two = (
        [from_checkpoint(str(tmp_path), VOCABULARY, seed=seed).state_dict() for _ in range(3)] for seed in (0, 1)
    )
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert all(torch.equal(one[0][name], again[name]) for again in one[1:])
        assert not torch.equal(one[0][name], two[0][name])


def test_what_a_text_model_says_of_text_does_not_change(tmp_path):
    text_checkpoint(tmp_path)
    ids = torch.tensor([[VOCABULARY.bos, *VOCABULARY.text.encode("anna tom vera")]])
    before = type(from_checkpoint(str(tmp_path), VOCABULARY)).from_pretrained(tmp_path).eval()(ids).logits
    torch.testing.assert_close(
        from_checkpoint(str(tmp_path), VOCABULARY).eval()(ids).logits[..., : VOCABULARY.num_text], before
    )


def test_too_few_rows_are_an_error(tmp_path):
    text_checkpoint(tmp_path, VOCABULARY.num_text - 3)
    with pytest.raises(
        ValueError, match=f"embeds {VOCABULARY.num_text - 3} text tokens, but its vocabulary has {VOCABULARY.num_text}"
    ):
        from_checkpoint(str(tmp_path), VOCABULARY)


def test_the_rotary_base_is_applied_or_kept(tmp_path):
    text_checkpoint(tmp_path, rope_theta=10_000.0)
    kept, raised = (
        from_checkpoint(str(tmp_path), VOCABULARY),
        from_checkpoint(str(tmp_path), VOCABULARY, rope_theta=1e6),
    )

    def frequencies(theta):
        return theta ** (-torch.arange(0, 8, 2) / 8)

    torch.testing.assert_close(kept.model.rotary_emb.inv_freq, frequencies(10_000.0))
    torch.testing.assert_close(raised.model.rotary_emb.inv_freq, frequencies(1e6))
    raised.save_pretrained(tmp_path / "raised")
    torch.testing.assert_close(
        from_checkpoint(str(tmp_path / "raised"), VOCABULARY).model.rotary_emb.inv_freq, frequencies(1e6)
    )


def test_an_untrained_llama_has_a_row_for_every_id():
    network = tiny_network(VOCABULARY)
    assert (
        network.get_input_embeddings().weight.shape
        == network.get_output_embeddings().weight.shape
        == (VOCABULARY.num_rows, 16)
    )
    torch.testing.assert_close(network.model.rotary_emb.inv_freq, 100_000.0 ** (-torch.arange(0, 8, 2) / 8))
    assert (
        tiny_network(VOCABULARY, tie_embeddings=True).num_parameters()
        == network.num_parameters() - 16 * VOCABULARY.num_rows
    )


SHAPE = {
    "vocab_size": VOCABULARY.num_text,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": LlamaConfig(**SHAPE),
    "smollm-like": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SHAPE, head_dim=8),
    "gemma3": Gemma3TextConfig(**SHAPE, head_dim=8),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_id_learns_in_every_family_the_padding_id_of_the_checkpoint_too(tmp_path, family):
    torch.manual_seed(0)
    text = AutoModelForCausalLM.from_config(FAMILIES[family])
    text.save_pretrained(tmp_path)
    network = from_checkpoint(str(tmp_path), VOCABULARY, rope_theta=77_000.0)
    assert (
        type(network) is type(text)
        and network.config.pad_token_id is None
        and network.generation_config.pad_token_id is None
    )
    rope = network.config.rope_parameters
    assert rope.get("full_attention", rope)["rope_theta"] == 77_000.0
    embedding, head = network.get_input_embeddings(), network.get_output_embeddings()
    assert (embedding.weight is head.weight) == bool(FAMILIES[family].tie_word_embeddings)
    assert torch.equal(embedding.weight[: VOCABULARY.num_text], text.get_input_embeddings().weight)
    ids = torch.tensor([[5, 0, 0, VOCABULARY.first_unit, 0, 7, len(VOCABULARY) - 1, VOCABULARY.eos]])
    losses = NextTokenLoss(network)(ids)
    shares = torch.log_softmax(network(input_ids=ids, use_cache=False).logits[0], -1)
    torch.testing.assert_close(losses.tokens[0], -shares[range(7), ids[0, 1:]].detach())
    losses.mean.backward()
    assert embedding.weight.grad[ids[0, :-1].unique()].abs().sum(1).gt(0).all()
    later = network(input_ids=torch.tensor([[5, 9, 9, VOCABULARY.first_unit]]), use_cache=False).logits[0, -1]
    assert not torch.allclose(
        later, network(input_ids=ids[:, :4], use_cache=False).logits[0, -1]
    )  # id 0 is attended to


def test_matched_rows_have_the_mean_and_covariance_of_the_old():
    draw = torch.Generator().manual_seed(0)
    old = torch.randn(400, 6, generator=draw) @ torch.randn(6, 6, generator=draw) + torch.arange(6.0)
    new = MatchedRows().draw(old, 20_000, 0.02, draw)
    torch.testing.assert_close(new.mean(0), old.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(new.T.cov(), old.T.cov(), rtol=0.05, atol=0.3)
    assert torch.equal(MatchedRows(scale=0.0).draw(old, 2, 0.02, draw), old.mean(0).expand(2, -1))
    assert NormalRows(0.5).draw(old, 5000, 0.02, draw).std().item() == pytest.approx(0.5, rel=0.05)
    assert NormalRows().draw(old, 5000, 0.02, draw).std().item() == pytest.approx(0.02, rel=0.05)


def test_matched_rows_follow_embedding_and_head_each(tmp_path):
    before = text_checkpoint(tmp_path)
    before["lm_head.weight"] += 3
    network = AutoModelForCausalLM.from_pretrained(tmp_path)
    network.lm_head.weight.data += 3
    network.save_pretrained(tmp_path)
    network = from_checkpoint(str(tmp_path), VOCABULARY, initializer=MatchedRows())
    for name, mean in (("lm_head", 3.0), ("model.embed_tokens", 0.0)):
        new = network.get_parameter(f"{name}.weight")[VOCABULARY.num_text :]
        assert new.mean().item() == pytest.approx(mean, abs=0.02) and len(new.unique(dim=0)) == len(new)


def test_the_official_layout_of_llama_2():
    class Text:
        bos, eos, checksum = 1, 2, ""

        def __len__(self):
            return 32000

    base = Vocabulary(Text(), [Stream("Hu", 501, 25.0)], multiple=128)
    expressive = Vocabulary(
        Text(), [Stream("Hu", 501, 25.0), Stream("Pi", 64, 12.5), Stream("St", 100, 1.0)], multiple=128
    )
    assert (base.text_marker, base.speech_marker, base.num_rows, expressive.num_rows) == (32000, 32001, 32512, 32768)
    assert [(ids.start, ids.stop) for ids in expressive.ranges.values()] == [
        (32002, 32503),
        (32503, 32567),
        (32567, 32667),
    ]


def test_random_weights_in_the_shape_of_a_checkpoint(tmp_path):
    text_checkpoint(tmp_path)
    torch.manual_seed(3)
    network, kept = random_like(str(tmp_path), VOCABULARY, rope_theta=9e4), from_checkpoint(str(tmp_path), VOCABULARY)

    def shapes(network):
        return {name: weight.shape for name, weight in network.state_dict().items()}

    assert shapes(network) == shapes(kept) and network.config.rope_parameters["rope_theta"] == 9e4
    assert not torch.equal(
        network.model.layers[0].self_attn.q_proj.weight, kept.model.layers[0].self_attn.q_proj.weight
    )


def test_a_trained_model_goes_on_as_it_is(tmp_path):
    made = tiny_network(VOCABULARY)
    made.save_pretrained(tmp_path)
    VOCABULARY.save(tmp_path)
    again = from_run(tmp_path, VOCABULARY)
    assert all(torch.equal(weight, made.state_dict()[name]) for name, weight in again.state_dict().items())
    with pytest.raises(ValueError, match="was trained over another vocabulary: its ranges is"):
        from_run(tmp_path, Vocabulary(VOCABULARY.text, (Stream("Hu", 7, 25.0),), multiple=8))
    with pytest.raises(ValueError, match="is a speech-text model, whose rows for speech would be drawn anew"):
        from_checkpoint(str(tmp_path), VOCABULARY)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(
        ValueError,
        match="contains an adapter, not a whole model: merge it into its base with zoo.language.adapters.merge_adapter first",
    ):
        from_run(tmp_path, VOCABULARY)


def test_a_quantized_base_needs_its_library(tmp_path, monkeypatch):
    text_checkpoint(tmp_path)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    message = r"bits=4 needs the package bitsandbytes, which is not installed: pip install 'spiritlm-zoo\[quantized\]'"
    with pytest.raises(ValueError, match=message):
        quantized(str(tmp_path), VOCABULARY)


@pytest.mark.skipif(not importlib.util.find_spec("bitsandbytes"), reason="bitsandbytes is an extra")
@pytest.mark.parametrize("bits, kind", [(8, "Linear8bitLt"), (4, "Linear4bit")])
def test_adapters_learn_beside_a_quantized_base(tmp_path, bits, kind):
    llama(Vocabulary(VOCABULARY.text, (), multiple=1), 64, 1, 2).save_pretrained(tmp_path)
    base = quantized(str(tmp_path), VOCABULARY, bits)
    assert type(base.model.layers[0].mlp.up_proj).__name__ == kind
    assert base.get_input_embeddings().weight.dtype == base.get_output_embeddings().weight.dtype == torch.bfloat16
    network = lora(base, rank=2, new_rows=VOCABULARY)
    NextTokenLoss(network)(
        torch.randint(len(VOCABULARY), (2, 16), generator=torch.Generator().manual_seed(0))
    ).mean.backward()
    learning = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    assert learning and all("lora_" in name or "trainable_tokens" in name for name in learning)
    assert all(weight.grad.isfinite().all() for weight in learning.values()) and any(
        weight.grad.abs().sum() > 0 for weight in learning.values()
    )


def test_widths_that_do_not_divide_are_an_error():
    with pytest.raises(ValueError, match="hidden_size 16 must be a multiple of num_heads 3"):
        llama(VOCABULARY, 16, 1, 3)


def test_a_later_token_changes_nothing_before_it():
    network = tiny_network(VOCABULARY).eval()
    ids = torch.randint(len(VOCABULARY), (1, 20), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[:, 12] = (ids[:, 12] + 1) % len(VOCABULARY)
    before, after = network(ids).logits, network(changed).logits
    torch.testing.assert_close(after[:, :12], before[:, :12], rtol=0, atol=1e-6)
    assert not torch.allclose(after[:, 12:], before[:, 12:], atol=1e-4)


def test_the_seed_alone_decides_the_weights_and_leaves_chance_elsewhere_alone():
    def weights(seed, state):
        torch.manual_seed(state)
        network = llama(words_vocabulary(), hidden_size=16, num_layers=1, num_heads=2, seed=seed)
        return network.lm_head.weight, torch.rand(())

    (first, after), (again, later), (other, _) = weights(1, 0), weights(1, 5), weights(2, 0)
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.manual_seed(0)
    assert after == torch.rand(()) != later
