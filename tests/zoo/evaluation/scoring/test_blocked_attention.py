import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from zoo.evaluation.scoring.blocked_attention import NAME, QUERIES, attention_in_blocks


@pytest.fixture(scope="module")
def network():
    """Two heads share their keys."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
    )
    return LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("length", [1, QUERIES - 1, QUERIES, QUERIES + 1, 3 * QUERIES + 5])
def test_blocks_give_what_the_whole_gives(network, length):
    draw = torch.Generator().manual_seed(length)
    ids, seen = torch.randint(50, (2, length), generator=draw), torch.rand(2, 1, length, length, generator=draw) < 0.5
    seen = seen.tril() | torch.eye(length, dtype=torch.bool)
    mask = torch.zeros(seen.shape).masked_fill_(~seen, torch.finfo(torch.float).min)
    with torch.inference_mode():
        want = network(ids, attention_mask=mask, use_cache=False).logits
        with attention_in_blocks(network):
            assert network.config._attn_implementation == NAME
            got = network(ids, attention_mask=mask, use_cache=False).logits
    torch.testing.assert_close(got, want)


def test_the_network_attends_as_before_once_it_is_over(network):
    with pytest.raises(KeyError), attention_in_blocks(network):
        raise KeyError
    assert network.config._attn_implementation == "sdpa"


def test_another_attention_is_left_alone(network):
    network.set_attn_implementation("eager")
    try:
        with attention_in_blocks(network):
            assert network.config._attn_implementation == "eager"
    finally:
        network.set_attn_implementation("sdpa")
